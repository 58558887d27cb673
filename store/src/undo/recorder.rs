//! Recording a unit, and what becomes of the record.

use super::fate::Fate;
use super::journal::{Discarded, Journal};
use crate::effects::EffectsMark;
use crate::error::Error;
use crate::shard::Shard;
use crate::snapshot::Removed;
use crate::txn::{Frame, Locked, Txn};
use std::sync::Arc;

/// How much a unit's record is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The unit stops before it does what could not be taken back, with [`NotKept`](Error::NotKept).
    Always,
    /// The record is given up before that.
    WhilePossible,
    /// There is none.
    Nothing,
}

/// The record of one unit after another.
#[derive(Default)]
pub struct Undo {
    journal: Arc<Journal>,
    /// The tables that are attached: shard and database.
    places: Vec<(usize, usize)>,
    mark: EffectsMark,
}

/// A unit while it is recorded.
pub struct Recorder<'t> {
    shards: Recording<'t>,
    frame: Frame<'t>,
}

/// What the unit that is recorded knows of its record.
#[derive(Clone)]
pub struct UndoHandle(Arc<Journal>);

struct Recording<'t> {
    shards: &'t mut dyn Locked,
    undo: &'t mut Undo,
}

impl Undo {
    /// Begins to record the unit that `txn` belongs to, from here on.
    pub fn begin(&mut self, txn: &mut Txn<'_>, keep: Keep) {
        debug_assert!(self.places.is_empty());
        self.mark = txn.effects().mark();
        match Arc::get_mut(&mut self.journal) {
            Some(journal) => journal.begin(keep),
            // A table that was emptied still knows it.
            None => {
                let mut journal = Journal::default();
                journal.begin(keep);
                self.journal = Arc::new(journal);
            }
        }
    }

    /// Lets the changes stay.
    pub fn commit(&mut self, txn: &mut Txn<'_>) {
        self.detach(txn);
        self.places.clear();
        let core = &txn.store().core;
        let free = |discarded| match discarded {
            Discarded::Entry(entry) => core.entry(Removed { entry, owed: None }),
            Discarded::Value(value) => core.value(value),
        };
        match Arc::get_mut(&mut self.journal) {
            Some(journal) => journal.log().end(free),
            None => self.journal.take().end(free),
        }
    }

    /// Takes back all that the unit has changed and recorded in its effects. False if the record was given up: then
    /// nothing is done.
    pub fn roll_back(&mut self, txn: &mut Txn<'_>) -> bool {
        if self.journal.is_lost() {
            self.commit(txn);
            return false;
        }
        self.detach(txn);
        let places = std::mem::take(&mut self.places);
        let mut log = self.journal.take();
        let (core, limits) = (&txn.store().core, txn.settings().list_limits());
        while let Some(record) = log.records.pop() {
            let Some((shard, db)) = places.get(record.place).copied() else { continue };
            let Ok((shard, _)) = txn.shard(shard) else { continue };
            let Some(keys) = shard.databases.get_mut(db) else { continue };
            let key = log.bytes.get(record.key).unwrap_or_default();
            if let Some(removed) = keys.restore(record.hash, key, record.before, &log.bytes, &limits) {
                core.entry(removed);
            }
        }
        txn.effects().rewind(&self.mark);
        if let Some(journal) = Arc::get_mut(&mut self.journal) {
            journal.give_back(log);
        }
        true
    }

    fn detach(&mut self, txn: &mut Txn<'_>) {
        for (shard, db) in &self.places {
            if let Ok((shard, _)) = txn.shard(*shard)
                && let Some(keys) = shard.databases.get_mut(*db)
            {
                keys.detach();
            }
        }
    }
}

impl UndoHandle {
    /// Gives the record up if it has become too long.
    ///
    /// # Errors
    /// With `NotKept` if it may not be given up: the unit must stop.
    pub fn check(&self) -> Result<(), Error> {
        self.0.check()
    }

    /// Whether it was given up.
    pub fn is_given_up(&self) -> bool {
        self.0.is_lost()
    }

    /// Gives the record up before something that cannot be taken back.
    ///
    /// # Errors
    /// With `NotKept` if it may not be given up: the unit must stop.
    pub fn give_up(&self) -> Result<(), Error> {
        self.0.lose()
    }

    /// From now on the record is given up only if that may be [fixed](Fate::fix) before.
    pub fn set_fate(&self, fate: Arc<Fate>) {
        self.0.set_fate(fate);
    }
}

impl<'t> Recorder<'t> {
    /// Records what is done with [`txn`](Recorder::txn); `undo` has begun.
    pub fn new(txn: Txn<'t>, undo: &'t mut Undo) -> Recorder<'t> {
        let (shards, frame) = txn.split();
        Recorder { shards: Recording { shards, undo }, frame }
    }

    /// For the unit itself.
    pub fn handle(&self) -> UndoHandle {
        UndoHandle(self.shards.undo.journal.clone())
    }

    /// The view that is recorded.
    pub fn txn(&mut self) -> Txn<'_> {
        self.frame.txn(&mut self.shards)
    }
}

impl Locked for Recording<'_> {
    fn shard(&mut self, number: usize) -> Option<&mut Shard> {
        self.shards.shard(number)
    }

    fn held(&self, number: usize) -> Option<&Shard> {
        self.shards.held(number)
    }

    fn shard_for(&mut self, number: usize, db: usize) -> Option<&mut Shard> {
        let shard = self.shards.shard(number)?;
        if let Some(keys) = shard.databases.get_mut(db)
            && !keys.is_attached()
            && !self.undo.journal.is_lost()
        {
            keys.attach(self.undo.journal.clone(), self.undo.places.len());
            self.undo.places.push((number, db));
        }
        Some(shard)
    }

    fn before_tables_move(&mut self) -> Result<(), Error> {
        self.undo.journal.lose()?;
        for (shard, db) in self.undo.places.drain(..) {
            if let Some(keys) = self.shards.shard(shard).and_then(|shard| shard.databases.get_mut(db)) {
                keys.detach();
            }
        }
        Ok(())
    }
}
