//! A reply as an owned tree.

/// One reply, of either protocol version. Text is bytes: nothing promises UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `+OK`
    Simple(Vec<u8>),
    /// `-ERR …`, without the dash; also RESP3's errors in bulk form.
    Error(Vec<u8>),
    /// `:1`
    Int(i64),
    /// `$3`
    Bulk(Vec<u8>),
    /// `$-1` or RESP3's `_`.
    Null,
    /// `*-1`
    NullArray,
    /// `*2`
    Array(Vec<Value>),
    /// `%1`, the pairs in the order they came.
    Map(Vec<(Value, Value)>),
    /// `~2`, the elements in the order they came.
    Set(Vec<Value>),
    /// `>2`: a message that answers no request.
    Push(Vec<Value>),
    /// `,3.1`, as the server wrote it; it was checked to be a number, `inf`, `-inf` or `nan`.
    Double(Vec<u8>),
    /// `#t`, `#f`
    Bool(bool),
    /// `=7`: text with its format, such as `txt`.
    Verbatim {
        /// Three bytes.
        format: [u8; 3],
        /// The text behind the format and colon.
        text: Vec<u8>,
    },
    /// `(123`: an integer of any length, checked to be one.
    BigNumber(Vec<u8>),
    /// `|1`: attributes, and the reply they belong to.
    Attribute {
        /// Names and values, in the order they came.
        pairs: Vec<(Value, Value)>,
        /// The reply.
        value: Box<Value>,
    },
}

impl Value {
    /// The same reply without its attributes, if it is one with attributes.
    pub fn without_attributes(self) -> Self {
        let mut value = self;
        while let Self::Attribute { value: inner, .. } = value {
            value = *inner;
        }
        value
    }
}
