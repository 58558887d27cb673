//! What a replica and its primary say to each other before the stream begins.
//!
//! The order is that of Redis 7.0 as a replica: PING; then the password, the port, the address and the capabilities, without
//! waiting for answers in between; then PSYNC, or SYNC where the primary does not know that.

use std::collections::VecDeque;

/// Digits of the name of a history.
pub const ID_LEN: usize = 40;

/// What a replica tells its primary of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Introduction {
    /// The password, if there is one to be given.
    pub password: Option<Vec<u8>>,
    /// The user that it is for.
    pub user: Option<Vec<u8>>,
    /// The port the replica serves at.
    pub port: u16,
    /// The address it wants to be known by.
    pub address: Option<String>,
    /// The history it knows, and how many bytes of that stream it has.
    pub has: Option<(String, u64)>,
}

/// What the primary is going to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The stream, from where the replica has it; and the new name of the history, if it tells that.
    Continue(Option<String>),
    /// A snapshot, and then the stream of the history of that name from that offset on.
    Full(String, u64),
    /// A snapshot and then a stream without offsets: it is no more than can be said to SYNC.
    Old,
}

/// What follows from a line of the primary's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing but that it is there.
    Nothing,
    /// It does not know some command, which does not matter: its name, and the answer.
    Unknown(&'static str, String),
    /// This is to be sent.
    Send(Vec<u8>),
    /// It does not do PSYNC, as this line says: SYNC is to be sent, and a snapshot follows.
    SendSync(Vec<u8>, String),
    /// The handshake is over.
    Granted(Granted),
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// PING was answered in a strange way.
    #[error("Error reply to PING from master: '{0}'")]
    Ping(String),
    /// The password is wrong, or missing.
    #[error("Unable to AUTH to MASTER: {0}")]
    Login(String),
    /// Later it may be able to.
    #[error("Master is currently unable to PSYNC but should be in the future: {0}")]
    Later(String),
    /// The answer to PSYNC makes no sense.
    #[error("Master replied with wrong +FULLRESYNC syntax.")]
    Syntax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Ping,
    Login,
    Port,
    Address,
    Capabilities,
    Psync,
}

/// The replica's side of the conversation.
#[derive(Debug)]
pub struct Handshake {
    introduction: Introduction,
    /// The questions that are not answered yet.
    asked: VecDeque<Asked>,
}

impl Handshake {
    /// Begins it; and what is to be sent first.
    pub fn begin(introduction: Introduction) -> (Handshake, Vec<u8>) {
        let handshake = Handshake { introduction, asked: VecDeque::from([Asked::Ping]) };
        (handshake, line(&[b"PING"]))
    }

    /// Takes a line that the primary has sent, without its end.
    ///
    /// # Errors
    /// Why there can be no link now.
    pub fn hear(&mut self, text: &[u8]) -> Result<Heard, Refused> {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        // An empty line says that it is still there.
        if text.is_empty() {
            return Ok(Heard::Nothing);
        }
        let answer = String::from_utf8_lossy(text).into_owned();
        let is_error = text.first() == Some(&b'-');
        match self.asked.pop_front() {
            Some(Asked::Ping) => self.pinged(is_error, answer),
            Some(Asked::Login) if is_error => Err(Refused::Login(answer)),
            Some(Asked::Port) if is_error => Ok(Heard::Unknown("REPLCONF listening-port", answer)),
            Some(Asked::Address) if is_error => Ok(Heard::Unknown("REPLCONF ip-address", answer)),
            Some(Asked::Capabilities) => {
                let psync = self.psync();
                Ok(Heard::Send(psync))
            }
            Some(Asked::Psync) => granted(answer),
            _ => Ok(Heard::Nothing),
        }
    }

    fn pinged(&mut self, is_error: bool, answer: String) -> Result<Heard, Refused> {
        // These are no errors: it wants the password first.
        let harmless = ["-NOAUTH", "-NOPERM", "-ERR operation not permitted"];
        if is_error && !harmless.iter().any(|begin| answer.starts_with(begin)) {
            return Err(Refused::Ping(answer));
        }
        let Introduction { password, user, port, address, .. } = &self.introduction;
        let mut words = Vec::new();
        if let Some(password) = password {
            self.asked.push_back(Asked::Login);
            let login: &[&[u8]] = &[b"AUTH", user.as_deref().unwrap_or_default(), password];
            let short: &[&[u8]] = &[b"AUTH", password];
            words.extend(line(if user.is_some() { login } else { short }));
        }
        self.asked.push_back(Asked::Port);
        words.extend(line(&[b"REPLCONF", b"listening-port", port.to_string().as_bytes()]));
        if let Some(address) = address {
            self.asked.push_back(Asked::Address);
            words.extend(line(&[b"REPLCONF", b"ip-address", address.as_bytes()]));
        }
        self.asked.push_back(Asked::Capabilities);
        words.extend(line(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]));
        Ok(Heard::Send(words))
    }

    fn psync(&mut self) -> Vec<u8> {
        self.asked.push_back(Asked::Psync);
        match &self.introduction.has {
            // What is asked for is the first byte that is missing, counted from one.
            Some((id, offset)) => line(&[b"PSYNC", id.as_bytes(), offset.saturating_add(1).to_string().as_bytes()]),
            None => line(&[b"PSYNC", b"?", b"-1"]),
        }
    }
}

