//! Reading the commands of a file on one thread while another executes them.

use ochre_persist::aof::{CommandLine, ReadError, Reader};
use std::io::{self, BufRead};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Commands in a portion.
const COMMANDS: usize = 256;
/// Bytes from which on a portion is large enough.
const BYTES: u64 = 1 << 20;
/// Portions that wait to be executed.
const WAITING_MAX: usize = 4;

/// Commands that follow each other.
#[derive(Default)]
pub(super) struct Portion {
    /// The commands; behind the first `ends.len()` come some that are only kept for their memory.
    lines: Vec<CommandLine>,
    /// Where in the file each ends.
    ends: Vec<u64>,
    /// Why no other portion follows, if so: the file has ended, or cannot be read further.
    last: Option<Result<(), ReadError>>,
}

impl Portion {
    /// The commands, each with the place in the file where it ends.
    pub(super) fn commands(&mut self) -> impl Iterator<Item = (&mut CommandLine, u64)> {
        self.lines.iter_mut().zip(self.ends.iter().copied())
    }

    /// Why no other portion follows, if so.
    pub(super) fn last(&mut self) -> Option<Result<(), ReadError>> {
        self.last.take()
    }

    fn fill(&mut self, reader: &mut Reader<impl BufRead>) {
        self.ends.clear();
        let start = reader.offset();
        while self.ends.len() < COMMANDS && reader.offset().saturating_sub(start) < BYTES {
            let index = self.ends.len();
            if index == self.lines.len() {
                self.lines.push(CommandLine::default());
            }
            let Some(line) = self.lines.get_mut(index) else { return };
            match reader.next(line) {
                Ok(true) => self.ends.push(reader.offset()),
                Ok(false) => self.last = Some(Ok(())),
                Err(error) => self.last = Some(Err(error)),
            }
            if self.last.is_some() {
                return;
            }
        }
        // One large command is no reason to keep so much.
        self.lines.iter_mut().for_each(|line| line.bytes.shrink_to(BYTES as usize));
    }
}

/// Has `execute` take what `reader` reads, portion by portion, until the last one or until it returns false.
///
/// # Errors
/// If there can be no thread.
pub(super) fn read_ahead<R: BufRead + Send>(
    reader: Reader<R>,
    execute: &mut dyn FnMut(&mut Portion) -> bool,
) -> io::Result<()> {
    let (send, portions) = sync_channel(WAITING_MAX);
    let (give_back, used) = sync_channel(WAITING_MAX + 1);
    thread::scope(|scope| {
        let reading = move || {
            crate::process::crash::prepare_thread();
            read(reader, &send, &used);
        };
        thread::Builder::new().name("load-read".into()).spawn_scoped(scope, reading)?;
        for mut portion in portions {
            if !execute(&mut portion) {
                break;
            }
            // Nobody wants it when all has been read.
            let _ = give_back.try_send(portion);
        }
        Ok(())
    })
}

fn read<R: BufRead>(mut reader: Reader<R>, send: &SyncSender<Portion>, used: &Receiver<Portion>) {
    loop {
        let mut portion = used.try_recv().unwrap_or_default();
        portion.fill(&mut reader);
        let is_last = portion.last.is_some();
        // Nobody executes any more.
        if send.send(portion).is_err() || is_last {
            return;
        }
    }
}
