//! The arguments of a command as a tree, read from the line of syntax that its specification holds.

use super::{Begin, CommandSpec};

/// What an argument is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentKind {
    /// Any bytes.
    String,
    /// A signed integer.
    Integer,
    /// A floating-point number.
    Double,
    /// The name of a key.
    Key,
    /// A glob-style pattern.
    Pattern,
    /// A point in Unix time.
    UnixTime,
    /// A word that stands for itself.
    PureToken,
    /// Exactly one of its children.
    OneOf,
    /// All its children.
    Block,
}

impl ArgumentKind {
    /// The name that COMMAND DOCS has for it.
    pub fn name(self) -> &'static str {
        match self {
            ArgumentKind::String => "string",
            ArgumentKind::Integer => "integer",
            ArgumentKind::Double => "double",
            ArgumentKind::Key => "key",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::UnixTime => "unix-time",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Block => "block",
        }
    }
}

/// One argument, or a group of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument {
    /// Its name; of a group, made from those of its children.
    pub name: String,
    /// What it is.
    pub kind: ArgumentKind,
    /// The word before it.
    pub token: Option<String>,
    /// It may be missing.
    pub optional: bool,
    /// It may come several times.
    pub multiple: bool,
    /// Its token comes with each of these times.
    pub multiple_token: bool,
    /// Of a key, or a pattern that leads to keys: which key specification of the command finds it.
    pub key_spec: Option<usize>,
    /// Of a group: its members.
    pub children: Vec<Argument>,
}

/// The arguments of a command, in order. Brackets that are not closed end with the line.
pub fn arguments(spec: &CommandSpec) -> Vec<Argument> {
    let mut words = split(spec.syntax).into_iter().peekable();
    let line = alternatives(&mut words).into_iter().next().unwrap_or_default();
    let mut arguments = sequence(&line);
    settle_kinds(spec, &mut arguments, &mut 0);
    arguments
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Word(String),
    /// `[a|b]`
    Optional(Vec<Vec<Node>>),
    /// `<a|b>`
    Choice(Vec<Vec<Node>>),
    /// `a [a ...]`
    Repeated(Vec<Node>),
    /// `...`
    Ellipsis,
}

fn split(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in line.split_ascii_whitespace() {
        let mut word = String::new();
        for letter in part.chars() {
            if "[]<>|".contains(letter) {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
                words.push(letter.to_string());
            } else {
                word.push(letter);
            }
        }
        words.extend((!word.is_empty()).then_some(word));
    }
    words
}

/// Reads up to the closing bracket, or to the end.
fn alternatives(words: &mut std::iter::Peekable<std::vec::IntoIter<String>>) -> Vec<Vec<Node>> {
    let mut all = vec![Vec::new()];
    while let Some(word) = words.next() {
        let node = match word.as_str() {
            "]" | ">" => break,
            "|" => {
                all.push(Vec::new());
                continue;
            }
            "[" => Node::Optional(alternatives(words)),
            "<" => Node::Choice(alternatives(words)),
            "..." => Node::Ellipsis,
            _ => Node::Word(word),
        };
        if let Some(last) = all.last_mut() {
            push(last, node);
        }
    }
    all
}

/// Appends a node; `[a ...]` behind an `a` makes that one repeated.
fn push(nodes: &mut Vec<Node>, node: Node) {
    let repeated = match &node {
        Node::Optional(alternatives) => match alternatives.as_slice() {
            [alternative] => alternative.strip_suffix(&[Node::Ellipsis]).map(<[Node]>::to_vec),
            _ => None,
        },
        Node::Ellipsis if nodes.last().is_some_and(|last| matches!(last, Node::Choice(_))) => {
            nodes.last().cloned().map(|last| vec![last])
        }
        _ => None,
    };
    match repeated {
        Some(content) if nodes.ends_with(&content) => {
            nodes.truncate(nodes.len() - content.len());
            nodes.push(Node::Repeated(content));
        }
        _ => nodes.push(node),
    }
}

fn sequence(nodes: &[Node]) -> Vec<Argument> {
    let mut arguments = Vec::new();
    let mut rest = nodes;
    while let Some((node, behind)) = rest.split_first() {
        rest = behind;
        match node {
            Node::Word(word) if is_token(word) => {
                let mut token = word.clone();
                while let Some((Node::Word(word), behind)) = rest.split_first() {
                    if !is_token(word) {
                        break;
                    }
                    token = format!("{token} {word}");
                    rest = behind;
                }
                let end = rest.iter().position(|node| match node {
                    Node::Word(word) => is_token(word),
                    Node::Optional(_) | Node::Ellipsis => true,
                    Node::Choice(_) | Node::Repeated(_) => false,
                });
                let (own, behind) = rest.split_at(end.unwrap_or(rest.len()));
                rest = behind;
                arguments.push(with_token(token, sequence(own)));
            }
            Node::Word(word) => arguments.push(Argument::leaf(word)),
            Node::Choice(alternatives) => arguments.push(choice(alternatives)),
            Node::Optional(alternatives) => arguments.push(Argument { optional: true, ..choice(alternatives) }),
            Node::Repeated(content) => {
                let argument = group(sequence(content));
                let multiple_token = argument.token.is_some();
                arguments.push(Argument { multiple: true, multiple_token, ..argument });
            }
            Node::Ellipsis => {
                if let Some(last) = arguments.last_mut() {
                    last.multiple = true;
                }
            }
        }
    }
    arguments
}

