//! Debug builds count the children of every open aggregate; release builds hold and do nothing.

#[cfg(debug_assertions)]
#[derive(Debug, Default)]
pub(super) struct Children {
    open: Vec<Open>,
}

#[cfg(debug_assertions)]
#[derive(Debug, PartialEq, Eq)]
enum Open {
    /// So many children are still to come.
    Missing(usize),
    /// The length is written later; so many children came.
    Came(usize),
}

#[cfg(debug_assertions)]
impl Children {
    /// A reply without children was written.
    pub(super) fn value(&mut self) {
        self.child();
        self.settle();
    }

    /// The header of an aggregate was written which is a child itself.
    pub(super) fn aggregate(&mut self, children: usize) {
        self.child();
        self.aside(children);
    }

    /// The header of an aggregate was written which is no child: a push or an attribute.
    pub(super) fn aside(&mut self, children: usize) {
        self.open.push(Open::Missing(children));
        self.settle();
    }

    /// The place for an aggregate's header was reserved.
    pub(super) fn deferred(&mut self) -> usize {
        self.child();
        self.open.push(Open::Came(0));
        self.open.len()
    }

    /// The header reserved as number `depth` was written.
    pub(super) fn close(&mut self, depth: usize, children: usize) {
        assert_eq!(self.open.len(), depth, "an aggregate was closed before those within it: {:?}", self.open);
        assert_eq!(self.open.pop(), Some(Open::Came(children)), "declared length {children} does not fit");
        self.settle();
    }

    /// Children are no longer counted for what is open.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }

    fn child(&mut self) {
        match self.open.last_mut() {
            Some(Open::Missing(missing)) => *missing -= 1,
            Some(Open::Came(came)) => *came += 1,
            None => {}
        }
    }

    /// Closes what has all its children.
    fn settle(&mut self) {
        while self.open.last() == Some(&Open::Missing(0)) {
            self.open.pop();
        }
    }
}

#[cfg(debug_assertions)]
impl Drop for Children {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.open.is_empty(), "a reply ended within an aggregate: {:?}", self.open);
        }
    }
}

#[cfg(not(debug_assertions))]
#[derive(Debug, Default)]
pub(super) struct Children;

#[cfg(not(debug_assertions))]
impl Children {
    #[inline(always)]
    pub(super) fn value(&mut self) {}

    #[inline(always)]
    pub(super) fn aggregate(&mut self, _children: usize) {}

    #[inline(always)]
    pub(super) fn aside(&mut self, _children: usize) {}

    #[inline(always)]
    pub(super) fn deferred(&mut self) -> usize {
        0
    }

    #[inline(always)]
    pub(super) fn close(&mut self, _depth: usize, _children: usize) {}

    #[inline(always)]
    pub(super) fn forget(&mut self) {}
}
