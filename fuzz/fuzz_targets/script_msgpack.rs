//! cmsgpack: what is unpacked can be packed, and comes out as long when that is done again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_fuzz::Checker;

/// What lies too deep is packed as nil, so only what has been packed once stays as it is. Where its API is checked, Lua's own
/// pcall does not hand over many results.
const SOURCE: &str = r"
    pcall(cmsgpack.unpack_one, ARGV[1], 3)
    pcall(cmsgpack.unpack_limit, ARGV[1], 2, 1)
    local values
    local done = pcall(function() values = {cmsgpack.unpack(ARGV[1])} end)
    if not done then return end
    local done, value = pcall(cmsgpack.unpack, cmsgpack.pack(values))
    if not done then return end
    local text = cmsgpack.pack(value)
    local again = cmsgpack.pack(cmsgpack.unpack(text))
    if #again ~= #text then return text .. ' became ' .. again end
";

thread_local!(static CHECKER: Checker = Checker::new(SOURCE));

fuzz_target!(|bytes: &[u8]| CHECKER.with(|checker| checker.check(&[bytes])));