fn choice(alternatives: &[Vec<Node>]) -> Argument {
    let mut members: Vec<Argument> = alternatives.iter().map(|nodes| group(sequence(nodes))).collect();
    if members.len() == 1 {
        return members.remove(0);
    }
    let name = join_names(&members);
    Argument { name, kind: ArgumentKind::OneOf, children: members, ..Argument::leaf("") }
}

/// One argument for all of them.
fn group(mut members: Vec<Argument>) -> Argument {
    if members.len() == 1 {
        return members.remove(0);
    }
    let name = join_names(&members);
    Argument { name, kind: ArgumentKind::Block, children: members, ..Argument::leaf("") }
}

fn with_token(token: String, mut arguments: Vec<Argument>) -> Argument {
    let name = token.to_ascii_lowercase().replace(' ', "-");
    match arguments.len() {
        0 => {
            // Quotes stand for an empty word.
            let token = if token == "\"\"" { String::new() } else { token };
            Argument { name, kind: ArgumentKind::PureToken, token: Some(token), ..Argument::leaf("") }
        }
        1 => Argument { token: Some(token), ..arguments.remove(0) },
        _ => Argument { name, token: Some(token), ..group(arguments) },
    }
}

fn join_names(members: &[Argument]) -> String {
    let names: Vec<&str> = members.iter().take(3).map(|member| member.name.as_str()).collect();
    names.join("-")
}

fn is_token(word: &str) -> bool {
    if matches!(word, "=" | "~" | "*" | "$" | "\"\"") {
        return true;
    }
    word.bytes().any(|byte| byte.is_ascii_uppercase()) && !word.bytes().any(|byte| byte.is_ascii_lowercase())
}

impl Argument {
    fn leaf(name: &str) -> Argument {
        Argument {
            name: name.to_owned(),
            kind: ArgumentKind::String,
            token: None,
            optional: false,
            multiple: false,
            multiple_token: false,
            key_spec: None,
            children: Vec::new(),
        }
    }
}

/// Finds out what the leaves are. Gives each key its specification: one each in order, the last one for those left.
fn settle_kinds(spec: &CommandSpec, arguments: &mut [Argument], next_key: &mut usize) {
    for argument in arguments {
        settle_kinds(spec, &mut argument.children, next_key);
        if argument.kind == ArgumentKind::String {
            argument.kind = kind_of(spec.name, &argument.name);
        }
        if argument.kind == ArgumentKind::PureToken {
            argument.name = name_of(spec.name, std::mem::take(&mut argument.name));
        }
        if argument.kind == ArgumentKind::Pattern {
            // A pattern may lead to keys that only the handler knows.
            argument.key_spec = spec.keys.iter().position(|keys| keys.begin == Begin::Unknown);
            *next_key = argument.key_spec.map_or(*next_key, |number| number + 1);
        }
        if argument.kind == ArgumentKind::Key {
            match spec.keys.len().checked_sub(1) {
                Some(last) => argument.key_spec = Some((*next_key).min(last)),
                None => argument.kind = ArgumentKind::String,
            }
            *next_key += 1;
        }
    }
}

/// The name of a word that is not called as it is written.
fn name_of(command: &str, name: String) -> String {
    match (command, name.as_str()) {
        ("zadd" | "geoadd", "ch") => "change".to_owned(),
        ("zadd", "incr") => "increment".to_owned(),
        ("sort" | "sort_ro", "alpha") => "sorting".to_owned(),
        (_, "\"\"") => "empty-string".to_owned(),
        (_, "=") => "equal".to_owned(),
        (_, "~") => "approximately".to_owned(),
        (_, "*") => "auto-id".to_owned(),
        (_, "$") => "new-id".to_owned(),
        _ => name,
    }
}

