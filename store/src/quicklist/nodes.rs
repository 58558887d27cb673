//! The nodes of a quicklist.

use super::End;
use super::limits::Shape;
use crate::listpack::{EMPTY_BYTES, Listpack, Pack, encoded_bytes};
use crate::lzf;
use crate::raw::entry::Str;

/// Smaller nodes are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 48;
/// Compression that saves fewer bytes is not worth keeping.
const SAVED_BYTES_MIN: usize = 9;

/// A node with at least one element.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// `count` is the pack's: it stands here so that finding an index touches only nodes.
    Packed { pack: Listpack, count: u32 },
    /// A listpack of `bytes` bytes, compressed with LZF.
    Compressed { data: Box<[u8]>, bytes: u32, count: u32 },
    /// One large element.
    Plain(Box<[u8]>),
}

const _: () = assert!(size_of::<Node>() <= 32);

/// A node as it lies in memory, for writing it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeView<'a> {
    /// A listpack.
    Packed(Pack<'a>),
    /// A listpack of `bytes` bytes, compressed with LZF.
    Compressed {
        /// The compressed bytes.
        data: &'a [u8],
        /// Bytes of the listpack.
        bytes: usize,
    },
    /// One large element.
    Plain(&'a [u8]),
}

impl NodeView<'_> {
    /// Shows the elements to `see`.
    pub fn for_each(self, mut see: impl FnMut(Str<'_>)) {
        match self {
            NodeView::Packed(pack) => pack.iter().for_each(see),
            NodeView::Compressed { data, bytes } => decompressed(data, bytes).view().iter().for_each(see),
            NodeView::Plain(element) => see(Str::Bytes(element)),
        }
    }
}

impl Node {
    /// A node around a listpack.
    pub(super) fn packed(pack: Listpack) -> Node {
        let count = pack.len() as u32;
        Node::Packed { pack, count }
    }

    /// A node for one element.
    pub(super) fn single(value: Str<'_>, shape: Shape) -> Node {
        if shape.is_large(value.len()) {
            return Node::Plain(value.as_bytes(&mut itoa::Buffer::new()).into());
        }
        let mut pack = Listpack::with_capacity(EMPTY_BYTES + encoded_bytes(value));
        pack.append(value);
        Node::Packed { pack, count: 1 }
    }

    pub(super) fn view(&self) -> NodeView<'_> {
        match self {
            Node::Packed { pack, .. } => NodeView::Packed(pack.view()),
            Node::Compressed { data, bytes, .. } => NodeView::Compressed { data, bytes: *bytes as usize },
            Node::Plain(value) => NodeView::Plain(value),
        }
    }

    #[inline]
    pub(super) fn count(&self) -> usize {
        match self {
            Node::Packed { count, .. } | Node::Compressed { count, .. } => *count as usize,
            Node::Plain(_) => 1,
        }
    }

    /// Bytes of the node when it is not compressed.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        match self {
            Node::Packed { pack, .. } => pack.bytes().len(),
            Node::Compressed { bytes, .. } => *bytes as usize,
            Node::Plain(value) => value.len(),
        }
    }

    /// Bytes allocated behind the node.
    pub(super) fn memory(&self) -> usize {
        match self {
            Node::Packed { pack, .. } => pack.memory(),
            Node::Compressed { data, .. } => data.len(),
            Node::Plain(value) => value.len(),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Node::Plain(_))
    }

    /// Whether an element of `bytes` bytes may be added.
    #[inline]
    pub(super) fn takes(&self, bytes: usize, shape: Shape) -> bool {
        !self.is_plain() && shape.takes(self.bytes(), self.count(), bytes)
    }

    /// Whether the two may become one.
    pub(super) fn may_join(&self, other: &Node, shape: Shape) -> bool {
        !self.is_plain()
            && !other.is_plain()
            && !shape.exceeds(self.bytes() + other.bytes() - EMPTY_BYTES, self.count() + other.count())
    }

    /// Changes the listpack, which is decompressed first; `None` for a plain node.
    pub(super) fn edit<R>(&mut self, change: impl FnOnce(&mut Listpack) -> R) -> Option<R> {
        self.decompress();
        let Node::Packed { pack, count } = self else { return None };
        let result = change(pack);
        *count = pack.len() as u32;
        Some(result)
    }

    /// Adds an element at one end. The node [`takes`](Node::takes) it.
    pub(super) fn push(&mut self, end: End, value: Str<'_>) {
        self.decompress();
        let Node::Packed { pack, count } = self else {
            debug_assert!(false, "a plain node takes no element");
            return;
        };
        match end {
            End::Head => pack.prepend(value),
            End::Tail => pack.append(value),
        }
        *count += 1;
    }

    /// Compresses the listpack, if that saves enough.
    pub(super) fn compress(&mut self) {
        let Node::Packed { pack, count } = self else { return };
        let bytes = pack.bytes();
        if bytes.len() < COMPRESS_BYTES_MIN {
            return;
        }
        let Some(data) = lzf::compress(bytes, bytes.len() - SAVED_BYTES_MIN) else { return };
        *self = Node::Compressed { data: data.into(), bytes: bytes.len() as u32, count: *count };
    }

    pub(super) fn decompress(&mut self) {
        if let Node::Compressed { data, bytes, count } = self {
            *self = Node::Packed { pack: decompressed(data, *bytes as usize), count: *count };
        }
    }
}

/// The listpack of a compressed node.
pub(super) fn decompressed(data: &[u8], bytes: usize) -> Listpack {
    let bytes = lzf::decompress(data, bytes).expect("a node was compressed here");
    Listpack::copy(&bytes)
}
