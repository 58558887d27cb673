//! Taking in a snapshot: all that this process has is replaced by what its primary has.

use super::load::{self, Consumer};
use super::session::{Failed, Ready};
use super::state::{Order, Stage, Transfer};
use super::wire::Wire;
use crate::clock::unix_ms;
use crate::config::DisklessLoad;
use crate::net::Worker;
use crate::scripting::Libraries;
use crate::server::{Attention, Server};
use bytes::Buf;
use ochre_replication::{Body, Header};
use ochre_store::keyspace::{self, FreeMode};
use ochre_store::sync::Guard;
use ochre_store::{Access, Effects, Shard, Txn};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often the primary is told that loading goes on.
const SECOND: Duration = Duration::from_secs(1);

/// What comes of loading: the database that the stream is at.
type Outcome = Result<usize, String>;

/// Where what was loaded has come from, and where it is.
enum Way {
    /// From this file, to its place.
    File(PathBuf),
    /// From the socket, to its place.
    Socket,
    /// From the socket, to the spares of the databases and these libraries.
    Aside(Arc<Libraries>),
}

/// Receives a snapshot of a history at an offset and loads it; none: of a stream without offsets.
pub(super) async fn take_in(
    worker: &Rc<Worker>,
    order: &Order,
    mut wire: Wire,
    history: Option<(String, u64)>,
) -> Result<Ready, Failed> {
    let server = &*worker.server;
    server.upstream.reach(server, order.number, Stage::Transfer);
    note(server, None, 0);
    let mut body = header(&mut wire, server).await?;
    let is_marked = body.mark().is_some();
    let choice = server.config().repl_diskless_load;
    let has_none = (0..server.store.databases()).all(|db| server.store.db_len(db) == 0);
    let to_parser = match choice {
        DisklessLoad::Disabled => false,
        DisklessLoad::OnEmptyDb => has_none,
        DisklessLoad::FlushBeforeLoad | DisklessLoad::SwapDb => true,
    };
    let how = if to_parser { "to parser" } else { "to disk" };
    match body.len() {
        Some(bytes) => tracing::info!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master {how}"),
        None => tracing::info!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF {how}"),
    }
    let (loaded, way) = if !to_parser {
        receive_then_load(worker, order, &mut wire, &mut body).await?
    } else if choice == DisklessLoad::SwapDb {
        // What there is is of the same history: old, but not wrong.
        let is_same = history.as_ref().is_some_and(|(id, _)| *id == server.log.summary().id);
        let flag = if is_same { Attention::LOADS_ASIDE } else { Attention::LOADING };
        receive_aside(worker, order, &mut wire, &mut body, flag).await?
    } else {
        receive_and_load(worker, order, &mut wire, &mut body).await?
    };
    let db = finish(worker, order, history.clone(), loaded, way).await?;
    let acknowledges = history.is_some();
    Ok(Ready { wire, db, acknowledges, is_awaited: acknowledges && is_marked })
}

/// Reads until the snapshot begins.
async fn header(wire: &mut Wire, server: &Server) -> Result<Body, Failed> {
    loop {
        let line = wire.line().await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Failed::TransferTimeout,
            _ => Failed::Header(error),
        })?;
        note(server, None, 0);
        match Header::parse(&line)? {
            Header::Nothing => {}
            Header::Begins(body) => return Ok(body),
        }
    }
}

/// Writes the snapshot to a file, lets go of the old data, and loads it.
async fn receive_then_load(
    worker: &Rc<Worker>,
    order: &Order,
    wire: &mut Wire,
    body: &mut Body,
) -> Result<(Outcome, Way), Failed> {
    let server = &worker.server;
    let temporary = format!("temp-{}.{}.rdb", unix_ms() / 1000, std::process::id());
    let incremental = server.config().rdb_save_incremental_fsync;
    let consumer = Consumer::start("sync-file", move |portions| load::write(portions, &temporary, incremental));
    let consumer = consumer.map_err(Failed::File)?;
    receive(server, wire, body, &consumer).await?;
    let file = consumer.end().await.unwrap_or_else(|_| Err("the thread is gone".to_owned()));
    let file = file.map_err(|error| Failed::File(io::Error::other(error)))?;
    let path = PathBuf::from(&server.config().dbfilename);
    let commit = path.clone();
    // Nobody may save over it from now on.
    if let Some(running) = server.persistence.running() {
        tracing::info!(
            "Replica is about to load the RDB file received from the master, but there is a pending RDB child running. \
             Cancelling it."
        );
        running.cancel();
    }
    let committed = tokio::task::spawn_blocking(move || file.commit(&commit)).await;
    committed.map_err(io::Error::other).and_then(|committed| committed).map_err(Failed::File)?;
    empty(worker, order).await?;
    let (shared, from) = (server.clone(), path.clone());
    let loader = Consumer::start("load", move |portions| load::run(&shared, Some(from), portions, 0, None));
    let loader = match loader {
        Ok(loader) => loader,
        Err(error) => {
            give_up(worker).await;
            return Err(Failed::File(error));
        }
    };
    Ok((wait(wire, loader.end()).await, Way::File(path)))
}

