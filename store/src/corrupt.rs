//! What is wrong with bytes that claim to be a compact encoding.

/// Bytes that are not a valid encoding of the kind they claim to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("corrupt {kind} at byte {offset}: {reason}")]
pub struct Corrupt {
    /// Name of the encoding.
    pub kind: &'static str,
    /// Where the damage shows, in bytes from the start.
    pub offset: usize,
    /// What is wrong there.
    pub reason: &'static str,
}
