//! Error texts of replication.

use super::CommandError;

/// A write to a replica.
pub const READ_ONLY: CommandError = CommandError::Text("READONLY You can't write against a read only replica.");
/// A command to a replica that does not show what it has while its primary is gone.
pub const PRIMARY_DOWN: CommandError =
    CommandError::Text("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.");
/// A command of a script to such a replica.
pub const STALE_FROM_SCRIPT: CommandError = CommandError::Text("ERR Can not execute the command on a stale replica");
/// A script that does not say it may run on such a replica.
pub const STALE_SCRIPT: CommandError = CommandError::Text(
    "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set on the script.",
);
/// A blocking command that waits when the server becomes a replica.
pub const UNBLOCKED_BY_ROLE: CommandError =
    CommandError::Text("UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)");
/// WAIT in a replica.
pub const WAIT_ON_REPLICA: CommandError = CommandError::Text(
    "ERR WAIT cannot be used with replica instances. Please also note that since Redis 4.0 if a replica is configured to be writable (which is not the default) writes to replicas are just local and are not propagated.",
);
/// WAITAOF in a replica.
pub const WAITAOF_ON_REPLICA: CommandError = CommandError::Text(
    "ERR WAITAOF cannot be used with replica instances. Please also note that writes to replicas are just local and are not propagated.",
);
/// WAITAOF for an append-only file that there is not, or is no more.
pub const WAITAOF_WITHOUT_FILE: CommandError =
    CommandError::Text("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.");
/// SYNC to a replica that does not know how its primary stands.
pub const NO_PRIMARY_LINK: CommandError =
    CommandError::Text("NOMASTERLINK Can't SYNC while not connected with my master");
