//! Texts about what clients receive unasked: messages and invalidations.

use super::{CommandError, quoting};

texts! {
    /// SSUBSCRIBE inside MULTI.
    SSUBSCRIBE_DENIED = "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client";
    /// CLIENT TRACKING with two redirections.
    TRACKING_REDIRECTS_TWICE = "ERR A client can only redirect to a single other client";
    /// CLIENT TRACKING with a redirection to nobody.
    TRACKING_NO_SUCH_CLIENT = "ERR The client ID you want redirect to does not exist";
    /// CLIENT TRACKING.
    TRACKING_PREFIX_WITHOUT_BCAST = "ERR PREFIX option requires BCAST mode to be enabled";
    /// CLIENT TRACKING.
    TRACKING_SWITCHES_BCAST = "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode.";
    /// CLIENT TRACKING.
    TRACKING_OPTIONS_WITH_BCAST = "ERR OPTIN and OPTOUT are not compatible with BCAST";
    /// CLIENT TRACKING.
    TRACKING_BOTH_OPTIONS = "ERR You can't specify both OPTIN mode and OPTOUT mode";
    /// CLIENT TRACKING.
    TRACKING_SWITCHES_OPTION = "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode.";
    /// CLIENT CACHING.
    CACHING_WITHOUT_TRACKING = "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
    /// CLIENT CACHING.
    CACHING_YES = "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.";
    /// CLIENT CACHING.
    CACHING_NO = "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.";
}

/// A prefix that begins another one (`which`: an existing one, or another provided one), or begins with it.
pub fn prefix_overlap(prefix: &[u8], which: &str, other: &[u8]) -> CommandError {
    let end = b"'. Prefixes for a single client must not overlap.";
    quoting(&[b"ERR Prefix '", prefix, b"' overlaps with ", which.as_bytes(), b" prefix '", other, end])
}

/// A command that a client of RESP2 may not call while it listens to channels, by its full name.
pub fn not_for_listeners(full_name: &str) -> CommandError {
    const WHO_MAY: &str = "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";
    CommandError::Message(format!("ERR Can't execute '{full_name}': {WHO_MAY}"))
}
