//! Replies as text, byte for byte as `redis-cli` prints them.

use ochre_resp::Value;
use ochre_resp::split::quote;

use crate::escape::{json_string, quoted_json};

/// How replies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// For people: types are named, strings quoted, elements numbered.
    Tty,
    /// The bytes themselves, elements separated by a delimiter.
    Raw,
    /// One line of comma-separated values.
    Csv,
    /// JSON, bytes passed through.
    Json,
    /// JSON, whose strings hold the quoted form of `Tty`, in ASCII.
    QuotedJson,
}

/// What separates things in the raw style.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiters {
    /// Between the elements of an aggregate.
    pub element: Vec<u8>,
    /// After each reply.
    pub reply: Vec<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self { element: b"\n".to_vec(), reply: b"\n".to_vec() }
    }
}

/// The whole text of a reply in `style`, its end included.
#[must_use]
pub fn format_reply(value: &Value, style: Style, delimiters: &Delimiters) -> Vec<u8> {
    let mut out = Vec::new();
    match style {
        Style::Tty => tty(&mut out, value, ""),
        Style::Raw => {
            raw(&mut out, value, &delimiters.element);
            out.extend_from_slice(&delimiters.reply);
        }
        Style::Csv => {
            csv(&mut out, value);
            out.push(b'\n');
        }
        Style::Json => {
            json(&mut out, value, json_string);
            out.push(b'\n');
        }
        Style::QuotedJson => {
            json(&mut out, value, quoted_json);
            out.push(b'\n');
        }
    }
    out
}

/// The bytes of a reply without anything after it: how texts like that of INFO are shown in every style.
#[must_use]
pub fn format_verbatim(value: &Value, delimiters: &Delimiters) -> Vec<u8> {
    let mut out = Vec::new();
    raw(&mut out, value, &delimiters.element);
    out
}

/// The text for an out-of-band message: in the style for people, keys that became invalid take one line.
#[must_use]
pub fn format_push(value: &Value, style: Style, delimiters: &Delimiters) -> Vec<u8> {
    match invalidated_keys(value) {
        Some(keys) if style == Style::Tty => {
            let quoted: Vec<Vec<u8>> = keys.iter().map(|key| [b"'", *key, b"'"].concat()).collect();
            [b"-> invalidate: ", quoted.join(&b", "[..]).as_slice(), b"\n"].concat()
        }
        _ => format_reply(value, style, delimiters),
    }
}

fn invalidated_keys(value: &Value) -> Option<Vec<&[u8]>> {
    let Value::Push(elements) = value else { return None };
    let [Value::Bulk(kind), Value::Array(keys)] = elements.as_slice() else { return None };
    if !kind.starts_with(b"invalidate") {
        return None;
    }
    keys.iter()
        .map(|key| match key {
            Value::Bulk(key) => Some(key.as_slice()),
            _ => None,
        })
        .collect()
}

/// One line of the style for people, and more for aggregates; `indent` is what each further line begins with.
fn tty(out: &mut Vec<u8>, value: &Value, indent: &str) {
    match value {
        Value::Error(text) => line(out, &[b"(error) ", text]),
        Value::Simple(text) | Value::Verbatim { text, .. } => line(out, &[text]),
        Value::Int(number) => line(out, &[b"(integer) ", number.to_string().as_bytes()]),
        Value::Double(number) => line(out, &[b"(double) ", number]),
        Value::BigNumber(digits) => line(out, &[b"(big number) ", digits]),
        Value::Bulk(bytes) => {
            quote(out, bytes);
            out.push(b'\n');
        }
        Value::Null | Value::NullArray => line(out, &[b"(nil)"]),
        Value::Bool(truth) => line(out, &[if *truth { b"(true)" } else { b"(false)" }]),
        Value::Array(elements) => tty_elements(out, elements, b')', b"(empty array)", indent),
        Value::Set(elements) => tty_elements(out, elements, b'~', b"(empty set)", indent),
        Value::Push(elements) => tty_elements(out, elements, b')', b"(empty push)", indent),
        Value::Map(pairs) => tty_map(out, pairs, indent),
        Value::Attribute { value, .. } => tty(out, value, indent),
    }
}

fn line(out: &mut Vec<u8>, parts: &[&[u8]]) {
    for part in parts {
        out.extend_from_slice(part);
    }
    out.push(b'\n');
}

fn tty_elements(out: &mut Vec<u8>, elements: &[Value], mark: u8, empty: &[u8], indent: &str) {
    if elements.is_empty() {
        return line(out, &[empty]);
    }
    let numbering = Numbering::new(elements.len(), mark, indent);
    for (index, element) in elements.iter().enumerate() {
        numbering.write(out, index);
        tty(out, element, &numbering.inner_indent);
    }
}

