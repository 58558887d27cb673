//! What every codec can do.

/// Where the words of a value come from. Some directives gather repeated lines of a file, but `CONFIG SET` replaces.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Mention {
    /// The first line of the configuration files that names the directive.
    First,
    /// A later line of them.
    Repeated,
    /// `CONFIG SET`.
    Command,
}

/// One line that `CONFIG REWRITE` may write for a directive: what follows its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Written {
    pub(in super::super) arguments: String,
    /// Whether the line is needed even when the file does not mention the directive.
    pub(in super::super) forced: bool,
}

/// Reads, shows and writes one kind of value.
pub(in super::super) trait Codec: Sync {
    /// What is kept in the snapshot.
    type Value: Clone + PartialEq;

    /// Whether several words may follow the name.
    const MULTIPLE: bool = false;

    /// The value when nothing is said.
    fn default(&self) -> Self::Value;

    /// Reads `words`; `old` is the present value. Errs with the reason that is told to the user.
    fn parse(&self, words: &[Vec<u8>], old: &Self::Value, mention: Mention) -> Result<Self::Value, String>;

    /// The value as `CONFIG GET` answers it.
    fn render(&self, value: &Self::Value) -> Vec<u8>;

    /// The lines `CONFIG REWRITE` writes; none when the directive is to vanish from the file.
    fn written(&self, value: &Self::Value, default: &Self::Value) -> Vec<Written> {
        vec![Written { arguments: String::from_utf8_lossy(&self.render(value)).into_owned(), forced: value != default }]
    }

    /// Type and range in words, for the documents.
    fn shape(&self) -> String;
}

/// The only word of a single-valued directive.
pub(super) fn single(words: &[Vec<u8>]) -> Result<&[u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".to_owned()),
    }
}

/// A word as text; names, addresses and the like must be UTF-8.
pub(super) fn utf8(word: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(word).map_err(|_| "argument must be valid UTF-8".to_owned())
}

/// A whole number as C's `strtoll` reads a complete word: blank space and a plus sign may lead, nothing is zero.
pub(super) fn loose_integer(word: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(word).ok()?.trim_start();
    if text.is_empty() { Some(0) } else { text.parse().ok() }
}
