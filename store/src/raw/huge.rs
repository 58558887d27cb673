//! Huge pages in the place of small ones, where memory is in use already.

/// Size of a huge page on x86-64, and on aarch64 with small pages of 4 KiB.
pub const HUGE_BYTES: usize = 2 << 20;
/// Small pages of a huge one, where these have 4 KiB.
const SMALL_PAGES: usize = HUGE_BYTES / 4096;
/// A place where more small pages are missing stays as it is, since a huge page would fill them all.
const MISSING_MAX: usize = 16;

/// Puts one huge page in the place of the small ones that start at `address`, a multiple of [`HUGE_BYTES`], if hardly
/// any of them is missing. Changes nothing that can be read there, whoever it belongs to.
///
/// # Errors
/// What madvise(2) answers: `EINVAL` where the system has no MADV_COLLAPSE (Linux has it since 6.1), `EAGAIN` or
/// `ENOMEM` where it found no huge page.
pub fn collapse(address: usize) -> std::io::Result<()> {
    let address: *mut libc::c_void = std::ptr::without_provenance_mut(address);
    let mut present = [0u8; SMALL_PAGES];
    // SAFETY: the kernel writes one byte for each page of the range, which may be unmapped, into `present`.
    if unsafe { libc::mincore(address, HUGE_BYTES, present.as_mut_ptr()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    if present.iter().filter(|page| **page & 1 == 0).count() > MISSING_MAX {
        return Ok(());
    }
    // SAFETY: this never changes what the memory holds.
    match unsafe { libc::madvise(address, HUGE_BYTES, libc::MADV_COLLAPSE) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Does once, with memory of no use, what [`collapse`] does, for those who want to know how long it takes.
///
/// # Errors
/// As `collapse`, or when there is no memory.
pub fn trial() -> std::io::Result<()> {
    let bytes = 2 * HUGE_BYTES;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_POPULATE;
    // SAFETY: a new anonymous mapping touches no existing memory.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    let outcome = collapse(base.addr().next_multiple_of(HUGE_BYTES));
    // SAFETY: the mapping from above, which nobody else knows of.
    unsafe { libc::munmap(base, bytes) };
    outcome
}
