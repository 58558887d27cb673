//! Lines of commands whose propagation is tested; the files say what a line may be.

/// Commands of Redis 7.0.
pub const REDIS_LINES: &str = include_str!("../propagation/redis-7.0.txt");
/// Commands that Valkey has brought since.
pub const VALKEY_LINES: &str = include_str!("../propagation/valkey-9.1.txt");

/// The commands among `lines` that fill a server: nothing that waits, is sent by other connections, or flushes.
pub fn filling(lines: &str) -> impl Iterator<Item = Vec<&str>> {
    let is_left_out = |line: &str| line.starts_with(|first: char| "#123".contains(first)) || line.starts_with("FLUSH");
    let is_wait = |line: &str| line.starts_with("expired ") || line.starts_with("passed ");
    let wanted = lines.lines().filter(move |line| !line.is_empty() && !is_left_out(line) && !is_wait(line));
    wanted.map(|line| line.split(' ').collect())
}
