//! A connection: reads, decodes, has commands executed, and writes, until it closes.

use super::addresses::Addresses;
use super::batch::Batch;
use super::output::Output;
use super::stream::Stream;
use super::worker::Worker;
use crate::acl::Accounts;
use crate::blocking::Waiter;
use crate::client::{Client, ClientHandle, Origin, Signals};
use crate::command::{Flags, LockClass};
use crate::commands::transaction::is_exec;
use crate::config::Config;
use crate::dispatch::Step;
use crate::errand::{Errand, Outcome};
use crate::server::{Attention, Server};
use bytes::{Buf, BytesMut};
use ochre_resp::ProtocolError;
use ochre_resp::request::{Decoded, Limits, RequestDecoder};
use ochre_store::sync::{Party, ShardSet};
use ochre_store::{Access, Effects, Garbage, Shard, Txn};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::task::{Context as TaskContext, Poll, Waker};

/// A client's socket, buffers and session.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) client: Client,
    pub(crate) decoder: RequestDecoder,
    pub(crate) query: BytesMut,
    pub(super) query_peak: usize,
    pub(crate) batch: Batch,
    /// How many bytes of the query buffer the batch takes that are not cut off yet.
    pub(super) batch_bytes: usize,
    /// The batch is one inline command, whose arguments are the decoder's.
    pub(crate) inline: bool,
    pub(crate) output: Output,
    pub(crate) closing: Closing,
    /// The wait whose reply goes before what is pushed once it is over.
    pub(super) waits_in: Option<Arc<Waiter>>,
    pub(super) slot: usize,
    /// By what others wake its task.
    pub(super) registered: Option<Waker>,
    pub(super) _registration: crate::client::Registration,
}

/// Whether and how the connection is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    No,
    /// Once all output is sent.
    AfterReply,
    /// Nothing is executed or read any more, but it stays open until the process ends.
    WithProcess,
    Now,
}

enum Event {
    /// Bytes were read.
    Data,
    /// Signals were raised.
    Signals(u8),
    /// The last of the output was sent.
    Flushed,
    /// The peer closed, or the socket failed.
    End,
}

/// Size of a read, and of a fresh query buffer.
pub(super) const READ_LEN: usize = 16 * 1024;
/// Most arguments of one command.
const ARGUMENTS_MAX: usize = 1 << 20;
/// How often a command may turn out to need further shards before it takes all of them.
const EXTENSIONS_MAX: u32 = 2;
/// It lets others run after having filled its output with pushes so often.
const PUSHES_A_TURN: usize = 8;
/// A connection lets others run after so many commands.
const TURN_COMMANDS: usize = 256;

impl Connection {
    /// Sets up an accepted connection; `None` if it was turned away.
    pub(crate) fn open(worker: &Worker, mut stream: Stream, addresses: Addresses) -> Option<Connection> {
        let config = worker.config();
        let server = &worker.server;
        if is_kept_out(&addresses, &config, &server.accounts) {
            refuse(worker, &mut stream, &crate::error::PROTECTED_MODE);
            return None;
        }
        let handle = Arc::new(ClientHandle::new(Origin {
            id: server.clients.next_id(),
            addr: addresses.peer,
            local_addr: addresses.local,
            fd: stream.fd(),
            is_unix: addresses.is_unix,
            connected_ms: worker.now_ms(),
            worker: worker.index,
            account: server.accounts.default_account().clone(),
        }));
        let Some(registration) = server.clients.add(handle.clone(), config.maxclients as usize) else {
            refuse(worker, &mut stream, &crate::error::MAX_CLIENTS);
            return None;
        };
        if let Some(tcp) = stream.tcp() {
            tune(tcp, &config);
        }
        worker.stats.connections.add(1);
        let mut client = Client::new(handle.clone(), &server.accounts);
        if let Stream::Tls(stream) = &stream {
            client.is_encrypted = true;
            crate::tls::log_in_by_certificate(server, &config, &mut client, stream.peer_certificate());
        }
        handle.published.flags.store(client.flags(), Relaxed);
        Some(Connection {
            stream,
            client,
            decoder: RequestDecoder::new(),
            query: BytesMut::new(),
            query_peak: 0,
            batch: Batch::default(),
            batch_bytes: 0,
            inline: false,
            output: Output::default().with_doubles(config.compatibility_level.doubles()),
            closing: Closing::No,
            waits_in: None,
            slot: worker.add_connection(handle),
            registered: None,
            _registration: registration,
        })
    }

