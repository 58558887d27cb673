//! Payloads of FUNCTION DUMP: what is read can be written, and reads as the same then; the first line of a library is read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_persist::dump::{self, Settings, Verify};
use ochre_scripting::LibraryHeader;

fuzz_target!(|bytes: &[u8]| {
    let _ = dump::verify(bytes, Verify::Checksum);
    let _ = dump::read_functions(bytes);
    // The footer is of no interest here: any ten bytes pass.
    let Ok(codes) = dump::read_functions(&[bytes, &[11, 0], &[0; 8]].concat()) else { return };
    let written = dump::write_functions(&codes, Settings::default());
    assert!(dump::verify(&written, Verify::Checksum).is_ok());
    assert_eq!(dump::read_functions(&written).as_ref(), Ok(&codes));
    for code in codes {
        if let Ok(header) = LibraryHeader::parse(&code) {
            assert!(header.len < code.len() && code[header.len] == b'\n' && !header.name.is_empty());
        }
    }
});