/// What an argument of that name is, in nearly every command.
fn kind_of(command: &str, name: &str) -> ArgumentKind {
    match (command, name) {
        ("incrbyfloat" | "hincrbyfloat", "increment") => ArgumentKind::Double,
        ("zadd", "score") => ArgumentKind::Double,
        (blocking, "timeout") if blocking.starts_with('b') => ArgumentKind::Double,
        ("zcount" | "zrangebyscore" | "zrevrangebyscore" | "zremrangebyscore", "min" | "max") => ArgumentKind::Double,
        (_, "longitude" | "latitude" | "radius" | "width" | "height") => ArgumentKind::Double,
        ("zrange", "start" | "stop") => ArgumentKind::String,
        ("xrange" | "xrevrange" | "xpending", "start" | "end") => ArgumentKind::String,
        ("xautoclaim", "start") => ArgumentKind::String,
        ("xpending", "min-idle-time") | ("xclaim", "ms") => ArgumentKind::Integer,
        (_, "entries-read" | "entries-added" | "numids") => ArgumentKind::Integer,
        (_, "dst" | "src") => ArgumentKind::Key,
        (_, "weight" | "num-vertices") | ("zintercard", "limit") => ArgumentKind::Integer,
        ("lpos", "rank" | "num-matches" | "len") => ArgumentKind::Integer,
        ("setbit" | "bitfield", "value") => ArgumentKind::Integer,
        (_, "key" | "key1" | "key2" | "newkey" | "source" | "destination" | "destkey" | "sourcekey") => {
            ArgumentKind::Key
        }
        (_, "pattern") => ArgumentKind::Pattern,
        ("hexpireat" | "hpexpireat", "unix-time-seconds" | "unix-time-milliseconds") => ArgumentKind::Integer,
        (_, "unix-time-seconds" | "unix-time-milliseconds") => ArgumentKind::UnixTime,
        (
            _,
            "seconds" | "ttl" | "frequency" | "milliseconds" | "offset" | "start" | "end" | "stop" | "count" | "index"
            | "index1" | "index2" | "cursor" | "numkeys" | "numfields" | "db" | "not-db" | "destination-db"
            | "increment" | "decrement" | "bit" | "min-match-len" | "protover" | "timeout" | "client-id" | "bits"
            | "not-client-id" | "maxage" | "idle" | "samples" | "version" | "limit" | "port" | "numreplicas"
            | "numlocal" | "slot" | "start-slot" | "end-slot" | "cluster-bus-port" | "config-epoch",
        ) => ArgumentKind::Integer,
        _ => ArgumentKind::String,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{KeyFlags, KeySpec};

    /// One line of text for a tree.
    fn shown(arguments: &[Argument]) -> String {
        let one = |argument: &Argument| {
            let token = argument.token.as_ref().map(|token| format!("{token}:")).unwrap_or_default();
            let key = argument.key_spec.map(|number| format!("#{number}")).unwrap_or_default();
            let signs = [(argument.optional, "?"), (argument.multiple, "*"), (argument.multiple_token, "+")];
            let signs: String = signs.iter().filter_map(|(set, sign)| set.then_some(*sign)).collect();
            let children = match argument.children.as_slice() {
                [] => argument.name.clone(),
                children => format!("({})", shown(children)),
            };
            format!("{}/{token}{children}{key}{signs}", argument.kind.name())
        };
        arguments.iter().map(one).collect::<Vec<_>>().join(" ")
    }

    // Shapes that COMMAND DOCS of Valkey 9.1 has for these lines.
    #[test]
    fn trees() {
        const KEYS: &[KeySpec] = &[KeySpec::one(1, KeyFlags::RO), KeySpec::one(2, KeyFlags::RW)];
        for (syntax, tree) in [
            ("", ""),
            ("key value", "key/key#0 string/value"),
            ("key [key ...]", "key/key#0*"),
            ("[section [section ...]]", "string/section?*"),
            ("source destination [DB destination-db]", "key/source#0 key/destination#1 integer/DB:destination-db?"),
            ("key value [key value ...]", "block/(key/key#0 string/value)*"),
            (
                "key [NX|XX] [EX seconds|KEEPTTL]",
                "key/key#0 oneof/(pure-token/NX:nx pure-token/XX:xx)? oneof/(integer/EX:seconds pure-token/KEEPTTL:keepttl)?",
            ),
            (
                "[start [end [BYTE|BIT]]]",
                "block/(integer/start block/(integer/end oneof/(pure-token/BYTE:byte pure-token/BIT:bit)?)?)?",
            ),
            ("[GET encoding offset [GET encoding offset ...]]", "block/GET:(string/encoding integer/offset)?*+"),
            (
                "[AUTH username password] [SETNAME name]",
                "block/AUTH:(string/username string/password)? string/SETNAME:name?",
            ),
            ("[<A a|<B|C>> ...]", "oneof/(string/A:a oneof/(pure-token/B:b pure-token/C:c))?*"),
            ("<NO ONE|host port>", "oneof/(pure-token/NO ONE:no-one block/(string/host integer/port))"),
            ("[ID client-id [client-id ...]]", "integer/ID:client-id?*"),
        ] {
            let spec = CommandSpec { syntax, keys: KEYS, ..CommandSpec::BASE };
            assert_eq!(shown(&arguments(&spec)), tree, "{syntax}");
        }
    }

    #[test]
    fn any_text_is_read() {
        for syntax in ["]", "<", "[[", "|", "a|b", "...", "[...]", "> > x", "[a ...] [b"] {
            arguments(&CommandSpec { syntax, ..CommandSpec::BASE });
        }
    }
}
