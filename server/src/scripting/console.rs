//! What the debugger of scripts says to its client, and hears from it, past the event loop: the script stands still.

use crate::net::{self, Stream};
use ochre_resp::Protocol;
use ochre_resp::reply::ReplyWriter;
use ochre_resp::request::{Decoded, Limits, RequestDecoder, Span};
use std::future::Future;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The client of a script that is debugged.
pub(super) struct Console {
    /// The client's socket.
    socket: Stream,
    dialogue: Dialogue,
}

/// What one command may take.
const INPUT_MAX: usize = 1 << 20;
/// Who takes nothing for so long is gone.
pub(super) const SEND_TIME_MAX: Duration = Duration::from_secs(5);

impl Console {
    pub(super) fn new(socket: Stream) -> Console {
        Console { socket, dialogue: Dialogue::default() }
    }

    /// Sends lines. Who is gone is found out at the next question.
    pub(super) fn tell(&mut self, lines: &[Vec<u8>]) {
        let bytes = encode(lines);
        let _ = net::stack::wait(tokio::time::timeout(SEND_TIME_MAX, self.socket.write_all(&bytes)));
    }

    /// The words of the next command; none once the client is gone, or when nobody should wait any more.
    pub(super) async fn ask(&mut self, over: impl Future<Output = ()>) -> Option<Vec<Vec<u8>>> {
        tokio::select! {
            words = self.dialogue.hear(&mut self.socket) => words,
            () = over => None,
        }
    }
}

/// Lines, as the client is sent them.
pub(super) fn encode(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reply = ReplyWriter::new(&mut bytes, Protocol::Resp2);
    reply.array(lines.len());
    for line in lines {
        let line: Vec<u8> = line.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }).collect();
        reply.simple(String::from_utf8_lossy(&line).as_bytes());
    }
    drop(reply);
    bytes
}

/// What the client says, as far as it has arrived.
pub(super) struct Dialogue {
    decoder: RequestDecoder,
    input: Vec<u8>,
}

impl Default for Dialogue {
    fn default() -> Dialogue {
        Dialogue { decoder: RequestDecoder::new(), input: Vec::new() }
    }
}

impl Dialogue {
    /// The words of the next command; none once the client sends no more, or what is none. Nothing is lost if nobody waits
    /// for it to the end.
    pub(super) async fn hear(&mut self, socket: &mut Stream) -> Option<Vec<Vec<u8>>> {
        loop {
            if let Some(words) = self.decode()? {
                return Some(words);
            }
            if socket.read_buf(&mut self.input).await.ok()? == 0 {
                return None;
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