fn tty_map(out: &mut Vec<u8>, pairs: &[(Value, Value)], indent: &str) {
    if pairs.is_empty() {
        return line(out, &[b"(empty hash)"]);
    }
    let numbering = Numbering::new(pairs.len(), b'#', indent);
    for (index, (key, value)) in pairs.iter().enumerate() {
        numbering.write(out, index);
        tty(out, key, &numbering.inner_indent);
        out.pop();
        out.extend_from_slice(b" => ");
        if is_multiline(value) {
            out.push(b'\n');
            out.extend_from_slice(numbering.inner_indent.as_bytes());
        }
        tty(out, value, &numbering.inner_indent);
    }
}

/// The numbers before elements, right-aligned to the widest.
struct Numbering<'a> {
    width: usize,
    mark: char,
    indent: &'a str,
    inner_indent: String,
}

impl<'a> Numbering<'a> {
    fn new(count: usize, mark: u8, indent: &'a str) -> Self {
        let width = count.to_string().len();
        Self { width, mark: char::from(mark), indent, inner_indent: format!("{indent}{:1$}", "", width + 2) }
    }

    fn write(&self, out: &mut Vec<u8>, index: usize) {
        // Whoever wrote the line's beginning has already indented the first element.
        let indent = if index == 0 { "" } else { self.indent };
        out.extend_from_slice(format!("{indent}{:>width$}{} ", index + 1, self.mark, width = self.width).as_bytes());
    }
}

/// Whether the style for people takes more than one line.
fn is_multiline(value: &Value) -> bool {
    match value {
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => match elements.as_slice() {
            [] => false,
            [only] => is_multiline(only),
            _ => true,
        },
        Value::Map(pairs) => match pairs.as_slice() {
            [] => false,
            [(_, only)] => is_multiline(only),
            _ => true,
        },
        Value::Attribute { value, .. } => is_multiline(value),
        _ => false,
    }
}

fn raw(out: &mut Vec<u8>, value: &Value, delimiter: &[u8]) {
    match value {
        Value::Null | Value::NullArray => {}
        Value::Error(text) => line(out, &[text]),
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim { text, .. } => out.extend_from_slice(text),
        Value::Double(digits) | Value::BigNumber(digits) => out.extend_from_slice(digits),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"(true)" } else { b"(false)" }),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            separated(out, elements, delimiter, |out, element| raw(out, element, delimiter));
        }
        Value::Map(pairs) => separated(out, pairs, delimiter, |out, (key, value)| {
            raw(out, key, delimiter);
            out.push(b' ');
            raw(out, value, delimiter);
        }),
        Value::Attribute { value, .. } => raw(out, value, delimiter),
    }
}

fn csv(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"ERROR,");
            quote(out, text);
        }
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim { text, .. } => quote(out, text),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(digits) | Value::BigNumber(digits) => out.extend_from_slice(digits),
        Value::Null | Value::NullArray => out.extend_from_slice(b"NULL"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            separated(out, elements, b",", csv);
        }
        Value::Map(pairs) => separated(out, pairs, b",", |out, (key, value)| {
            csv(out, key);
            out.push(b',');
            csv(out, value);
        }),
        Value::Attribute { value, .. } => csv(out, value),
    }
}

/// How a string is written in JSON.
type JsonString = fn(&mut Vec<u8>, &[u8]);

fn json(out: &mut Vec<u8>, value: &Value, string: JsonString) {
    match value {
        Value::Error(text) => {
            out.extend_from_slice(b"error:");
            string(out, text);
        }
        Value::Simple(text) | Value::Bulk(text) | Value::Verbatim { text, .. } => string(out, text),
        Value::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::Double(digits) | Value::BigNumber(digits) => out.extend_from_slice(digits),
        Value::Null | Value::NullArray => out.extend_from_slice(b"null"),
        Value::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => {
            out.push(b'[');
            separated(out, elements, b",", |out, element| json(out, element, string));
            out.push(b']');
        }
        Value::Map(pairs) => {
            out.push(b'{');
            separated(out, pairs, b",", |out, (key, value)| {
                json_key(out, key, string);
                out.push(b':');
                json(out, value, string);
            });
            out.push(b'}');
        }
        Value::Attribute { value, .. } => json(out, value, string),
    }
}

/// JSON wants strings as keys: other values are put between quotes.
fn json_key(out: &mut Vec<u8>, key: &Value, string: JsonString) {
    let is_text = matches!(key, Value::Error(_) | Value::Simple(_) | Value::Bulk(_) | Value::Verbatim { .. });
    let quote: &[u8] = if is_text { b"" } else { b"\"" };
    out.extend_from_slice(quote);
    json(out, key, string);
    out.extend_from_slice(quote);
}

fn separated<T>(out: &mut Vec<u8>, items: &[T], separator: &[u8], mut write: impl FnMut(&mut Vec<u8>, &T)) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(separator);
        }
        write(out, item);
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
