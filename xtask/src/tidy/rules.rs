//! The rules that look at one file.

use super::scan::Source;

/// The most lines that a source file may have outside its test modules.
pub(crate) const LINES_MAX: usize = 800;

/// Names that say nothing about what is inside.
const VAGUE_NAMES: [&str; 9] = ["util", "utils", "common", "helper", "helpers", "manager", "managers", "misc", "stuff"];

/// The codes that error replies start with.
const ERROR_CODES: [&str; 31] = [
    "ASK",
    "BUSY",
    "BUSYGROUP",
    "BUSYKEY",
    "CLUSTERDOWN",
    "CROSSSLOT",
    "DENIED",
    "ERR",
    "EXECABORT",
    "INPROG",
    "IOERR",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "MOVED",
    "NOAUTH",
    "NOGOODSLAVE",
    "NOGROUP",
    "NOMASTERLINK",
    "NOPERM",
    "NOPROTO",
    "NOREPLICAS",
    "NOSCRIPT",
    "NOTBUSY",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
    "UNKILLABLE",
    "WRONGPASS",
    "WRONGTYPE",
];

/// The file that owns them, and the folder that it may grow into.
const ERROR_HOMES: [&str; 2] = ["server/src/error.rs", "server/src/error/"];

/// Where `unsafe` may stand: the layout of entries and buckets, and what the operating system offers no safe way to.
const UNSAFE_HOMES: [&str; 3] = ["store/src/raw/", "store/src/raw.rs", "server/src/process/raw.rs"];

/// What is wrong, and in which line; line 0 is the file as a whole.
pub(crate) type Problem = (usize, String);

/// Checks a Rust file against all rules but its length. `path` is relative to the root of the workspace.
pub(crate) fn check_source(path: &str, text: &str, source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(missing_doc(text));
    problems.extend(vague_names(path, source));
    problems.extend(unfinished(source));
    problems.extend(misplaced_unsafe(path, source));
    // Below a `tests` folder a `mod.rs` is how test programs share code.
    if path.ends_with("/mod.rs") && !path.contains("/tests/") {
        problems.extend(more_than_declarations(source));
    }
    if path.starts_with("server/src/") && !ERROR_HOMES.iter().any(|home| path.starts_with(home)) {
        problems.extend(stray_error_texts(path, source));
    }
    problems
}

/// Whether a file holds nothing but tests.
pub(crate) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.ends_with("/tests.rs") || path.ends_with("_tests.rs")
}

/// Checks the root file of a crate target.
pub(crate) fn check_crate_root(path: &str, source: &Source) -> Vec<Problem> {
    let has_unsafe_home = matches!(path, "store/src/lib.rs" | "server/src/lib.rs");
    let wanted = if has_unsafe_home { "#![deny(unsafe_code)]" } else { "#![forbid(unsafe_code)]" };
    let compact: String = source.code.split_whitespace().collect();
    let found = compact.contains(wanted) || compact.contains("#![forbid(unsafe_code)]");
    if found { Vec::new() } else { vec![(0, format!("a crate root without {wanted}"))] }
}