/// Lets go of the old data, and loads the snapshot while it comes.
async fn receive_and_load(
    worker: &Rc<Worker>,
    order: &Order,
    wire: &mut Wire,
    body: &mut Body,
) -> Result<(Outcome, Way), Failed> {
    empty(worker, order).await?;
    let (shared, bytes) = (worker.server.clone(), body.len().unwrap_or(0));
    let loader = match Consumer::start("load", move |portions| load::run(&shared, None, portions, bytes, None)) {
        Ok(loader) => loader,
        Err(error) => {
            give_up(worker).await;
            return Err(Failed::File(error));
        }
    };
    let received = receive(&worker.server, wire, body, &loader).await;
    let outcome = loader.end();
    if let Err(error) = received {
        // The loader comes to the end of what there is.
        let told = outcome.await;
        give_up(worker).await;
        return Err(match told {
            Ok(Err(why)) if matches!(error, Failed::File(_)) => Failed::Load("from socket", why),
            _ => error,
        });
    }
    Ok((wait(wire, outcome).await, Way::Socket))
}

/// Loads the snapshot beside the old data while it comes. Commands see `flag` meanwhile.
async fn receive_aside(
    worker: &Rc<Worker>,
    order: &Order,
    wire: &mut Wire,
    body: &mut Body,
    flag: u32,
) -> Result<(Outcome, Way), Failed> {
    let server = &worker.server;
    {
        let _guard = worker.member.party().lock_all().await;
        if !server.upstream.is_current(order.number) {
            return Err(Failed::Superseded);
        }
        server.attention.set(flag, true);
        server.bump_gate_epoch();
    }
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    let libraries = Arc::new(Libraries::default());
    let (shared, bytes, aside) = (server.clone(), body.len().unwrap_or(0), libraries.clone());
    let loader = Consumer::start("load", move |portions| load::run(&shared, None, portions, bytes, Some(&aside)));
    let outcome = match loader {
        Ok(loader) => {
            let received = receive(server, wire, body, &loader).await;
            let outcome = loader.end();
            match received {
                Ok(()) => return Ok((wait(wire, outcome).await, Way::Aside(libraries))),
                Err(error) => (outcome.await.unwrap_or_else(|_| Err("the thread is gone".to_owned())), error),
            }
        }
        Err(error) => (Ok(0), Failed::File(error)),
    };
    discard(worker).await;
    Err(match outcome {
        (Err(why), Failed::File(_)) => Failed::Load("from socket", why),
        (_, error) => error,
    })
}

/// What was loaded aside is removed again; what there was stays.
async fn discard(worker: &Rc<Worker>) {
    let server = &worker.server;
    let mut guard = worker.member.party().lock_all().await;
    tracing::info!("MASTER <-> REPLICA sync: Discarding temporary DB in background");
    flush_spares(worker, &mut guard);
    server.attention.set(Attention::LOADING | Attention::LOADS_ASIDE, false);
    server.bump_gate_epoch();
}

/// Puts what was loaded aside in the place of what there is.
fn exchange(worker: &Worker, guard: &mut Guard<'_, Shard>, libraries: &Libraries) {
    let server = &worker.server;
    tracing::info!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
    let mut effects = worker.effects();
    effects.record_touched = true;
    let access = Access::default();
    let mut txn = Txn::new(&server.store, guard, worker.clock(), &mut effects, access);
    for db in 0..server.store.databases() {
        if let Err(error) = keyspace::swap_db(&mut txn, db, server.store.spare_of(db)) {
            tracing::error!(%error, "the shards are not locked");
        }
    }
    effects.dirty = 0;
    server.functions.replace_by(libraries);
    crate::dispatch::settle_effects(worker, guard, &mut effects, worker.clock(), access, 0);
    drop(effects);
    flush_spares(worker, guard);
    tracing::info!("MASTER <-> REPLICA sync: Discarding old DB in background");
}

fn flush_spares(worker: &Worker, guard: &mut Guard<'_, Shard>) {
    let store = &worker.server.store;
    let mut effects = Effects::default();
    let mut txn = Txn::new(store, guard, worker.clock(), &mut effects, Access::default());
    for db in 0..store.databases() {
        if let Err(error) = keyspace::flush_db(&mut txn, store.spare_of(db), FreeMode::Later) {
            tracing::error!(%error, "the shards are not locked");
        }
    }
}

/// Receives the snapshot and hands it to a thread.
async fn receive<T: Send + 'static>(
    server: &Server,
    wire: &mut Wire,
    body: &mut Body,
    consumer: &Consumer<T>,
) -> Result<(), Failed> {
    loop {
        let mut portion = Vec::new();
        let end = body.take(&wire.buffer, &mut |bytes| portion.extend_from_slice(bytes));
        wire.buffer.advance(end.unwrap_or(wire.buffer.len()));
        note(server, body.len(), body.received());
        if !portion.is_empty() && !consumer.feed(portion).await {
            return Err(Failed::File(io::Error::other("the snapshot cannot be taken in")));
        }
        if end.is_some() {
            return Ok(());
        }
        wire.fill().await.map_err(|error| match error.kind() {
            io::ErrorKind::TimedOut => Failed::TransferTimeout,
            _ => Failed::Transfer(error),
        })?;
    }
}

