//! Addresses, listeners and sockets.

macro_rules! network_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Network" {
            /// Addresses to listen on: IPv4, IPv6, host names, * for all; after a dash, one that may be missing.
            bind: Vec<String> = Addresses(&["*", "-::*"]), WORKS.effect(Effect::Bind);

            /// TCP port that clients connect to; 0 opens none.
            port: u16 = Int::new(6379, 0, 65535), WORKS.effect(Effect::Port);

            /// Whether a server without password, listening everywhere, refuses clients from other machines.
            protected_mode: bool = Switch(true), WORKS;

            /// How many connections may wait to be accepted.
            tcp_backlog: u32 = Int::new(511, 0, INT_MAX), WORKS.immutable();

            /// Idle seconds after which the kernel asks whether a client is still there; 0 never asks.
            tcp_keepalive: u32 = Int::new(300, 0, INT_MAX), WORKS;

            /// Path of a Unix socket to listen on.
            unixsocket: PathBuf = PathText { optional: true }, WORKS.immutable();

            /// Mode of that socket; 0 leaves it to the umask.
            unixsocketperm: u32 = Octal { default: 0, max: 0o777 }, WORKS.immutable();

            /// Group of that socket.
            unixsocketgroup: String = Text::optional(),
                not_yet("the group of the socket file").immutable().origin(Origin::Valkey);

            /// Milliseconds of unacknowledged data after which a client is dropped (TCP_USER_TIMEOUT); 0 leaves it to the kernel.
            tcp_user_timeout: u32 = Int::new(0, 0, INT_MAX), WORKS.origin(Origin::Own);

            /// Queue of half-open connections that may already carry data (TCP_FASTOPEN); 0 is off.
            tcp_fastopen: u32 = Int::new(0, 0, 65535), WORKS.origin(Origin::Own).immutable();

            /// Seconds for which a connection that says nothing is not even accepted (TCP_DEFER_ACCEPT); 0 is off.
            tcp_defer_accept: u32 = Int::new(0, 0, 3600), WORKS.origin(Origin::Own).immutable();

            /// Whether received data is acknowledged at once (TCP_QUICKACK).
            tcp_quickack: bool = Switch(false), WORKS.origin(Origin::Own);

            /// Whether large replies leave in full segments only (TCP_CORK).
            tcp_cork: bool = Switch(false), WORKS.origin(Origin::Own);

            /// Local address for connections that the server itself opens.
            bind_source_addr: String = Text::optional(), WORKS;

            /// Mark of the server's sockets, for packet filters.
            socket_mark_id: u32 = Int::new(0, 0, UINT_MAX), not_yet("marked sockets").immutable();

            /// How many connections are accepted before clients are served again.
            max_new_connections_per_cycle: u32 = Int::new(10, 1, 1000),
                kept("has no meaning here: accepting never holds up a worker").origin(Origin::Later);

            /// The same for TLS.
            max_new_tls_connections_per_cycle: u32 = Int::new(1, 1, 1000),
                kept("has no meaning here: handshakes never hold up a worker").origin(Origin::Later);

            /// Whether listeners speak Multipath TCP.
            mptcp: bool = Switch(false), not_yet("Multipath TCP").immutable().origin(Origin::Valkey);

            /// Addresses for RDMA.
            rdma_bind: Vec<String> = Addresses(&[]), not_yet("RDMA").origin(Origin::Valkey);

            /// Port for RDMA; 0 opens none.
            rdma_port: u16 = Int::new(0, 0, 65535), not_yet("RDMA").origin(Origin::Valkey);

            /// Receive buffer of an RDMA connection.
            rdma_rx_size: u32 = Int::new(1048576, 65536, 16777216), not_yet("RDMA").immutable().origin(Origin::Valkey);

            /// Completion vector for RDMA; -1 picks one.
            rdma_completion_vector: i32 = Int::new(-1, -1, 1024), not_yet("RDMA").immutable().origin(Origin::Valkey);
        }
    }};
}
