//! Names for the addresses of a stack.

use std::fmt::Write as _;

/// Gives each of these addresses, which lead outwards from where a thread was, a line with the function and its place in
/// the source, or several where functions were inlined. Looks into the program's file and may take long.
pub(super) fn name(addresses: &[usize], write: &mut dyn FnMut(&str)) {
    for (number, address) in addresses.iter().copied().enumerate() {
        let mut named = false;
        // A return address may lie past the end of the function that called.
        let inside = if number == 0 { address } else { address.saturating_sub(1) };
        backtrace::resolve(std::ptr::without_provenance_mut(inside), |symbol| {
            named = true;
            let mut line = format!("{number:4}: {address:#018x} ");
            // Writing to a string does not fail.
            match symbol.name() {
                Some(name) => _ = write!(line, "{name:#}"),
                None => line.push('?'),
            }
            if let (Some(file), Some(number)) = (symbol.filename(), symbol.lineno()) {
                let _ = write!(line, " at {}:{number}", file.display());
            }
            line.push('\n');
            write(&line);
        });
        if !named {
            write(&format!("{number:4}: {address:#018x} ?\n"));
        }
    }
}
