//! Who may do what.

macro_rules! security_directives {
    ($next:ident $($rest:ident)* => $($gathered:tt)*) => { $next! { $($rest)* => $($gathered)*
        "Security" {
            /// Password of the default user.
            requirepass: Vec<u8> = Secret, WORKS.sensitive().effect(Effect::DefaultPassword);

            /// Who may set protected directives.
            enable_protected_configs: Permission = Pick(Permission::No), WORKS.immutable();

            /// Who may use DEBUG.
            enable_debug_command: Permission = Pick(Permission::No), WORKS.immutable();

            /// Who may load modules.
            enable_module_command: Permission = Pick(Permission::No),
                kept("has no meaning here: there are no modules").immutable();

            /// File with users.
            aclfile: PathBuf = PathText { optional: false }, WORKS.immutable();

            /// Channels of a new user.
            acl_pubsub_default: AclPubsubDefault = Pick(AclPubsubDefault::ResetChannels),
                WORKS;

            /// Entries that ACL LOG keeps.
            acllog_max_len: u64 = Int::new(128, 0, i64::MAX), WORKS;

            /// How deeply payloads of RDB and RESTORE are checked.
            sanitize_dump_payload: SanitizePayload = Pick(SanitizePayload::No), WORKS;
        }
    }};
}
