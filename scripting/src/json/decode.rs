//! JSON to Lua values.

use super::options::Options;
use crate::args::Args;
use mlua::{Lua, LuaString, Result, Table, Value};

/// Tables in each other beyond which Lua's stack would be full, whatever the option says.
const DEPTH_MAX: usize = 2600;

pub(super) fn decode(args: &Args<'_>, options: &Options) -> Result<Value> {
    if args.len() != 1 {
        return args.bad(0, "expected 1 argument");
    }
    let text = args.string(0)?;
    let text = text.as_bytes();
    if text.len() >= 2 && text.iter().take(2).any(|&byte| byte == 0) {
        return args.fail("JSON parser does not support UTF-16 or UTF-32");
    }
    let mut parser = Parser { args, options, text: &text, at: 0, string: Vec::new() };
    let value = parser.value()?;
    match parser.token() {
        (Token::End, _) => Ok(value),
        (token, at) => parser.unexpected("the end", &token, at),
    }
}

enum Token {
    ObjectBegin,
    ObjectEnd,
    ArrayBegin,
    ArrayEnd,
    /// Its content is in `Parser::string`.
    String,
    Number(f64),
    Boolean(bool),
    Null,
    Colon,
    Comma,
    End,
    Error(&'static str),
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::ObjectBegin => "T_OBJ_BEGIN",
            Token::ObjectEnd => "T_OBJ_END",
            Token::ArrayBegin => "T_ARR_BEGIN",
            Token::ArrayEnd => "T_ARR_END",
            Token::String => "T_STRING",
            Token::Number(_) => "T_NUMBER",
            Token::Boolean(_) => "T_BOOLEAN",
            Token::Null => "T_NULL",
            Token::Colon => "T_COLON",
            Token::Comma => "T_COMMA",
            Token::End => "T_END",
            Token::Error(text) => text,
        }
    }
}

/// A table that is being read.
struct Open {
    table: Table,
    /// The key that waits for its value.
    key: Option<LuaString>,
    is_object: bool,
    next: usize,
}

struct Parser<'a, 'l> {
    args: &'a Args<'l>,
    options: &'a Options,
    text: &'a [u8],
    at: usize,
    string: Vec<u8>,
}

impl Parser<'_, '_> {
    fn lua(&self) -> &Lua {
        self.args.lua
    }

    /// A value with all that is in it. Tables lie on a stack of their own, so that depth costs no native stack.
    fn value(&mut self) -> Result<Value> {
        let mut open: Vec<Open> = Vec::new();
        let (mut token, mut at) = self.token();
        loop {
            let mut value = match token {
                Token::String => Value::String(self.lua().create_string(&self.string)?),
                Token::Number(number) => Value::Number(number),
                Token::Boolean(value) => Value::Boolean(value),
                // Lua's tables hold no nil.
                Token::Null => Value::NULL,
                Token::ObjectBegin | Token::ArrayBegin => {
                    let is_object = matches!(token, Token::ObjectBegin);
                    self.descend(open.len() + 1)?;
                    let mut table = Open { table: self.lua().create_table()?, key: None, is_object, next: 1 };
                    (token, at) = self.token();
                    match token {
                        Token::ObjectEnd if is_object => Value::Table(table.table),
                        Token::ArrayEnd if !is_object => Value::Table(table.table),
                        _ => {
                            if is_object {
                                (token, at) = self.key(&mut table, token, at)?;
                            }
                            open.push(table);
                            continue;
                        }
                    }
                }
                other => return self.unexpected("value", &other, at),
            };
            // The value goes where it belongs, and what is complete with it too.
            loop {
                let Some(last) = open.last_mut() else { return Ok(value) };
                match last.key.take() {
                    Some(key) => last.table.raw_set(key, value)?,
                    None => last.table.raw_set(last.next, value)?,
                }
                last.next += 1;
                (token, at) = self.token();
                match (&token, last.is_object) {
                    (Token::ObjectEnd, true) | (Token::ArrayEnd, false) => {
                        value = match open.pop() {
                            Some(done) => Value::Table(done.table),
                            None => Value::Nil,
                        };
                    }
                    (Token::Comma, is_object) => {
                        (token, at) = self.token();
                        if is_object {
                            (token, at) = self.key(last, token, at)?;
                        }
                        break;
                    }
                    (_, true) => return self.unexpected("comma or object end", &token, at),
                    (_, false) => return self.unexpected("comma or array end", &token, at),
                }
            }
        }
    }

