//! TLS over a socket that does not block.

use std::io::{self, ErrorKind, Read, Write};

use mio::net::TcpStream;
use ochre_tls::rustls::ClientConnection;

/// A TLS connection, or one that is about to be made: the handshake goes on with each read and flush.
#[derive(Debug)]
pub(crate) struct SecureSocket {
    tcp: TcpStream,
    session: ClientConnection,
}

impl SecureSocket {
    pub(crate) fn new(tcp: TcpStream, mut session: ClientConnection) -> Self {
        // What is to be sent is limited by what the requests under way take.
        session.set_buffer_limit(None);
        Self { tcp, session }
    }

    /// The socket below.
    pub(crate) fn tcp(&mut self) -> &mut TcpStream {
        &mut self.tcp
    }

    /// Fills the buffer as far as the socket has data: less than a full buffer means that there is no more now. 0 is the
    /// end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        loop {
            match self.session.reader().read(buffer.get_mut(filled..).unwrap_or_default()) {
                Ok(0) => return Ok(filled),
                Ok(len) => filled += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => match self.receive() {
                    Err(error) if error.kind() == ErrorKind::WouldBlock && filled > 0 => return Ok(filled),
                    received => received?,
                },
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(filled),
                Err(error) => return Err(error),
            }
            if filled == buffer.len() {
                return Ok(filled);
            }
        }
    }

    /// Takes all bytes and sends what the socket takes; [`Self::flush`] sends the rest.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.session.writer().write(bytes)?;
        self.flush()?;
        Ok(len)
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut self.tcp) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn receive(&mut self) -> io::Result<()> {
        self.session.read_tls(&mut self.tcp)?;
        self.session.process_new_packets().map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        self.flush()
    }
}
