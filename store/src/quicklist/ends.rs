//! Names for places in a list.

/// One of the two ends of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The left end, of index 0.
    Head,
    /// The right end.
    Tail,
}

/// Where to insert, seen from an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To its left.
    Before,
    /// To its right.
    After,
}