    fn descend(&self, depth: usize) -> Result<()> {
        if depth > self.options.decode_depth().min(DEPTH_MAX) {
            let at = self.at;
            return self.args.fail(format!("Found too many nested data structures ({depth}) at character {at}"));
        }
        Ok(())
    }

    /// Takes a key, whose token is given, and its colon; returns the token that follows.
    fn key(&mut self, open: &mut Open, token: Token, at: usize) -> Result<(Token, usize)> {
        if !matches!(token, Token::String) {
            return self.unexpected("object key string", &token, at);
        }
        open.key = Some(self.lua().create_string(&self.string)?);
        match self.token() {
            (Token::Colon, _) => Ok(self.token()),
            (token, at) => self.unexpected("colon", &token, at),
        }
    }

    fn unexpected<T>(&self, expected: &str, found: &Token, at: usize) -> Result<T> {
        let (found, at) = (found.name(), at + 1);
        self.args.fail(format!("Expected {expected} but found {found} at character {at}"))
    }

    /// The byte there; 0 behind the end, as in C.
    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    /// The next token and where it begins, or where it is wrong.
    fn token(&mut self) -> (Token, usize) {
        while matches!(self.byte(self.at), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
        let begin = self.at;
        let single = match self.byte(begin) {
            b'{' => Token::ObjectBegin,
            b'}' => Token::ObjectEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b':' => Token::Colon,
            0 => return (Token::End, begin),
            b'"' => return self.string_token(begin),
            _ => return self.word(begin),
        };
        self.at += 1;
        (single, begin)
    }

    /// A number or a literal.
    fn word(&mut self, begin: usize) -> (Token, usize) {
        let rest = self.text.get(begin..).unwrap_or_default();
        let lax = self.options.decode_invalid();
        match self.byte(begin) {
            b'-' | b'0'..=b'9' if !lax && is_no_json_number(rest) => return (Token::Error("invalid number"), begin),
            b'-' | b'0'..=b'9' => return self.number(begin),
            b'f' | b'i' | b'I' | b'n' | b'N' | b't' | b'+' => {}
            _ => return (Token::Error("invalid token"), begin),
        }
        for (word, token) in [("true", Token::Boolean(true)), ("false", Token::Boolean(false)), ("null", Token::Null)] {
            if rest.starts_with(word.as_bytes()) {
                self.at += word.len();
                return (token, begin);
            }
        }
        if lax && is_no_json_number(rest) { self.number(begin) } else { (Token::Error("invalid token"), begin) }
    }

    fn number(&mut self, begin: usize) -> (Token, usize) {
        match number_prefix(self.text.get(begin..).unwrap_or_default()) {
            Some((number, len)) => {
                self.at += len;
                (Token::Number(number), begin)
            }
            None => (Token::Error("invalid number"), begin),
        }
    }

    fn string_token(&mut self, begin: usize) -> (Token, usize) {
        self.at += 1;
        self.string.clear();
        loop {
            let byte = self.byte(self.at);
            match byte {
                b'"' => {
                    self.at += 1;
                    return (Token::String, begin);
                }
                0 => return (Token::Error("unexpected end of string"), self.at),
                b'\\' => {
                    let plain = match self.byte(self.at + 1) {
                        escaped @ (b'"' | b'\\' | b'/') => escaped,
                        b'b' => 8,
                        b't' => b'\t',
                        b'n' => b'\n',
                        b'f' => 12,
                        b'r' => b'\r',
                        b'u' => match self.unicode() {
                            Some(len) => {
                                self.at += len;
                                continue;
                            }
                            None => return (Token::Error("invalid unicode escape code"), self.at),
                        },
                        _ => return (Token::Error("invalid escape code"), self.at),
                    };
                    self.string.push(plain);
                    self.at += 2;
                }
                _ => {
                    self.string.push(byte);
                    self.at += 1;
                }
            }
        }
    }

    /// Takes `\u` with four hexadecimal digits, or two of these that are one character; how many bytes they are.
    fn unicode(&mut self) -> Option<usize> {
        let first = self.hex4(self.at + 2)?;
        let (code, len) = if first & 0xf800 == 0xd800 {
            let is_pair = first & 0x400 == 0 && self.byte(self.at + 6) == b'\\' && self.byte(self.at + 7) == b'u';
            let second = self.hex4(self.at + 8).filter(|second| is_pair && second & 0xfc00 == 0xdc00)?;
            (((first & 0x3ff) << 10 | second & 0x3ff) + 0x1_0000, 12)
        } else {
            (first, 6)
        };
        let mut utf8 = [0; 4];
        self.string.extend_from_slice(char::from_u32(code)?.encode_utf8(&mut utf8).as_bytes());
        Some(len)
    }

    fn hex4(&self, at: usize) -> Option<u32> {
        (0..4).try_fold(0, |code, digit| Some(code << 4 | char::from(self.byte(at + digit)).to_digit(16)?))
    }
}

/// Whether this is a number that C reads but JSON does not have.
fn is_no_json_number(text: &[u8]) -> bool {
    let unsigned = text.strip_prefix(b"-").unwrap_or(text);
    let begins = |word: &[u8]| unsigned.get(..3).is_some_and(|head| head.eq_ignore_ascii_case(word));
    match unsigned {
        _ if text.first() == Some(&b'+') => true,
        [b'0', b'x' | b'X' | b'0'..=b'9', ..] => true,
        _ => begins(b"inf") || begins(b"nan"),
    }
}

/// The number that `text` begins with, as C's `strtod` reads it, and its length.
fn number_prefix(text: &[u8]) -> Option<(f64, usize)> {
    let (negative, start) = match text.first()? {
        b'-' => (true, 1),
        b'+' => (false, 1),
        _ => (false, 0),
    };
    let rest = text.get(start..)?;
    let begins = |word: &[u8]| rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let (number, len) = if begins(b"infinity") {
        (f64::INFINITY, 8)
    } else if begins(b"inf") {
        (f64::INFINITY, 3)
    } else if begins(b"nan") {
        (f64::NAN, 3)
    } else if begins(b"0x") && rest.get(2).is_some_and(u8::is_ascii_hexdigit) {
        hexadecimal(rest)
    } else {
        decimal(rest)?
    };
    Some((if negative { -number } else { number }, start + len))
}

fn digits(text: &[u8], from: usize, is_digit: impl Fn(&u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| is_digit(byte)).count()
}

/// The length of an exponent at `at`: a letter, perhaps a sign, digits; 0: there is none.
fn exponent_len(text: &[u8], at: usize, letter: u8) -> usize {
    if !text.get(at).is_some_and(|byte| byte.eq_ignore_ascii_case(&letter)) {
        return 0;
    }
    let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
    match digits(text, at + 1 + sign, u8::is_ascii_digit) {
        0 => 0,
        count => 1 + sign + count,
    }
}

fn decimal(text: &[u8]) -> Option<(f64, usize)> {
    let whole = digits(text, 0, u8::is_ascii_digit);
    let mut len = whole;
    if text.get(whole) == Some(&b'.') {
        let fraction = digits(text, whole + 1, u8::is_ascii_digit);
        if whole + fraction > 0 {
            len += 1 + fraction;
        }
    }
    if len == 0 {
        return None;
    }
    len += exponent_len(text, len, b'e');
    let number = std::str::from_utf8(text.get(..len)?).ok()?.parse().ok()?;
    Some((number, len))
}

fn hexadecimal(text: &[u8]) -> (f64, usize) {
    let (mut mantissa, mut at, mut scale) = (0.0f64, 2, 0i32);
    let mut in_fraction = false;
    while let Some(&byte) = text.get(at) {
        match char::from(byte).to_digit(16) {
            Some(digit) => {
                mantissa = mantissa * 16.0 + f64::from(digit);
                scale -= if in_fraction { 4 } else { 0 };
            }
            None if byte == b'.' && !in_fraction => in_fraction = true,
            None => break,
        }
        at += 1;
    }
    let exponent = exponent_len(text, at, b'p');
    if exponent > 0 {
        let power = text.get(at + 1..at + exponent).and_then(|power| std::str::from_utf8(power).ok());
        scale = scale.saturating_add(power.and_then(|power| power.parse().ok()).unwrap_or(i32::MAX / 2));
    }
    (mantissa * 2f64.powi(scale), at + exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_strtod_does() {
        for (text, number, len) in [
            ("0.3e-3,", 0.3e-3, 6),
            ("-5e3]", -5000.0, 4),
            ("1e", 1.0, 1),
            ("1.5.2", 1.5, 3),
            ("0x1F", 31.0, 4),
            ("0x.8", 0.0, 1),
            ("0x1p4", 16.0, 5),
            ("-inf", f64::NEG_INFINITY, 4),
            ("Infinity", f64::INFINITY, 8),
        ] {
            assert_eq!(number_prefix(text.as_bytes()), Some((number, len)), "{text}");
        }
        assert_eq!(number_prefix(b"-"), None);
    }
}