    /// Serves the connection until it ends.
    pub(crate) async fn run(mut self, worker: Rc<Worker>) {
        if !self.query.is_empty() {
            self.serve_input(&worker).await;
        }
        loop {
            match poll_fn(|cx| self.poll_event(cx, &worker)).await {
                Event::Data => self.serve_input(&worker).await,
                Event::Signals(signals) => self.on_signals(&worker, signals),
                Event::Flushed => self.send_pushes(&worker),
                Event::End => break,
            }
            let ended = match self.closing {
                Closing::No | Closing::WithProcess => false,
                Closing::AfterReply => self.output.is_empty(),
                Closing::Now => true,
            };
            if ended {
                break;
            }
        }
        self.stream.say_goodbye();
        if self.client.monitor {
            worker.server.monitors.remove(self.client.id(), &worker.server.attention);
        }
        self.client.handle.closed.store(true, SeqCst);
        if self.client.tracks.is_some() {
            self.client.stop_tracking(&worker.server);
            // What it has read is of no use to anybody, if it was the last one.
            worker.tracking_due.notify_one();
        }
        if let Some(mut own) = self.client.subscriptions.take() {
            worker.server.pubsub.leave(&self.client.handle, &mut own);
        }
        let id = self.client.id();
        if let Some(replica) = &mut self.client.replica {
            // Once it is no replica, what waited for it counts as any other memory.
            self.output = Output::default();
            replica.detach(&worker.server, id, crate::clock::unix_ms());
        }
        self.leave_watched(&worker).await;
        worker.remove_connection(self.slot);
        let handle = self.client.handle.clone();
        drop(self);
        worker.member.publish_memory();
        worker.server.client_memory.forget(&handle);
    }

    /// Has the client watch nothing any more.
    async fn leave_watched(&mut self, worker: &Worker) {
        if self.client.watching.is_none() {
            return;
        }
        let mut guard = worker.member.party().lock(self.client.watched_shards()).await;
        let mut effects = Effects::default();
        let mut txn = Txn::new(&worker.server.store, &mut guard, worker.clock(), &mut effects, Access::default());
        if let Err(error) = crate::transaction::stop_watching(&worker.server, &mut self.client, &mut txn) {
            tracing::error!(%error, "a watched key was not locked");
        }
    }

