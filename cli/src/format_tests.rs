//! Expectations are what redis-cli 7.0.15 printed for the same replies of a real server.

use super::*;

fn bulk(text: &[u8]) -> Value {
    Value::Bulk(text.to_vec())
}

fn shown(value: &Value, style: Style) -> String {
    format_reply(value, style, &Delimiters::default()).escape_ascii().to_string()
}
