//! struct: what a format takes is what its size says, and what was unpacked can be packed. An input is a format, a zero
//! and data.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_fuzz::Checker;

/// Where its API is checked, Lua's own pcall does not hand over many results.
const SOURCE: &str = r"
    local format, data = ARGV[1], ARGV[2]
    local sized, size = pcall(struct.size, format)
    local values
    local done = pcall(function() values = {struct.unpack(format, data)} end)
    pcall(function() local values = {struct.unpack(format, data, #data - 1)} end)
    if not done then return end
    local behind = table.remove(values)
    if behind > #data + 1 then return 'it went on behind the end' end
    if sized and behind ~= size + 1 then return 'size ' .. size .. ', but ' .. behind end
    pcall(struct.pack, format, unpack(values))
";

thread_local!(static CHECKER: Checker = Checker::new(SOURCE));

fuzz_target!(|bytes: &[u8]| {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let data = bytes.get(end + 1..).unwrap_or_default();
    CHECKER.with(|checker| checker.check(&[&bytes[..end], data]));
});