    fn poll_event(&mut self, cx: &mut TaskContext<'_>, worker: &Worker) -> Poll<Event> {
        if !self.registered.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            self.client.handle.waker.register(cx.waker());
            self.registered = Some(cx.waker().clone());
        }
        let signals = self.client.handle.signals.take();
        if signals != 0 {
            return Poll::Ready(Event::Signals(signals));
        }
        if self.client.replica.is_some() && self.feed_replica(worker) {
            return Poll::Ready(Event::End);
        }
        if !self.output.is_empty() {
            match self.poll_write(cx, worker) {
                Poll::Ready(Ok(())) => return Poll::Ready(Event::Flushed),
                Poll::Ready(Err(_)) => return Poll::Ready(Event::End),
                Poll::Pending => {}
            }
        }
        if self.closing != Closing::No {
            return Poll::Pending;
        }
        match self.poll_read(cx, worker) {
            Poll::Ready(true) => Poll::Ready(Event::Data),
            Poll::Ready(false) => Poll::Ready(Event::End),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sends what may be sent.
    pub(super) fn poll_write(&mut self, cx: &mut TaskContext<'_>, worker: &Worker) -> Poll<std::io::Result<()>> {
        if worker.server.attention.get() & Attention::DURABLE != 0 || self.output.is_held() {
            self.hold_back(&worker.server);
        }
        let sent = self.output.sent_total();
        let written = self.output.poll_write(&mut self.stream, cx, &worker.stats);
        if self.client.attention & Attention::FED != 0 {
            worker.stats.replication_bytes_out.add(self.output.sent_total() - sent);
        }
        written
    }

    /// Holds output back that depends on what has not reached the disk, and lets go of what no longer does.
    #[cold]
    fn hold_back(&mut self, server: &Server) {
        self.output.hold(self.client.depends);
        let may_be_seen = |position| server.aof.may_be_seen(server, position);
        if self.output.release(may_be_seen) {
            server.aof.wait(&self.client.handle);
            self.output.release(may_be_seen);
        }
    }

    /// Output is of the present, whatever it depends on.
    #[cold]
    pub(crate) fn depend_on_all(&mut self, server: &Server) {
        if server.attention.get() & Attention::DURABLE != 0 {
            self.client.depends = self.client.depends.max(server.log.end().appended);
        }
    }

    /// Gives a replica more to be sent; whether there is no more to come.
    #[cold]
    fn feed_replica(&mut self, worker: &Worker) -> bool {
        self.depend_on_all(&worker.server);
        let Some(replica) = &mut self.client.replica else { return false };
        let id = self.client.handle.id;
        if !self.output.is_empty() {
            return false;
        }
        if replica.is_new() && worker.config().repl_disable_tcp_nodelay {
            self.stream.fill_packets();
        }
        let is_over = replica.feed(&worker.server, id, crate::clock::unix_ms(), &mut self.output);
        self.publish_output(worker);
        is_over
    }

    /// Reads what has arrived into the query buffer. False: nothing more will come.
    pub(super) fn poll_read(&mut self, cx: &mut TaskContext<'_>, worker: &Worker) -> Poll<bool> {
        if self.query.capacity() == self.query.len() {
            // An idle client has no buffer.
            if self.query.is_empty() {
                match self.stream.poll_read_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                    Poll::Pending => return Poll::Pending,
                }
            }
            self.query.reserve(READ_LEN);
        }
        match tokio_util::io::poll_read_buf(std::pin::Pin::new(&mut self.stream), cx, &mut self.query) {
            Poll::Ready(Ok(0)) | Poll::Ready(Err(_)) => Poll::Ready(false),
            Poll::Ready(Ok(read)) => {
                if worker.acks_quickly() {
                    self.stream.rearm_quickack();
                }
                worker.stats.count_read(read, self.client.attention & Attention::FOLLOWED != 0);
                let seen = &self.client.handle.published;
                seen.bytes_in.store(seen.bytes_in.load(Relaxed) + read as u64, Relaxed);
                self.query_peak = self.query_peak.max(self.query.len());
                Poll::Ready(true)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Executes what has been read, and sends the replies.
    async fn serve_input(&mut self, worker: &Worker) {
        worker.begin_batch();
        if self.is_over_query_limit(worker) {
            return;
        }
        if worker.limits_clients() {
            self.publish_query();
            worker.evict_clients(&self.client.handle);
            if self.client.handle.is_killed() {
                self.closing = Closing::Now;
                return;
            }
        }
        let mut turn = 0;
        loop {
            self.batch.clear();
            match self.decode(worker) {
                Ok(0) if self.batch.len() == 0 => break,
                Ok(consumed) => {
                    turn += self.batch.len();
                    self.batch_bytes = consumed;
                    self.execute(worker).await;
                    let consumed = std::mem::take(&mut self.batch_bytes);
                    if self.client.link.is_some() {
                        self.follow_batch(worker, consumed);
                    }
                    if consumed < self.query.len() {
                        self.query.advance(consumed);
                    } else if consumed > 0 {
                        // The next read goes to the beginning again, where the cache is warm.
                        self.query.clear();
                        self.query.reserve(READ_LEN);
                    }
                }
                Err(error) => {
                    self.execute(worker).await;
                    self.fail(worker, &error);
                }
            }
            if self.closing != Closing::No || self.query.is_empty() {
                break;
            }
            if turn >= TURN_COMMANDS {
                turn = 0;
                self.flush(worker);
                tokio::task::yield_now().await;
                worker.begin_batch();
            }
        }
        if self.client.replica.is_some() && self.query.is_empty() {
            // It says a word now and then, which is not worth a buffer meanwhile.
            self.query = BytesMut::new();
        }
        // Before anybody hears of the changes, so that whoever asks next finds them counted.
        worker.member.publish_memory();
        self.client.handle.published.db.store(self.client.db as u32, Relaxed);
        if self.closing != Closing::No {
            // It is no more there for whoever hears of its reply.
            self.client.handle.closed.store(true, SeqCst);
        }
        if self.closing == Closing::Now {
            return;
        }
        if !self.output.is_empty() {
            behind_the_others().await;
        }
        if worker.server.attention.get() & Attention::DURABLE != 0 {
            worker.server.aof.wake();
        }
        self.flush(worker);
        self.send_pushes(worker);
        self.publish(worker);
    }

    /// Closes the connection if more has piled up in its query buffer than is allowed; whether it did.
    pub(super) fn is_over_query_limit(&mut self, worker: &Worker) -> bool {
        // The complete arguments of an incomplete command have limits of their own.
        let unparsed = self.query.len().saturating_sub(self.decoder.pending_parsed_len()) as u64;
        let is_over = unparsed > worker.config().client_query_buffer_limit && self.client.link.is_none();
        if is_over {
            tracing::warn!(addr = self.client.handle.addr, "Closing client that reached max query buffer length");
            worker.stats.query_limit_closed.add(1);
            self.closing = Closing::Now;
        }
        is_over
    }

    /// Decodes up to a batch of commands; how many bytes they take.
    fn decode(&mut self, worker: &Worker) -> Result<usize, ProtocolError> {
        let mut limits = limits(&worker.config(), self.client.authenticated);
        if self.client.link.is_some() {
            // The primary has accepted it.
            limits.bulk_len_max = usize::MAX / 2;
        }
        // Before it has authenticated, each command may change what the next may be.
        let commands_max = if self.client.authenticated { Batch::COMMANDS_MAX } else { 1 };
        let server = &*worker.server;
        let mut offset = 0;
        self.inline = false;
        while self.batch.len() < commands_max && offset < self.query.len() {
            let first_span = self.batch.spans.len();
            let buffer = self.query.get(offset..).unwrap_or_default();
            match self.decoder.decode(buffer, &limits, &mut self.batch.spans)? {
                Decoded::Command { consumed } => {
                    self.batch.push(server, self.client.db, &self.query, offset, first_span);
                    offset += consumed;
                }
                Decoded::Inline { consumed } if self.batch.len() == 0 => {
                    self.inline = true;
                    self.batch.push(server, self.client.db, self.decoder.inline_bytes(), 0, first_span);
                    return Ok(offset + consumed);
                }
                Decoded::Inline { .. } => {
                    // Its arguments are in a scratch buffer: it gets a batch of its own, decoded once more.
                    self.batch.spans.truncate(first_span);
                    break;
                }
                Decoded::Empty { consumed } => offset += consumed,
                Decoded::Incomplete { needed } => {
                    if offset == 0 {
                        self.make_room(needed);
                    }
                    break;
                }
            }
        }
        Ok(offset)
    }

    /// Executes the batch, parking where its shards are locked by others.
    async fn execute(&mut self, worker: &Worker) {
        if self.batch.has_several() {
            self.batch.prefetch(&worker.member, self.client.db);
        }
        let mut next = 0;
        let mut held = None;
        // Which command has turned out to need more shards than its keys', and how often.
        let mut extended = (0, 0);
        while next < self.batch.len() && self.closing == Closing::No {
            let step = crate::dispatch::run(self, worker, &mut next, held.take());
            worker.wake_served();
            match step {
                Step::Done => {}
                Step::Flush => self.send_some(worker),
                Step::NeedShards(set) => {
                    self.send_some(worker);
                    let party = self.party(worker, next);
                    held = self.unless_refused(worker, next, party.lock(set)).await;
                    worker.begin_batch();
                }
                Step::NeedMore(set) => {
                    extended = if extended.0 == next { (next, extended.1 + 1) } else { (next, 1) };
                    let set = if extended.1 > EXTENSIONS_MAX { ShardSet::ALL } else { set };
                    let party = self.party(worker, next);
                    held = self.unless_killed(party.lock(set)).await;
                    worker.begin_batch();
                }
                Step::NeedStack => {
                    worker.stacks.ask().await;
                    worker.begin_batch();
                }
                Step::Wait(waiter) => self.wait(worker, &waiter, next == self.batch.len()).await,
                Step::NeedAll => {
                    self.send_some(worker);
                    let party = self.party(worker, next);
                    held = self.unless_refused(worker, next, party.lock_all()).await;
                    worker.begin_batch();
                }
                Step::Free(garbage) => self.free(worker, garbage).await,
                Step::Errand(errand, is_answered) => self.run_errand(worker, errand, is_answered).await,
                Step::Barrier => {
                    let mut all = worker.member.party().lock_all().await;
                    crate::tracking::limit(worker, &mut all);
                    drop(all);
                    worker.begin_batch();
                }
                Step::Transfer(job) => {
                    self.transfer(worker, next, job).await;
                    next += 1;
                }
                Step::Rehearse => {
                    crate::scripting::rehearse(self, worker, next).await;
                    next += 1;
                }
                Step::Held(seen) => self.wait_out_transfer(worker, seen).await,
                Step::Paused(until_ms) => self.wait_out_pause(worker, until_ms).await,
            }
        }
        let commands = &self.client.handle.published.commands;
        commands.store(commands.load(Relaxed) + next as u64, Relaxed);
    }

    /// Waits until something is freed.
    pub(super) async fn free(&mut self, worker: &Worker, garbage: Vec<Garbage>) {
        let (done, freed) = tokio::sync::oneshot::channel();
        worker.server.store.free_then(garbage, move || {
            // A connection that is gone does not wait any more.
            let _ = done.send(());
        });
        // Nobody is told only where the whole process ends.
        let _ = freed.await;
        worker.begin_batch();
    }

    /// Has a thread do something, and answers with what comes of it.
    async fn run_errand(&mut self, worker: &Worker, errand: Errand, is_answered: bool) {
        let server = worker.server.clone();
        let run = tokio::task::spawn_blocking(move || errand.run(&server));
        match self.unless_killed(run).await {
            Some(Ok(_)) if !is_answered => {}
            Some(Ok(Outcome::Done)) => self.output.reply(self.client.protocol).ok(),
            Some(Ok(Outcome::Text(text))) => self.output.reply(self.client.protocol).verbatim(b"txt", text),
            Some(Err(error)) => {
                tracing::error!(%error, "the thread of a command has failed");
                self.closing = Closing::Now;
            }
            None => {}
        }
        worker.begin_batch();
    }

    /// The part in locking for the command at `next`.
    fn party<'w>(&self, worker: &'w Worker, next: usize) -> &'w Party<Shard> {
        let command = self.batch.get(next).command().map(|id| worker.server.commands.by_id(id));
        let runs_script = command.is_some_and(|command| match command.spec.lock {
            LockClass::Script => true,
            LockClass::Session(_) => is_exec(command) && self.client.has_queued_script(),
            _ => false,
        });
        if runs_script { worker.script_member.party() } else { worker.member.party() }
    }

    /// As [`unless_killed`](Self::unless_killed), for the command at `next`: nothing too when a script takes long, so that
    /// the gates may say so, or let pass what ends it.
    async fn unless_refused<G>(&mut self, worker: &Worker, next: usize, locks: impl Future<Output = G>) -> Option<G> {
        let command = self.batch.get(next).command().map(|id| worker.server.commands.by_id(id));
        let may_be_refused = command
            .is_some_and(|command| !command.has(Flags::ALLOW_BUSY) || matches!(command.spec.lock, LockClass::None))
            && self.client.link.is_none();
        let mut locks = std::pin::pin!(locks);
        let or_refused = poll_fn(|cx| match locks.as_mut().poll(cx) {
            Poll::Ready(guard) => Poll::Ready(Some(guard)),
            Poll::Pending if may_be_refused && worker.server.attention.get() & Attention::BUSY != 0 => {
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        });
        self.unless_killed(or_refused).await.flatten()
    }

    /// Waits for locks; `None` if the connection is to be closed instead.
    pub(super) async fn unless_killed<G>(&mut self, locks: impl Future<Output = G>) -> Option<G> {
        let mut locks = std::pin::pin!(locks);
        let guard = poll_fn(|cx| {
            self.client.handle.waker.register(cx.waker());
            if self.client.handle.is_killed() {
                return Poll::Ready(None);
            }
            locks.as_mut().poll(cx).map(Some)
        })
        .await;
        if guard.is_none() {
            self.closing = Closing::Now;
        }
        guard
    }

    /// In the middle of a batch: does not let much output pile up, nor uncounted. Under a hard limit the batch as a whole
    /// is measured by that, so nothing is sent before its end.
    fn send_some(&mut self, worker: &Worker) {
        // Its limit has closed it, so that nobody has to go for what it took.
        if self.closing == Closing::Now {
            return;
        }
        let limit = worker.config().output_limit(self.client.handle.kind());
        if limit.hard == 0 && self.output.len() > Output::CAPACITY_MAX {
            self.flush(worker);
        }
        if worker.limits_clients() {
            self.publish_output(worker);
            worker.evict_clients(&self.client.handle);
            if self.client.handle.is_killed() {
                self.closing = Closing::Now;
            }
        }
    }

    /// The bytes the arguments of the batch lie in.
    pub(crate) fn argument_bytes(&self) -> &[u8] {
        if self.inline { self.decoder.inline_bytes() } else { &self.query }
    }

    pub(super) fn on_signals(&mut self, worker: &Worker, signals: u8) {
        if signals & Signals::KILL != 0 {
            self.closing = Closing::Now;
            return;
        }
        if signals & Signals::RULES != 0 {
            self.follow_rules();
        }
        if signals & Signals::DURABLE != 0 {
            self.flush(worker);
        }
        if signals & Signals::HOUSEKEEPING != 0 {
            self.tidy(worker);
        } else {
            worker.begin_batch();
        }
        self.send_pushes(worker);
        self.publish(worker);
    }

    /// Its user may do other things than before. Who may not listen any more where it does is closed.
    fn follow_rules(&mut self) {
        self.client.see_user();
        if !self.client.may_go_on_listening() {
            self.closing = Closing::Now;
        }
    }

    /// Sends what others have pushed, as much of it as the socket takes. The rest is sent when the socket takes more.
    pub(super) fn send_pushes(&mut self, worker: &Worker) {
        for _ in 0..PUSHES_A_TURN {
            if self.client.handle.outbox.is_empty() || self.closing != Closing::No {
                return;
            }
            self.depend_on_all(&worker.server);
            let waiting = self.client.handle.outbox.len();
            self.take_pushes();
            let is_held = self.waits_in.is_some() && self.client.handle.outbox.len() == waiting;
            self.flush(worker);
            if !self.output.is_empty() || is_held {
                return;
            }
        }
        // Others have their turn first.
        self.client.handle.signal(Signals::OUTBOX);
    }

    /// Puts what others have pushed behind its own replies.
    pub(crate) fn take_pushes(&mut self) {
        let waits = self.waits_in.as_deref();
        self.output.append_outbox(&self.client, || waits.is_some_and(Waiter::is_over));
    }

    /// Answers a protocol error and ends the connection.
    fn fail(&mut self, worker: &Worker, error: &ProtocolError) {
        if self.client.link.is_some() {
            tracing::warn!(
                "Protocol error ({error}) from master. Closing the connection and discarding the cached master."
            );
            worker.server.upstream.distrust();
            self.closing = Closing::Now;
            return;
        }
        tracing::debug!(addr = self.client.handle.addr, %error, "Protocol error from client");
        self.output.reply(self.client.protocol).error(crate::error::protocol_error(error));
        worker.stats.errors.add(1);
        worker.server.stats.count_error("ERR");
        self.query.clear();
        self.closing = Closing::AfterReply;
    }

    /// Closes the connection if more output waits than the hard limit allows.
    pub(crate) fn check_hard_limit(&mut self, worker: &Worker) {
        let limit = worker.config().output_limit(self.client.handle.kind());
        if self.output.is_over_hard(limit, self.client.handle.outbox.len()) {
            self.close_over_limit(worker);
        }
    }

    #[cold]
    fn close_over_limit(&mut self, worker: &Worker) {
        tracing::warn!(addr = self.client.handle.addr, "Client closed: output buffer limit reached");
        worker.stats.output_limit_closed.add(1);
        self.closing = Closing::Now;
    }

    /// Sends what can be sent at once, and looks at the output limits before and after.
    pub(super) fn flush(&mut self, worker: &Worker) {
        let pushes = self.client.handle.outbox.len();
        if self.closing != Closing::Now && self.output.len() + pushes > Output::CAPACITY_MAX {
            self.check_hard_limit(worker);
        }
        if self.closing == Closing::Now {
            return;
        }
        if !self.output.is_empty() {
            if worker.corks() {
                self.output.cork(&self.stream);
            }
            let mut cx = TaskContext::from_waker(Waker::noop());
            if let Poll::Ready(Err(_)) = self.poll_write(&mut cx, worker) {
                self.closing = Closing::Now;
            }
        }
        if !self.output.is_empty() {
            let pushes = self.client.handle.outbox.len();
            let kind = self.client.handle.kind();
            let limit = worker.config().output_limit(kind);
            if self.output.is_over(limit, pushes, worker.now_ms()) {
                self.close_over_limit(worker);
            }
        }
    }
}

/// Lets those run that are ready. Replies then leave in a row, and a peer with many connections is woken once for many
/// of them: waking it costs more than a short send.
async fn behind_the_others() {
    let mut is_first = true;
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Sets the options of an accepted socket. A socket that refuses one serves all the same.
pub(super) fn tune(stream: &tokio::net::TcpStream, config: &Config) {
    let options = super::sockopt::SocketOptions {
        keepalive_s: config.tcp_keepalive,
        user_timeout_ms: config.tcp_user_timeout,
        quickack: config.tcp_quickack,
    };
    if let Err(error) = super::sockopt::tune(stream, &options) {
        tracing::debug!(%error, "a socket option was refused");
    }
}

fn limits(config: &Config, authenticated: bool) -> Limits {
    Limits {
        bulk_len_max: config.proto_max_bulk_len as usize,
        args_max: ARGUMENTS_MAX,
        authenticated,
        ..Limits::default()
    }
}

/// Whether protected mode turns the client away.
fn is_kept_out(addresses: &Addresses, config: &Config, accounts: &Accounts) -> bool {
    config.protected_mode && !addresses.is_loopback && accounts.default_account().user().needs_no_password()
}

/// Tells a new connection why it is turned away.
fn refuse(worker: &Worker, stream: &mut Stream, error: &crate::error::CommandError) {
    let mut output = Output::default();
    error.write(&mut output.reply(ochre_resp::reply::Protocol::Resp2));
    stream.send_now(output.waiting());
    stream.say_goodbye();
    worker.stats.rejected_connections.add(1);
}