/// Waits until loading is over, and lets the primary know meanwhile that this process is there.
async fn wait(wire: &mut Wire, mut outcome: oneshot::Receiver<Outcome>) -> Outcome {
    let mut seconds = tokio::time::interval(SECOND);
    loop {
        tokio::select! {
            outcome = &mut outcome => return outcome.unwrap_or_else(|_| Err("the thread is gone".to_owned())),
            _ = seconds.tick() => {
                // Where the link is dead that shows later.
                let _ = wire.send(b"\n").await;
            }
        }
    }
}

fn note(server: &Server, bytes: Option<u64>, received: u64) {
    server.upstream.received(Transfer { bytes, received, heard_ms: unix_ms() });
}

/// Removes all data and all functions, and has clients refused until there are new ones.
async fn empty(worker: &Rc<Worker>, order: &Order) -> Result<(), Failed> {
    let server = &worker.server;
    let mut guard = worker.member.party().lock_all().await;
    if !server.upstream.is_current(order.number) {
        return Err(Failed::Superseded);
    }
    tracing::info!("MASTER <-> REPLICA sync: Flushing old data");
    server.upstream.set_can_continue(false);
    server.log.disconnect_replicas(unix_ms());
    crate::aof::end(server);
    if let Some(running) = server.persistence.running() {
        running.cancel();
    }
    flush(worker, &mut guard);
    server.upstream.own_keys.forget();
    server.attention.set(Attention::LOADING, true);
    server.bump_gate_epoch();
    tracing::info!("MASTER <-> REPLICA sync: Loading DB in memory");
    Ok(())
}

fn flush(worker: &Worker, guard: &mut Guard<'_, Shard>) {
    let server = &worker.server;
    worker.begin_batch();
    let mut effects = worker.effects();
    effects.record_touched = true;
    let access = Access::default();
    let mode = if server.config().replica_lazy_flush { FreeMode::Later } else { FreeMode::Caller };
    let mut txn = Txn::new(&server.store, guard, worker.clock(), &mut effects, access);
    if let Err(error) = keyspace::flush_all(&mut txn, mode) {
        tracing::error!(%error, "the shards are not locked");
    }
    // Nothing has changed that is to be saved.
    effects.dirty = 0;
    server.functions.flush();
    crate::dispatch::settle_effects(worker, guard, &mut effects, worker.clock(), access, 0);
}

/// What was loaded in part is removed again.
async fn give_up(worker: &Rc<Worker>) {
    let mut guard = worker.member.party().lock_all().await;
    flush(worker, &mut guard);
    worker.server.attention.set(Attention::LOADING, false);
    worker.server.bump_gate_epoch();
}

/// Takes up the history once the data are there. The database that its stream is at.
async fn finish(
    worker: &Rc<Worker>,
    order: &Order,
    history: Option<(String, u64)>,
    loaded: Outcome,
    way: Way,
) -> Result<usize, Failed> {
    let server = &*worker.server;
    if let Way::File(path) = &way {
        remove_if_unwanted(server, path);
    }
    let db = match (loaded, &way) {
        (Ok(db), _) => db,
        (Err(why), Way::File(_)) => {
            give_up(worker).await;
            return Err(Failed::Load("from disk", why));
        }
        (Err(why), Way::Socket) => {
            give_up(worker).await;
            return Err(Failed::Load("from socket", why));
        }
        (Err(why), Way::Aside(_)) => {
            discard(worker).await;
            return Err(Failed::Load("from socket", why));
        }
    };
    let mut guard = worker.member.party().lock_all().await;
    worker.begin_batch();
    if let Way::Aside(libraries) = &way {
        crate::aof::end(server);
        server.upstream.own_keys.forget();
        exchange(worker, &mut guard, libraries);
    }
    // A stream without offsets has a history of its own here.
    let history = history.unwrap_or_else(|| (crate::random::run_id(), 0));
    server.log.take_up(server, order.number, history, db, unix_ms());
    server.persistence.loaded(server);
    if !matches!(way, Way::File(_)) {
        // No file holds it.
        worker.stats.dirty.add(1);
    }
    server.upstream.set_can_continue(true);
    server.attention.set(Attention::LOADING | Attention::LOADS_ASIDE, false);
    server.bump_gate_epoch();
    tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    if server.config().appendonly {
        let mut effects = worker.effects();
        let mut txn = Txn::new(&server.store, &mut guard, worker.clock(), &mut effects, Access::default());
        // A failure was logged, and shows in INFO.
        crate::aof::switch(server, &mut txn, true, false);
    }
    Ok(db)
}

/// Removes the file of the snapshot, where nothing is to be kept on the disk.
fn remove_if_unwanted(server: &Server, path: &Path) {
    let config = server.config();
    if config.rdb_del_sync_files && config.save.is_empty() && !config.appendonly {
        tracing::info!("Removing the RDB file obtained from the master. This replica has persistence disabled");
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!("Can't remove {}: {error}", path.display());
        }
    }
}
