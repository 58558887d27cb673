//! cjson: what is decoded and can be encoded comes out as long when that is done again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_fuzz::Checker;

/// The order of an object's keys is that of Lua's table, so lengths are compared.
const SOURCE: &str = r"
    local done, value = pcall(cjson.decode, ARGV[1])
    if not done then return end
    local done, text = pcall(cjson.encode, value)
    if not done then return end
    local again = cjson.encode(cjson.decode(text))
    if #again ~= #text then return text .. ' became ' .. again end
";

thread_local!(static CHECKER: Checker = Checker::new(SOURCE));

fuzz_target!(|bytes: &[u8]| CHECKER.with(|checker| checker.check(&[bytes])));
