//! Keyspace events as messages.

use crate::config::KeyspaceEvents;
use crate::net::Worker;
use ochre_store::{Event, EventClass};

/// Publishes those of the events that `notify-keyspace-events` selects. To be called with the locks still held under which they
/// happened, so that everybody sees them in this order.
#[cold]
pub(crate) fn notify(worker: &Worker, events: &[Event]) {
    let (wanted, pubsub) = (worker.config().notify_keyspace_events, &worker.server.pubsub);
    for event in events.iter().filter(|event| wanted.contains(class(event.class))) {
        if !pubsub.has_listeners() {
            return;
        }
        if wanted.contains(KeyspaceEvents::KEYSPACE) {
            let channel = [format!("__keyspace@{}__:", event.db).as_bytes(), &event.key].concat();
            pubsub.publish(false, &channel, event.name.as_bytes());
        }
        if wanted.contains(KeyspaceEvents::KEYEVENT) {
            let channel = format!("__keyevent@{}__:{}", event.db, event.name);
            pubsub.publish(false, channel.as_bytes(), &event.key);
        }
    }
}

/// What the directive calls a class.
fn class(class: EventClass) -> KeyspaceEvents {
    match class {
        EventClass::Generic => KeyspaceEvents::GENERIC,
        EventClass::String => KeyspaceEvents::STRING,
        EventClass::List => KeyspaceEvents::LIST,
        EventClass::Set => KeyspaceEvents::SET,
        EventClass::Hash => KeyspaceEvents::HASH,
        EventClass::SortedSet => KeyspaceEvents::ZSET,
        EventClass::Stream => KeyspaceEvents::STREAM,
        EventClass::Expired => KeyspaceEvents::EXPIRED,
        EventClass::Evicted => KeyspaceEvents::EVICTED,
        EventClass::New => KeyspaceEvents::NEW,
        EventClass::KeyMiss => KeyspaceEvents::KEY_MISS,
    }
}
