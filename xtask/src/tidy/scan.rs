//! Splits Rust source into code, literals and comments, as far as the rules need it.

/// A source file, taken apart.
#[derive(Debug)]
pub(crate) struct Source {
    /// The text with comments and the insides of literals turned into blanks; the lines stay where they were.
    pub(crate) code: String,
    /// Every string literal with the line (from 1) that it starts in.
    pub(crate) strings: Vec<(usize, String)>,
    /// For each line whether it belongs to a `#[cfg(test)]` module.
    test_lines: Vec<bool>,
}

impl Source {
    /// Takes `text` apart.
    pub(crate) fn new(text: &str) -> Source {
        let (code, strings) = Scanner::new(text).run();
        let test_lines = test_lines(&code);
        Source { code, strings, test_lines }
    }

    /// Whether the line (from 1) belongs to a test module.
    pub(crate) fn is_test(&self, line: usize) -> bool {
        line.checked_sub(1).and_then(|at| self.test_lines.get(at)).copied().unwrap_or(false)
    }

    /// How many lines lie outside test modules.
    pub(crate) fn lines_outside_tests(&self) -> usize {
        self.test_lines.iter().filter(|test| !**test).count()
    }
}

/// Marks the lines of modules under `#[cfg(test)]`. Rust's formatter puts the closing brace of a top-level module at the
/// start of its line.
fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut marks = vec![false; lines.len()];
    let mut at = 0;
    while at < lines.len() {
        let next_item = lines.iter().skip(at + 1).find(|line| !line.starts_with("#["));
        if lines[at].starts_with("#[cfg(")
            && lines[at].contains("test")
            && next_item.is_some_and(|l| is_inline_module(l))
        {
            let end = (at..lines.len()).find(|&i| lines[i].starts_with('}')).unwrap_or(lines.len() - 1);
            marks[at..=end].fill(true);
            at = end;
        }
        at += 1;
    }
    marks
}

fn is_inline_module(line: &str) -> bool {
    (line.starts_with("mod ") || line.starts_with("pub(crate) mod ")) && line.trim_end().ends_with('{')
}

struct Scanner<'a> {
    rest: &'a str,
    code: String,
    strings: Vec<(usize, String)>,
    line: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Scanner<'a> {
        Scanner { rest: text, code: String::with_capacity(text.len()), strings: Vec::new(), line: 1 }
    }

    fn run(mut self) -> (String, Vec<(usize, String)>) {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.blank(end);
            } else if self.rest.starts_with("/*") {
                let end = block_comment(self.rest);
                self.blank(end);
            } else if let Some((open, hashes)) = raw_string(self.rest).filter(|_| !self.after_word()) {
                let close = format!("\"{}", "#".repeat(hashes));
                let inside = self.rest.get(open..).unwrap_or_default();
                let length = inside.find(&close).unwrap_or(inside.len());
                self.literal(open, length, close.len());
            } else if first == '"' {
                let length = quoted(self.rest.get(1..).unwrap_or_default(), '"');
                self.literal(1, length, 1);
            } else if first == '\'' {
                match char_literal(self.rest) {
                    Some(length) => self.blank(length),
                    None => self.keep(1),
                }
            } else {
                self.keep(first.len_utf8());
            }
        }
        (self.code, self.strings)
    }

    /// Whether the last character belongs to a name, so that an `r` or `b` is no prefix of a literal.
    fn after_word(&self) -> bool {
        self.code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
    }

    fn keep(&mut self, count: usize) {
        let (taken, rest) = self.rest.split_at(count);
        self.line += taken.matches('\n').count();
        self.code.push_str(taken);
        self.rest = rest;
    }

    fn blank(&mut self, count: usize) {
        let (taken, rest) = self.rest.split_at(count.min(self.rest.len()));
        self.line += taken.matches('\n').count();
        self.code.extend(taken.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }

    /// A literal whose text starts `open` bytes from here, is `length` long, and is closed by `close` bytes.
    fn literal(&mut self, open: usize, length: usize, close: usize) {
        self.strings.push((self.line, self.rest.get(open..open + length).unwrap_or_default().to_owned()));
        self.keep(open);
        self.blank(length);
        let close = close.min(self.rest.len());
        self.keep(close);
    }
}

/// The length of a comment that starts here; such comments nest.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0usize, 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// For a raw string that starts here: the length of its opening and how many hashes that has.
fn raw_string(text: &str) -> Option<(usize, usize)> {
    let prefix =
        ["r", "br", "cr"].into_iter().find(|p| text.strip_prefix(p).is_some_and(|t| t.starts_with(['"', '#'])))?;
    let after = text.strip_prefix(prefix)?;
    let hashes = after.bytes().take_while(|b| *b == b'#').count();
    (after.as_bytes().get(hashes) == Some(&b'"')).then_some((prefix.len() + hashes + 1, hashes))
}

/// The number of bytes up to the closing quote, past escapes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at,
            _ => {}
        }
    }
    text.len()
}

/// The length of a character literal that starts here; none for a lifetime.
fn char_literal(text: &str) -> Option<usize> {
    let inside = text.get(1..)?;
    let first = inside.chars().next()?;
    let second = inside.chars().nth(1);
    (first == '\\' || second == Some('\'')).then(|| quoted(inside, '\'') + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_taken_out_and_lines_kept() {
        let source = Source::new(
            "let a = \"x // \\\" y\"; // todo\n/* a /* bee */\n c */ fn f<'a>(c: char) { c == '\"' }\nlet b = r#\"q\"q\"#;\n",
        );
        let strings: Vec<_> = source.strings.iter().map(|(line, text)| (*line, text.as_str())).collect();
        assert_eq!(strings, [(1, "x // \\\" y"), (4, "q\"q")]);
        assert!(!source.code.contains("todo") && !source.code.contains("bee"));
        assert!(source.code.contains("fn f<'a>(c: char)"));
        assert_eq!(source.code.lines().count(), 4);
    }

    #[test]
    fn test_modules_do_not_count() {
        let source = Source::new("fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {}\n}\nfn c() {}\n");
        assert_eq!(source.lines_outside_tests(), 2);
        assert!(source.is_test(4) && !source.is_test(6));
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_hides_nothing_here() {
        let source = Source::new("#[cfg(test)]\nmod tests;\nfn a() {\n}\n");
        assert_eq!(source.lines_outside_tests(), 4);
    }
}
