//! Server URIs: `redis://[[user:]password@][host[:port]][/db]`, and the same with `valkey://`; with `rediss://` and
//! `valkeys://` for TLS.

/// What a URI says; parts it leaves out are `None`.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ServerUri {
    /// User name for AUTH, percent-decoded.
    pub user: Option<Vec<u8>>,
    /// Password for AUTH, percent-decoded.
    pub password: Option<Vec<u8>>,
    /// Host name or address.
    pub host: Option<String>,
    /// Port.
    pub port: Option<u16>,
    /// Database number.
    pub db: Option<i64>,
    /// Whether it asks for TLS.
    pub tls: bool,
}

/// Why a URI is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UriError {
    /// The scheme is none of ours.
    #[error("Invalid URI scheme")]
    Scheme,
    /// A `%` without two characters behind it.
    #[error("Incomplete URI encoding")]
    Incomplete,
    /// A `%` followed by something that is not hexadecimal.
    #[error("Illegal character in URI encoding")]
    Encoding,
    /// The port is not a number from 0 to 65535.
    #[error("Invalid port in URI: '{0}'")]
    Port(String),
    /// The path is not a database number.
    #[error("Invalid database number in URI: '{0}'")]
    Db(String),
}

impl ServerUri {
    /// Parses `text`. The user name and password may be percent-encoded; an IPv6 address stands in brackets.
    ///
    /// # Errors
    /// See [`UriError`].
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let mut uri = Self::default();
        let (scheme, mut rest) = text.split_once("://").ok_or(UriError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "redis" | "valkey" => {}
            "rediss" | "valkeys" => uri.tls = true,
            _ => return Err(UriError::Scheme),
        }
        if let Some((login, after)) = rest.split_once('@') {
            let password = match login.split_once(':') {
                Some((user, password)) => {
                    uri.user = Some(percent_decode(user)?);
                    password
                }
                None => login,
            };
            uri.password = Some(percent_decode(password)?);
            rest = after;
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !authority.is_empty() {
            uri.set_authority(authority)?;
        }
        let path = path.split(['?', '#']).next().unwrap_or("");
        if !path.is_empty() {
            uri.db = Some(path.parse().map_err(|_| UriError::Db(path.to_owned()))?);
        }
        Ok(uri)
    }

    fn set_authority(&mut self, authority: &str) -> Result<(), UriError> {
        let bracketed = authority.strip_prefix('[').and_then(|inner| inner.split_once(']'));
        let (host, port) = match bracketed {
            Some((host, after)) => (host, after.strip_prefix(':')),
            None => match authority.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            },
        };
        if !host.is_empty() {
            self.host = Some(host.to_owned());
        }
        if let Some(port) = port {
            self.port = Some(port.parse().map_err(|_| UriError::Port(port.to_owned()))?);
        }
        Ok(())
    }
}

fn percent_decode(text: &str) -> Result<Vec<u8>, UriError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let (Some(high), Some(low)) = (bytes.next(), bytes.next()) else { return Err(UriError::Incomplete) };
        out.push(hex_digit(high)? << 4 | hex_digit(low)?);
    }
    Ok(out)
}

fn hex_digit(byte: u8) -> Result<u8, UriError> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(UriError::Encoding)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found() {
        let uri = ServerUri::parse("redis://us%65r:p%40ss@example.org:7001/3").unwrap();
        assert_eq!(uri.user.as_deref(), Some(&b"user"[..]));
        assert_eq!(uri.password.as_deref(), Some(&b"p@ss"[..]));
        assert_eq!((uri.host.as_deref(), uri.port, uri.db), (Some("example.org"), Some(7001), Some(3)));
        assert!(
            !uri.tls && ServerUri::parse("rediss://x").unwrap().tls && ServerUri::parse("valkeys://x").unwrap().tls
        );
    }

    #[test]
    fn everything_but_the_scheme_may_be_missing() {
        assert_eq!(ServerUri::parse("redis://").unwrap(), ServerUri::default());
        let uri = ServerUri::parse("VALKEY://secret@/5").unwrap();
        assert_eq!((uri.user, uri.password.as_deref(), uri.host, uri.db), (None, Some(&b"secret"[..]), None, Some(5)));
        let uri = ServerUri::parse("redis://[::1]:99").unwrap();
        assert_eq!((uri.host.as_deref(), uri.port), (Some("::1"), Some(99)));
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(ServerUri::parse("localhost"), Err(UriError::Scheme));
        assert_eq!(ServerUri::parse("http://x"), Err(UriError::Scheme));
        assert_eq!(ServerUri::parse("redis://a%4@x"), Err(UriError::Incomplete));
        assert_eq!(ServerUri::parse("redis://a%4g@x"), Err(UriError::Encoding));
        assert_eq!(ServerUri::parse("redis://x:port"), Err(UriError::Port("port".into())));
        assert_eq!(ServerUri::parse("redis://x/db"), Err(UriError::Db("db".into())));
    }
}
