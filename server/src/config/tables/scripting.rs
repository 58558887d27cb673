//! Scripts.

macro_rules! scripting_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Scripting" {
            /// Milliseconds after which a script counts as busy; 0 is never.
            busy_reply_threshold: u64 = Int::new(5000, 0, i64::MAX),
                WORKS.aliases(&["lua-time-limit"]);

            /// Whether scripts may call what Lua has deprecated.
            lua_enable_deprecated_api: bool = Switch(false), WORKS.hidden().immutable();

            /// Whether scripts may call what is not safe.
            lua_enable_insecure_api: bool = Switch(false),
                WORKS.hidden().immutable().origin(Origin::Valkey);

            /// Memory that the scripts of one worker may take, and its functions as much again; 0 is no limit.
            lua_memory_limit: u64 = Memory::new(0, 0, LONG_MAX), WORKS.origin(Origin::Own);
        }
    }};
}
