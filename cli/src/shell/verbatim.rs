//! Which commands answer with a text that is to be shown as it is, in every style.

/// Whether the reply to the command line `arguments` is such a text. The list is that of `redis-cli`.
#[must_use]
pub fn is_text_reply(arguments: &[Vec<u8>]) -> bool {
    let word = |index: usize| arguments.get(index).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let (command, subcommand, count) = (word(0), word(1), arguments.len());
    match (command.as_slice(), subcommand.as_slice()) {
        (b"info" | b"lolwut", _) => true,
        (b"debug", b"htstats" | b"htstats-key" | b"client-eviction") => true,
        (b"memory", b"malloc-stats" | b"doctor") => true,
        (b"cluster", b"nodes" | b"info") => count == 2,
        (b"client", b"list" | b"info") => true,
        (b"latency", b"graph") => count == 3,
        (b"latency", b"doctor") => count == 2,
        (b"proxy", b"info") => true,
        _ => false,
    }
}

/// Whether the line holds a password or the like, and so stays out of the history.
#[must_use]
pub fn is_secret(arguments: &[Vec<u8>]) -> bool {
    let word = |index: usize| arguments.get(index).map(|word| word.to_ascii_lowercase()).unwrap_or_default();
    let (command, subcommand) = (word(0), word(1));
    match (command.as_slice(), subcommand.as_slice()) {
        (b"auth", _) | (b"acl", b"setuser") => true,
        (b"config", b"set") => (2..arguments.len()).step_by(2).any(|name| {
            matches!(
                word(name).as_slice(),
                b"masterauth" | b"masteruser" | b"primaryauth" | b"primaryuser" | b"requirepass"
            )
        }),
        (b"hello", _) => (2..arguments.len()).any(|index| word(index) == b"auth"),
        (b"migrate", _) => (6..arguments.len()).any(|index| matches!(word(index).as_slice(), b"auth" | b"auth2")),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<u8>> {
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    #[test]
    fn texts_are_told_from_other_replies() {
        for line in ["INFO", "info server", "Client LIST", "client info", "latency graph x", "cluster nodes", "lolwut"]
        {
            assert!(is_text_reply(&words(line)), "{line}");
        }
        for line in ["get info", "client id", "latency graph", "cluster info x", "memory usage x", "client"] {
            assert!(!is_text_reply(&words(line)), "{line}");
        }
    }

    #[test]
    fn secrets_stay_out_of_the_history() {
        for line in [
            "auth x",
            "ACL SETUSER u >p",
            "config set requirepass x",
            "config set maxmemory 1 masterauth x",
            "hello 3 auth u p",
            "migrate h 1 k 0 10 auth p",
        ] {
            assert!(is_secret(&words(line)), "{line}");
        }
        for line in ["config set maxmemory 1", "get auth", "hello 3", "acl list", "migrate h 1 k 0 10 copy"] {
            assert!(!is_secret(&words(line)), "{line}");
        }
    }
}
