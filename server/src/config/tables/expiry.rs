//! The keyspace: databases, expiry and its events.

macro_rules! expiry_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Keyspace" {
            /// How many databases there are.
            databases: u32 = Int::new(16, 1, INT_MAX), WORKS.immutable();

            /// How hard expired keys are looked for, against latency and processor time.
            active_expire_effort: u32 = Int::new(1, 1, 10), WORKS.effect(Effect::Store);

            /// Classes of keyspace events that are published.
            notify_keyspace_events: KeyspaceEvents = NotifyEvents, WORKS.effect(Effect::Store);

            /// Seed of the hash of keys, the same for servers that shall hash alike.
            hash_seed: String = Text::optional(), not_yet("a fixed hash seed").immutable().origin(Origin::Valkey);

            /// Locale that SORT orders by.
            locale_collate: String = Text::new(""), not_yet("SORT").origin(Origin::Later);

            /// Whether data is being imported: then keys go only when a CLIENT IMPORT-SOURCE says so.
            import_mode: bool = Switch(false), WORKS.effect(Effect::Store).origin(Origin::Valkey);

            /// Whether keys named inside a script's pattern expire lazily.
            lazyexpire_nested_arbitrary_keys: bool = Switch(true),
                kept("takes effect with scripts").hidden().origin(Origin::Redis8);
        }
    }};
}
