//! What stands beside a value as long as a snapshot takes it.

/// What a snapshot knows of a value, if it takes it: nothing of a copy of that.
#[derive(Debug)]
pub(in crate::stream) struct Attached<T>(pub(in crate::stream) Option<Box<T>>);

impl<T> Clone for Attached<T> {
    fn clone(&self) -> Attached<T> {
        Attached(None)
    }
}

impl<T> Default for Attached<T> {
    fn default() -> Attached<T> {
        Attached(None)
    }
}
