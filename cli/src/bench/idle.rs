//! Connections that are opened and kept, but not used.

use std::io::{self, Write};
use std::time::Duration;

use mio::{Events, Poll, Token};

use crate::bench::error::BenchError;
use crate::bench::link::Connector;
use crate::endpoint::Endpoint;
use crate::security::Security;

/// How often the number of connections is shown.
const SHOW_INTERVAL: Duration = Duration::from_millis(250);

/// Opens `clients` connections to `endpoint`, with TLS if there is `security`, and holds them until one fails or the server says something.
///
/// # Errors
/// The first failure, or error reply, of a connection; see [`BenchError`].
pub fn hold(endpoint: Endpoint, security: Option<Security>, clients: usize) -> Result<(), BenchError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "Creating {clients} idle connections and waiting forever (Ctrl+C when done)")
        .map_err(BenchError::Output)?;
    let mut connector = Connector::new(endpoint, security, Vec::new(), 0);
    let mut poll = Poll::new()?;
    let mut links = Vec::with_capacity(clients);
    for index in 0..clients {
        let mut link = connector.open()?;
        link.register(poll.registry(), Token(index))?;
        links.push(link);
    }
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; 4096];
    loop {
        write!(stdout, "clients: {}\r", links.len()).and_then(|()| stdout.flush()).map_err(BenchError::Output)?;
        match poll.poll(&mut events, Some(SHOW_INTERVAL)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in events.iter().filter(|event| event.is_readable()) {
            let Some(link) = links.get_mut(event.token().0) else { continue };
            while let Some(len) = link.read(&mut buffer)? {
                link.count_replies(buffer.get(..len).unwrap_or_default())?;
            }
        }
    }
}
