//! The socket of the link before the stream begins.

use crate::net::Stream;
use crate::stats::WorkerStats;
use bytes::{Buf, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bytes of the longest line that is taken.
const LINE_MAX: usize = 1024;
/// Bytes read at once.
const READ_LEN: usize = 64 * 1024;

/// A socket, and what was read of it.
pub(super) struct Wire {
    pub(super) stream: Stream,
    pub(super) buffer: BytesMut,
    /// How long it waits for the other side.
    pub(super) patience: Duration,
    /// Of the worker that reads.
    stats: Arc<WorkerStats>,
}

impl Wire {
    pub(super) fn new(stream: Stream, patience: Duration, stats: Arc<WorkerStats>) -> Wire {
        Wire { stream, buffer: BytesMut::new(), patience, stats }
    }
    /// Reads more. Errs at the end, too.
    pub(super) async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(READ_LEN);
        let read = tokio::time::timeout(self.patience, self.stream.read_buf(&mut self.buffer)).await;
        match read.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "connection lost")),
            read => {
                self.stats.count_read(read, true);
                Ok(())
            }
        }
    }
    /// Reads a line, without its end.
    pub(super) async fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.buffer.iter().skip(seen).position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(seen + at).to_vec();
                self.buffer.advance(1);
                return Ok(line);
            }
            seen = self.buffer.len();
            if seen > LINE_MAX {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
            }
            self.fill().await?;
        }
    }
    /// Sends all of it.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = tokio::time::timeout(self.patience, self.stream.write_all(bytes)).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }
}