/// Checks any text file for what ties it to one machine or names a package registry.
pub(crate) fn check_text(text: &str) -> Vec<Problem> {
    // Put together, so that this file passes its own rule.
    let folders = ["work", "root", "tmp"].map(|name| format!("/{name}/"));
    let hosts = [
        ["crates", "io"],
        ["pypi", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["debian", "org"],
        ["pythonhosted", "org"],
    ]
    .map(|parts| parts.join("."));
    let mut problems = Vec::new();
    for (at, line) in text.lines().enumerate() {
        for folder in &folders {
            // Behind a name or a dot it is the inside of a longer path, not the start of one.
            let start = line.match_indices(folder.as_str()).find(|(at, _)| !line[..*at].ends_with(in_a_path));
            if start.is_some() {
                problems.push((at + 1, format!("a path of one machine: {folder}")));
            }
        }
        for host in &hosts {
            if line.contains(host.as_str()) {
                problems.push((at + 1, format!("the host of a registry: {host}")));
            }
        }
    }
    problems
}

fn in_a_path(c: char) -> bool {
    c.is_alphanumeric() || "._-*}>$)".contains(c)
}

/// Every file says first what it is for.
fn missing_doc(text: &str) -> Option<Problem> {
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    (!first.starts_with("//!")).then(|| (1, "a file that does not start with its //! doc".to_owned()))
}

fn vague_names(path: &str, source: &Source) -> Vec<Problem> {
    let in_path = path.trim_end_matches(".rs").split('/').filter(|part| VAGUE_NAMES.contains(part));
    let mut problems: Vec<Problem> =
        in_path.map(|name| (0, format!("`{name}` says nothing: name the subject"))).collect();
    for (at, line) in source.code.lines().enumerate() {
        let module = line.split_whitespace().skip_while(|word| word.starts_with("pub")).collect::<Vec<_>>();
        if let ["mod", name, ..] = module.as_slice() {
            let name = name.trim_end_matches([';', '{']);
            if VAGUE_NAMES.contains(&name) {
                problems.push((at + 1, format!("`mod {name}` says nothing: name the subject")));
            }
        }
    }
    problems
}

/// No macro that stands for code yet to be written, or that was meant for one look.
fn unfinished(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (at, line) in source.code.lines().enumerate() {
        for name in ["todo", "unimplemented", "dbg"] {
            let call = format!("{name}!");
            let found = line
                .match_indices(&call)
                .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'));
            if found {
                problems.push((at + 1, format!("{call} left in the code")));
            }
        }
    }
    problems
}

/// `unsafe` stands in one module of the store, one of the server and nowhere else.
fn misplaced_unsafe(path: &str, source: &Source) -> Vec<Problem> {
    if UNSAFE_HOMES.iter().any(|home| path.starts_with(home)) {
        return Vec::new();
    }
    let used = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let lines = source.code.lines().enumerate().filter(|(_, line)| used(line));
    lines.map(|(at, _)| (at + 1, "unsafe outside the modules that are made for it".to_owned())).collect()
}

/// A `mod.rs` holds `mod` and `use` only.
fn more_than_declarations(source: &Source) -> Vec<Problem> {
    let code = without_attributes(&source.code);
    let mut problems = Vec::new();
    let mut line = 1;
    for item in code.split(';') {
        let declared = item.trim();
        let at = line + item.len().checked_sub(item.trim_start().len()).map_or(0, |n| item[..n].matches('\n').count());
        line += item.matches('\n').count();
        let bare = match declared.strip_prefix("pub") {
            Some(rest) if rest.starts_with('(') => rest.split_once(')').map_or(rest, |(_, rest)| rest).trim_start(),
            Some(rest) => rest.trim_start(),
            None => declared,
        };
        let declares = bare.starts_with("use ") || (bare.starts_with("mod ") && !bare.contains('{'));
        if !declared.is_empty() && !declares {
            problems.push((at, "more than declarations in a mod.rs".to_owned()));
            break;
        }
    }
    problems
}

/// Blanks out `#[…]` and `#![…]`.
fn without_attributes(code: &str) -> String {
    let mut out = String::with_capacity(code.len());
    let mut depth = 0usize;
    let mut chars = code.chars().peekable();
    while let Some(c) = chars.next() {
        let opens = depth == 0 && c == '#' && matches!(chars.peek(), Some('[' | '!'));
        match c {
            _ if opens => {
                if chars.peek() == Some(&'!') {
                    chars.next();
                }
                chars.next();
                depth = 1;
            }
            '[' if depth > 0 => depth += 1,
            ']' if depth > 0 => depth -= 1,
            '\n' => out.push('\n'),
            _ if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// Texts of error replies stand together in one file, where they can be compared with those of other servers.
fn stray_error_texts(path: &str, source: &Source) -> Vec<Problem> {
    if is_test_file(path) {
        return Vec::new();
    }
    let is_error = |text: &str| {
        let text = text.strip_prefix('-').unwrap_or(text);
        text.split_once(' ').is_some_and(|(code, rest)| ERROR_CODES.contains(&code) && !rest.is_empty())
    };
    let stray = source.strings.iter().filter(|(line, text)| is_error(text) && !source.is_test(*line));
    stray
        .map(|(line, text)| (*line, format!("the text of an error reply outside server/src/error.rs: {text:?}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(path: &str, text: &str) -> Vec<Problem> {
        check_source(path, text, &Source::new(text))
    }

    fn lines(path: &str, text: &str) -> Vec<usize> {
        problems(path, text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn a_clean_file_passes() {
        let text = "//! A file.\n\npub fn f() -> &'static str {\n    \"todo! unsafe\" // dbg!\n}\n";
        assert_eq!(problems("resp/src/a.rs", text), []);
    }

    #[test]
    fn a_file_without_doc_fails() {
        assert_eq!(lines("resp/src/a.rs", "use x;\n"), [1]);
        assert_eq!(lines("resp/src/a.rs", "// plain\n"), [1]);
    }

    #[test]
    fn vague_names_fail() {
        assert_eq!(lines("resp/src/utils.rs", "//! A.\n"), [0]);
        assert_eq!(lines("resp/src/common/a.rs", "//! A.\n"), [0]);
        assert_eq!(lines("resp/src/a.rs", "//! A.\npub(crate) mod helpers {}\n"), [2]);
    }

    #[test]
    fn unfinished_code_fails() {
        for name in ["todo", "unimplemented", "dbg"] {
            assert_eq!(lines("resp/src/a.rs", &format!("//! A.\nfn f() {{ {name}!() }}\n")), [2]);
        }
        assert_eq!(lines("resp/src/a.rs", "//! A.\nmy_todo!();\n"), Vec::<usize>::new());
    }

    #[test]
    fn unsafe_is_for_two_modules() {
        let text = "//! A.\nfn f() { unsafe { g() } }\n";
        assert_eq!(lines("store/src/table.rs", text), [2]);
        assert_eq!(lines("server/src/process/title.rs", text), [2]);
        assert_eq!(lines("store/src/raw/table.rs", text), Vec::<usize>::new());
        assert_eq!(lines("server/src/process/raw.rs", text), Vec::<usize>::new());
        assert_eq!(lines("store/src/a.rs", "//! A.\n#![forbid(unsafe_code)]\n"), Vec::<usize>::new());
    }

    #[test]
    fn crate_roots_forbid_unsafe() {
        let root = |path: &str, text: &str| check_crate_root(path, &Source::new(text)).len();
        assert_eq!(root("resp/src/lib.rs", "//! A.\n"), 1);
        assert_eq!(root("resp/src/lib.rs", "//! #![forbid(unsafe_code)]\n"), 1);
        assert_eq!(root("resp/src/lib.rs", "//! A.\n#![deny(unsafe_code)]\n"), 1);
        assert_eq!(root("resp/src/lib.rs", "//! A.\n#![forbid(unsafe_code)]\n"), 0);
        assert_eq!(root("store/src/lib.rs", "//! A.\n#![deny(unsafe_code)]\n"), 0);
        assert_eq!(root("server/src/lib.rs", "//! A.\n#![deny(unsafe_code)]\n"), 0);
        assert_eq!(root("store/src/lib.rs", "//! A.\n"), 1);
    }

    #[test]
    fn a_mod_file_only_declares() {
        let good = "//! A.\n\n#[macro_use]\nmod a;\npub(crate) mod b;\n\npub use a::{\n    B,\n    C,\n};\n";
        assert_eq!(lines("server/src/x/mod.rs", good), Vec::<usize>::new());
        assert_eq!(lines("server/src/x/mod.rs", "//! A.\nmod a;\n\nfn f() {}\n"), [4]);
        assert_eq!(lines("server/src/x/mod.rs", "//! A.\nmod a {\n}\n"), [2]);
        assert_eq!(lines("server/src/x/other.rs", "//! A.\nfn f() {}\n"), Vec::<usize>::new());
        assert_eq!(lines("store/tests/x/mod.rs", "//! A.\nfn f() {}\n"), Vec::<usize>::new());
    }

    #[test]
    fn error_texts_stand_in_one_file() {
        let text =
            "//! A.\nfn f() -> &'static str {\n    \"ERR no such key\"\n}\nconst B: &[u8] = b\"-WRONGTYPE x\";\n";
        assert_eq!(lines("server/src/commands/string.rs", text), [3, 5]);
        assert_eq!(lines("server/src/error.rs", text), Vec::<usize>::new());
        assert_eq!(lines("cli/src/main.rs", text), Vec::<usize>::new());
        assert_eq!(lines("server/src/commands/string_tests.rs", text), Vec::<usize>::new());
        let in_test = "//! A.\n#[cfg(test)]\nmod tests {\n    const A: &str = \"ERR x\";\n}\n";
        assert_eq!(lines("server/src/a.rs", in_test), Vec::<usize>::new());
        assert_eq!(lines("server/src/a.rs", "//! A.\nconst A: &str = \"ERROR x\";\n"), Vec::<usize>::new());
    }

    #[test]
    fn paths_and_hosts_of_a_machine_fail() {
        let path = format!("see /{}/x\n", "root");
        let host = format!("https://{}.{}/x\n", "pypi", "org");
        assert_eq!(check_text(&path).len(), 1);
        assert_eq!(check_text(&host).len(), 1);
        assert_eq!(check_text("tests/tmp/x ./tmp/y target/root/z\n"), []);
    }
}
