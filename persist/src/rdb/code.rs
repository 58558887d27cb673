//! The numbers that stand for types of values.

/// The latest version of Redis that can be read: that of Redis 7.4.
pub const VERSION_REDIS_MAX: u32 = 12;
/// The version of Valkey 9.0 and 9.1, the first with deadlines of fields there.
pub const VERSION_VALKEY: u32 = 80;

macro_rules! type_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal;)*) => {
        /// How a value is encoded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum TypeCode {
            $($(#[$doc])* $name = $code,)*
        }

        impl TypeCode {
            /// The encoding that a byte stands for; `None` if it is an opcode, of modules, or nothing known.
            #[must_use]
            pub fn from_byte(byte: u8) -> Option<TypeCode> {
                match byte {
                    $($code => Some(TypeCode::$name),)*
                    _ => None,
                }
            }
        }
    };
}

type_codes! {
    /// A string.
    String = 0;
    /// A list: its elements.
    List = 1;
    /// A set: its members.
    Set = 2;
    /// A sorted set: members with scores in decimal.
    ZsetText = 3;
    /// A hash: fields and values.
    Hash = 4;
    /// A sorted set: members with scores in binary.
    Zset = 5;
    /// A hash as a zipmap, up to Redis 2.4.
    HashZipmap = 9;
    /// A list as one ziplist, up to Redis 3.0.
    ListZiplist = 10;
    /// A set of integers.
    SetIntset = 11;
    /// A sorted set as a ziplist, up to Redis 6.2.
    ZsetZiplist = 12;
    /// A hash as a ziplist, up to Redis 6.2.
    HashZiplist = 13;
    /// A list as a sequence of ziplists, up to Redis 6.2.
    ListQuicklist = 14;
    /// A stream, up to Redis 6.2.
    Stream = 15;
    /// A hash as a listpack, from version 10 on.
    HashListpack = 16;
    /// A sorted set as a listpack, from version 10 on.
    ZsetListpack = 17;
    /// A list as a sequence of listpacks and long elements, from version 10 on.
    ListQuicklist2 = 18;
    /// A stream that knows what was ever added and deleted, from version 10 on.
    Stream2 = 19;
    /// A set as a listpack, from version 11 on.
    SetListpack = 20;
    /// A stream that knows when consumers were active, from version 11 on.
    Stream3 = 21;
    /// A hash of which fields have deadlines, of Valkey 9.
    HashDeadlines = 22;
    /// A hash of which fields have deadlines, of Redis 7.4.
    HashMetadata = 24;
    /// As a listpack: names, values and deadlines, of Redis 7.4.
    HashListpackEx = 25;
}