fn granted(answer: String) -> Result<Heard, Refused> {
    let mut words = answer.split_ascii_whitespace();
    match words.next() {
        Some("+FULLRESYNC") => {
            let id = words.next().filter(|id| is_id(id)).ok_or(Refused::Syntax)?;
            let offset = words.next().and_then(|offset| offset.parse().ok()).ok_or(Refused::Syntax)?;
            Ok(Heard::Granted(Granted::Full(id.to_owned(), offset)))
        }
        Some("+CONTINUE") => {
            Ok(Heard::Granted(Granted::Continue(words.next().filter(|id| is_id(id)).map(str::to_owned))))
        }
        Some("-NOMASTERLINK" | "-LOADING") => Err(Refused::Later(answer)),
        _ => Ok(Heard::SendSync(line(&[b"SYNC"]), answer)),
    }
}

fn is_id(word: &str) -> bool {
    word.len() == ID_LEN && word.bytes().all(|byte| byte.is_ascii_graphic())
}

fn line(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ochre_resp::encode_command(&mut bytes, words);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let words = text.split("\r\n").filter(|word| !word.is_empty() && !word.starts_with('$'));
        words.map(|word| if word.starts_with('*') { ";" } else { word }).collect::<Vec<_>>().join(" ")
    }

    fn sent(heard: Result<Heard, Refused>) -> String {
        match heard {
            Ok(Heard::Send(bytes) | Heard::SendSync(bytes, _)) => text(&bytes),
            other => panic!("{other:?}"),
        }
    }

    fn until_psync(introduction: Introduction) -> (Handshake, String) {
        let (mut handshake, _) = Handshake::begin(introduction);
        handshake.hear(b"+PONG").unwrap();
        loop {
            if let Heard::Send(psync) = handshake.hear(b"+OK").unwrap() {
                return (handshake, text(&psync));
            }
        }
    }

    // As redis-server 7.0.15 does it as a replica.
    #[test]
    fn a_replica_introduces_itself() {
        let (mut handshake, ping) = Handshake::begin(Introduction {
            password: Some(b"secret".to_vec()),
            user: Some(b"replica".to_vec()),
            port: 7001,
            address: Some("10.0.0.1".into()),
            has: None,
        });
        assert_eq!(text(&ping), "; PING");
        let introduction = "; AUTH replica secret ; REPLCONF listening-port 7001 ; REPLCONF ip-address 10.0.0.1 \
                            ; REPLCONF capa eof capa psync2";
        assert_eq!(sent(handshake.hear(b"-NOAUTH Authentication required.\r")), introduction);
        assert_eq!(handshake.hear(b"+OK\r"), Ok(Heard::Nothing));
        assert_eq!(handshake.hear(b"+OK\r"), Ok(Heard::Nothing));
        let unknown = Heard::Unknown("REPLCONF ip-address", "-ERR no".into());
        assert_eq!(handshake.hear(b"-ERR no\r"), Ok(unknown));
        assert_eq!(sent(handshake.hear(b"+OK\r")), "; PSYNC ? -1");
        assert_eq!(handshake.hear(b"\r"), Ok(Heard::Nothing));
        let id = "e".repeat(40);
        let full = Heard::Granted(Granted::Full(id.clone(), 14));
        assert_eq!(handshake.hear(format!("+FULLRESYNC {id} 14\r").as_bytes()), Ok(full));
    }

    #[test]
    fn what_is_known_is_asked_for_from_its_end_on() {
        let id = "f".repeat(40);
        let introduction = Introduction { has: Some((id.clone(), 41)), ..Introduction::default() };
        let (mut handshake, psync) = until_psync(introduction.clone());
        assert_eq!(psync, format!("; PSYNC {id} 42"));
        let other = "d".repeat(40);
        let renamed = Heard::Granted(Granted::Continue(Some(other.clone())));
        assert_eq!(handshake.hear(format!("+CONTINUE {other}").as_bytes()), Ok(renamed));
        let (mut handshake, _) = until_psync(introduction);
        assert_eq!(handshake.hear(b"+CONTINUE"), Ok(Heard::Granted(Granted::Continue(None))));
    }

    #[test]
    fn a_primary_may_refuse_in_several_ways() {
        let answer = |text: &[u8]| until_psync(Introduction::default()).0.hear(text);
        assert_eq!(sent(answer(b"-ERR unknown command 'PSYNC'")), "; SYNC");
        assert!(matches!(answer(b"-NOMASTERLINK Can't SYNC"), Err(Refused::Later(_))));
        assert!(matches!(answer(b"-LOADING Redis is"), Err(Refused::Later(_))));
        assert_eq!(answer(b"+FULLRESYNC short 1"), Err(Refused::Syntax));
        let (mut handshake, _) = Handshake::begin(Introduction::default());
        assert!(matches!(handshake.hear(b"-MISCONF Errors"), Err(Refused::Ping(_))));
        let introduction = Introduction { password: Some(b"x".to_vec()), ..Introduction::default() };
        let (mut handshake, _) = Handshake::begin(introduction);
        assert!(sent(handshake.hear(b"+PONG")).starts_with("; AUTH x ;"));
        assert!(matches!(handshake.hear(b"-WRONGPASS invalid"), Err(Refused::Login(_))));
    }
}
