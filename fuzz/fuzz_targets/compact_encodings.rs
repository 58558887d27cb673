//! The bytes of compact encodings, and compressed bytes: what is let in can be read in both directions and changed, and
//! is valid afterwards.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ochre_store::intset::Intset;
use ochre_store::listpack::{Listpack, Pack};
use ochre_store::{Str, lzf};

fn check_listpack(bytes: &[u8]) {
    let Ok(mut pack) = Listpack::from_bytes(bytes) else { return };
    let forth: Vec<Vec<u8>> = pack.view().iter().map(|value| value.to_vec()).collect();
    let mut back: Vec<Vec<u8>> = pack.view().iter().rev().map(|value| value.to_vec()).collect();
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(forth.len(), pack.len());
    if let Some(middle) = pack.view().seek(forth.len() as i64 / 2) {
        pack.set(middle, Str::Bytes(bytes));
    }
    pack.prepend(Str::Int(bytes.len() as i64));
    pack.delete_range(-1, 1);
    assert!(Pack::from_bytes(pack.bytes()).is_ok());
}

fn check_intset(bytes: &[u8]) {
    let Ok(mut ints) = Intset::from_bytes(bytes) else { return };
    assert!(ints.iter().all(|member| ints.contains(member)));
    ints.insert(i64::MAX);
    ints.remove(0);
    assert!(Intset::from_bytes(ints.bytes()).is_ok());
}

fn check_compressed(bytes: &[u8]) {
    let Some((len, compressed)) = bytes.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_le_bytes(*len));
    if let Ok(plain) = lzf::decompress(compressed, len) {
        assert_eq!(plain.len(), len);
    }
    if let Some(short) = lzf::compress(bytes, bytes.len()) {
        assert_eq!(lzf::decompress(&short, bytes.len()).as_deref(), Ok(bytes));
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 3 {
        0 => check_listpack(bytes),
        1 => check_intset(bytes),
        _ => check_compressed(bytes),
    }
});
