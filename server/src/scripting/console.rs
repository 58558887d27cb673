//! What the debugger of scripts says to its client, and hears from it, past the event loop: the script stands still.

use ochre_resp::Protocol;
use ochre_resp::reply::ReplyWriter;
use ochre_resp::request::{Decoded, Limits, RequestDecoder, Span};
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

/// The client of a script that is debugged.
pub(super) struct Console {
    /// The client's socket, which does not block.
    socket: File,
    decoder: RequestDecoder,
    input: Vec<u8>,
}

/// What one command may take.
const INPUT_MAX: usize = 1 << 20;
/// Who takes nothing for so long is gone.
const SEND_TIME_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for input.
const LOOK: Duration = Duration::from_millis(1);

impl Console {
    pub(super) fn new(socket: File) -> Console {
        Console { socket, decoder: RequestDecoder::new(), input: Vec::new() }
    }

    /// Sends lines. Who is gone is found out at the next question.
    pub(super) fn tell(&mut self, lines: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        let mut reply = ReplyWriter::new(&mut bytes, Protocol::Resp2);
        reply.array(lines.len());
        for line in lines {
            let line: Vec<u8> =
                line.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect();
            reply.simple(String::from_utf8_lossy(&line).as_bytes());
        }
        let (mut left, started) = (bytes.as_slice(), Instant::now());
        while !left.is_empty() && started.elapsed() < SEND_TIME_MAX {
            match self.socket.write(left) {
                Ok(written) => left = left.get(written..).unwrap_or_default(),
                Err(error) if waits(&error) => let_others_run(),
                Err(_) => return,
            }
        }
    }

    /// The words of the next command; none once the client is gone, or when nobody should wait any more.
    pub(super) fn ask(&mut self, may_wait: impl Fn() -> bool) -> Option<Vec<Vec<u8>>> {
        loop {
            if let Some(words) = self.decode()? {
                return Some(words);
            }
            let mut chunk = [0; 4096];
            match self.socket.read(&mut chunk) {
                Ok(0) => return None,
                Ok(len) => self.input.extend_from_slice(chunk.get(..len).unwrap_or_default()),
                Err(error) if waits(&error) && may_wait() => let_others_run(),
                Err(_) => return None,
            }
            if self.input.len() > INPUT_MAX {
                return None;
            }
        }
    }

    /// A command that has arrived whole, if there is one; none: what came is no command.
    #[allow(clippy::option_option)]
    fn decode(&mut self) -> Option<Option<Vec<Vec<u8>>>> {
        let mut spans: Vec<Span> = Vec::new();
        while !self.input.is_empty() {
            spans.clear();
            let (words, consumed) = match self.decoder.decode(&self.input, &Limits::default(), &mut spans).ok()? {
                Decoded::Command { consumed } => (words(&self.input, &spans), consumed),
                Decoded::Inline { consumed } => (words(self.decoder.inline_bytes(), &spans), consumed),
                Decoded::Empty { consumed } => (Vec::new(), consumed),
                Decoded::Incomplete { .. } => return Some(None),
            };
            self.input.drain(..consumed);
            if !words.is_empty() {
                return Some(Some(words));
            }
        }
        Some(None)
    }
}

fn words(bytes: &[u8], spans: &[Span]) -> Vec<Vec<u8>> {
    spans.iter().map(|span| span.of(bytes).to_vec()).collect()
}

fn waits(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The other connections of the worker are told that it is busy.
fn let_others_run() {
    std::thread::sleep(LOOK);
    crate::net::stack::pause();
}
