//! Requests as a client writes them.

use crate::reply::write_header;

/// Appends `args` as one multibulk request to `out`.
pub fn encode_command<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: &[A]) {
    encode_arguments(out, args.iter());
}

/// As [`encode_command`], for arguments that do not lie in a slice.
pub fn encode_arguments<A: AsRef<[u8]>>(out: &mut Vec<u8>, args: impl ExactSizeIterator<Item = A>) {
    write_header(out, b'*', args.len());
    for arg in args {
        let arg = arg.as_ref();
        out.reserve(arg.len().saturating_add(24));
        write_header(out, b'$', arg.len());
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}
