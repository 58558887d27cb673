//! What can go wrong in an operation on data.

/// Why an operation did nothing. Every error leaves the data as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The key holds a value of another type.
    #[error("the key holds a value of another type")]
    WrongType,
    /// The value is not a 64-bit signed integer in its shortest decimal form.
    #[error("the value is not an integer")]
    NotInteger,
    /// The value is not a floating point number.
    #[error("the value is not a floating point number")]
    NotFloat,
    /// The increment leads out of the 64-bit signed range.
    #[error("the increment overflows")]
    IncrementOverflow,
    /// The sum would not be a finite number.
    #[error("the result is not a finite number")]
    NanOrInfinity,
    /// The score of a sorted set's member would not be a number.
    #[error("the score is not a number")]
    NotANumber,
    /// An offset, index or database number lies outside its range.
    #[error("out of range")]
    OutOfRange,
    /// The string would exceed `proto_max_bulk_len`.
    #[error("the string would exceed the longest allowed")]
    StringTooLong,
    /// There is no such key.
    #[error("no such key")]
    NoSuchKey,
    /// Source and destination are the same key.
    #[error("source and destination are the same")]
    SameKey,
    /// The string is no HyperLogLog.
    #[error("the string is no HyperLogLog")]
    NotHyperLogLog,
    /// The string is a HyperLogLog whose registers cannot be read.
    #[error("the HyperLogLog is corrupt")]
    CorruptHyperLogLog,
    /// The key's shard is not among those the caller locked. Run the command again with all shards.
    #[error("the shard is not locked")]
    NotLocked,
    /// What there was must be kept, and is too large for that. The unit must be taken back.
    #[error("what there was cannot be kept")]
    NotKept,
    /// A snapshot is being taken already.
    #[error("a snapshot is being taken")]
    Busy,
}
