//! Clients: how many, how much, how long.

macro_rules! client_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Clients" {
            /// How many clients may be connected.
            maxclients: u32 = Int::new(10000, 1, UINT_MAX), WORKS.effect(Effect::MaxClients);

            /// Idle seconds after which a client is closed; 0 never closes one.
            timeout: u32 = Int::new(0, 0, INT_MAX), WORKS;

            /// Seconds a client may take to send a command it has begun; 0 is any time.
            request_timeout: u32 = Int::new(0, 0, INT_MAX), WORKS.origin(Origin::Own);

            /// How much output may wait for a client, by class: hard limit, soft limit, seconds above the soft limit.
            client_output_buffer_limit: OutputLimits = OutputBuffers, WORKS;

            /// How much unexecuted input may pile up from one client.
            client_query_buffer_limit: u64 = Memory::new(1 << 30, 1 << 20, LONG_MAX), WORKS;

            /// Longest string that a client may send.
            proto_max_bulk_len: u64 = Memory::new(512 << 20, 1 << 20, LONG_MAX), WORKS.effect(Effect::Store);

            /// Memory of all clients together above which the largest are closed; 0 is no limit.
            maxmemory_clients: SizeOrPercent = MemoryOrPercent, WORKS;

            /// How many keys are remembered for client-side caching; 0 is no limit.
            tracking_table_max_keys: u64 = Int::new(1_000_000, 0, i64::MAX), WORKS;
        }
    }};
}
