//! RESTORE and MIGRATE.

use super::CommandError;
use crate::migration::Failure;

texts! {
    /// RESTORE of a key that exists.
    BUSY_KEY = "BUSYKEY Target key name already exists.";
    /// RESTORE.
    INVALID_TTL = "ERR Invalid TTL value, must be >= 0";
    /// RESTORE.
    INVALID_IDLE_TIME = "ERR Invalid IDLETIME value, must be >= 0";
    /// RESTORE.
    INVALID_FREQUENCY = "ERR Invalid FREQ value, must be >= 0 and <= 255";
    /// RESTORE of something that is no payload of DUMP.
    BAD_PAYLOAD = "ERR DUMP payload version or checksum are wrong";
    /// RESTORE of a damaged payload.
    BAD_DATA_FORMAT = "ERR Bad data format";
    /// MIGRATE of a key and of several.
    KEY_BESIDE_KEYS = "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string";
    /// MIGRATE where there is no connection.
    NOT_CONNECTED = "IOERR error or timeout connecting to the client";
    /// MIGRATE where the connection has failed, or took too long.
    NOT_WRITTEN = "IOERR error or timeout writing to target instance";
    /// Likewise, while the answers were read.
    NOT_READ = "IOERR error or timeout reading to target instance";
}

/// What MIGRATE says when not all keys have arrived.
pub fn not_migrated(failure: Failure) -> CommandError {
    match failure {
        Failure::Connecting => NOT_CONNECTED,
        Failure::Writing => NOT_WRITTEN,
        Failure::Reading => NOT_READ,
        Failure::Target(text) => {
            CommandError::Quoting([b"ERR Target instance replied with error: ".as_slice(), &text].concat())
        }
    }
}
