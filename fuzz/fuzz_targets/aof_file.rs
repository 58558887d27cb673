//! Files of commands: reading ends, and what was read says the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_persist::aof::{CommandLine, Reader};
use ochre_resp::encode_command;

/// The commands of a file, as far as it is valid, and whether it is to its end.
fn read(bytes: &[u8]) -> (Vec<Vec<Vec<u8>>>, bool) {
    let (mut reader, mut line, mut commands) = (Reader::new(bytes, 0), CommandLine::default(), Vec::new());
    loop {
        let next = reader.next(&mut line);
        assert!(reader.offset() <= bytes.len() as u64);
        assert!(line.bytes.len() <= bytes.len() && line.bytes.capacity() <= 2 * bytes.len() + (128 << 10));
        match next {
            Ok(true) => {
                assert!(!line.spans.is_empty());
                assert!(line.spans.iter().all(|span| span.start <= span.end && span.end <= line.bytes.len()));
                commands.push((0..line.spans.len()).map(|index| line.at(index).to_vec()).collect());
            }
            Ok(false) => return (commands, true),
            Err(_) => return (commands, false),
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (commands, _) = read(bytes);
    let mut written = Vec::new();
    for command in &commands {
        encode_command(&mut written, command);
    }
    assert_eq!(read(&written), (commands, true));
});
