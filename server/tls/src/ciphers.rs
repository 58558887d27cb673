//! Ciphers under the names that OpenSSL gives them, and protocol versions.

use rustls::{SupportedCipherSuite, SupportedProtocolVersion, version};

use crate::error::TlsError;

/// A cipher as lists of OpenSSL name it.
struct Named {
    name: &'static str,
    /// The keywords that stand for it, among others.
    keywords: &'static [&'static str],
    standard: &'static str,
}

/// What rustls has of TLS 1.2, in its order of preference.
const NAMED: [Named; 6] = [
    Named {
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        keywords: &["aECDSA", "ECDSA", "AES", "AES256", "AESGCM", "SHA384"],
        standard: "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    },
    Named {
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        keywords: &["aECDSA", "ECDSA", "AES", "AES128", "AESGCM", "SHA256"],
        standard: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    },
    Named {
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        keywords: &["aECDSA", "ECDSA", "CHACHA20"],
        standard: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    },
    Named {
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        keywords: &["aRSA", "AES", "AES256", "AESGCM", "SHA384"],
        standard: "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    },
    Named {
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        keywords: &["aRSA", "AES", "AES128", "AESGCM", "SHA256"],
        standard: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    },
    Named {
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        keywords: &["aRSA", "CHACHA20"],
        standard: "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    },
];

/// The keywords that stand for each of them.
const GENERAL: [&str; 10] = ["ALL", "DEFAULT", "HIGH", "TLSv1.2", "ECDHE", "EECDH", "kECDHE", "kEECDH", "ECDH", "AEAD"];

impl Named {
    /// Whether a word of a list stands for it: a name, a keyword, or several keywords with `+` between them.
    fn is_meant(&self, word: &str) -> bool {
        word == self.name
            || word == self.standard
            || word.split('+').all(|part| GENERAL.contains(&part) || self.keywords.contains(&part))
    }
}

/// The ciphers of TLS 1.2 that a list of OpenSSL leaves (`man openssl-ciphers`), best first. Words for ciphers that rustls
/// does not have change nothing.
///
/// # Errors
/// When none is left.
pub(crate) fn tls12(list: &str, offered: &[SupportedCipherSuite]) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let mut active: Vec<&Named> = Vec::new();
    let mut banned: Vec<&Named> = Vec::new();
    for word in list.split([':', ',', ' ', ';']).filter(|word| !word.is_empty()) {
        // Security levels and the order by strength: all of rustls's are of the highest, and in that order.
        if word.starts_with('@') {
            continue;
        }
        let (sign, word) = match word.chars().next() {
            Some(sign @ ('!' | '-' | '+')) => (sign, word.get(1..).unwrap_or_default()),
            _ => (' ', word),
        };
        let meant: Vec<&Named> = NAMED.iter().filter(|named| named.is_meant(word)).collect();
        let is_meant = |named: &&Named| meant.iter().any(|other| other.name == named.name);
        match sign {
            '!' | '-' => {
                active.retain(|named| !is_meant(named));
                if sign == '!' {
                    banned.extend(&meant);
                }
            }
            '+' => {
                let (last, first): (Vec<&Named>, Vec<&Named>) = active.into_iter().partition(is_meant);
                active = first.into_iter().chain(last).collect();
            }
            _ => {
                let is_new = |named: &&&Named| !active.iter().chain(&banned).any(|other| other.name == named.name);
                let new: Vec<&Named> = meant.iter().filter(is_new).copied().collect();
                active.extend(new);
            }
        }
    }
    let found: Vec<SupportedCipherSuite> = active.iter().filter_map(|named| find(named.standard, offered)).collect();
    if found.is_empty() {
        let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
        let reason = format!("'{list}' leaves no cipher; there are {}", names.join(", "));
        return Err(TlsError::Ciphers { directive: "tls-ciphers", reason });
    }
    Ok(found)
}

/// The ciphers of TLS 1.3 in a list with colons.
///
/// # Errors
/// When one does not exist here, or there is none.
pub(crate) fn tls13(list: &str, offered: &[SupportedCipherSuite]) -> Result<Vec<SupportedCipherSuite>, TlsError> {
    let error = |reason| TlsError::Ciphers { directive: "tls-ciphersuites", reason };
    let mut found = Vec::new();
    for word in list.split(':').filter(|word| !word.is_empty()) {
        match find(word, offered).filter(|suite| suite.tls13().is_some()) {
            Some(suite) => found.push(suite),
            None => return Err(error(format!("there is no '{word}'; there are {}", names_of_tls13(offered)))),
        }
    }
    if found.is_empty() { Err(error("it names no cipher".to_owned())) } else { Ok(found) }
}

/// The versions that `tls-protocols` names; all of them when it is empty.
///
/// # Errors
/// At a word that is no version, or one that rustls does not speak.
pub(crate) fn protocols(list: &str) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
    let (mut tls12, mut tls13) = (false, false);
    for word in list.split(' ').filter(|word| !word.is_empty()) {
        match word.to_ascii_lowercase().as_str() {
            "tlsv1.2" => tls12 = true,
            "tlsv1.3" => tls13 = true,
            "tlsv1" | "tlsv1.1" => return Err(TlsError::Protocols(format!("'{word}' is insecure and not supported"))),
            _ => return Err(TlsError::Protocols(format!("'{word}' is no version"))),
        }
    }
    let versions = [(&version::TLS13, tls13), (&version::TLS12, tls12)];
    Ok(versions.into_iter().filter(|(_, wanted)| *wanted || !tls12 && !tls13).map(|(version, _)| version).collect())
}

/// The suite of that standard name.
fn find(standard: &str, offered: &[SupportedCipherSuite]) -> Option<SupportedCipherSuite> {
    offered.iter().find(|suite| name(suite) == standard).copied()
}

/// The standard name. rustls writes `TLS13_` before those of TLS 1.3.
fn name(suite: &SupportedCipherSuite) -> String {
    let name = format!("{:?}", suite.suite());
    name.strip_prefix("TLS13_").map_or(name.clone(), |rest| format!("TLS_{rest}"))
}

fn names_of_tls13(offered: &[SupportedCipherSuite]) -> String {
    let names: Vec<String> = offered.iter().filter(|suite| suite.tls13().is_some()).map(name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::provider;

    /// The short names of what a list leaves.
    fn left(list: &str) -> Vec<&'static str> {
        let found = tls12(list, &provider().cipher_suites).unwrap_or_default();
        let named = |suite: &SupportedCipherSuite| NAMED.iter().find(|named| named.standard == name(suite));
        found.iter().filter_map(named).map(|named| named.name).collect()
    }

    // As `openssl ciphers -v -tls1_2` of OpenSSL 3.0 lists them, as far as rustls has them too.
    #[test]
    fn lists_are_read_as_openssl_does() {
        assert_eq!(left("DEFAULT").len(), 6);
        assert_eq!(left("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(left("DEFAULT:-AES128-SHA256").len(), 6);
        assert_eq!(left("ECDHE-RSA-AES128-GCM-SHA256"), ["ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(left("ECDHE+AESGCM:!ECDSA"), ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(
            left("CHACHA20:ECDHE-RSA-AES128-GCM-SHA256:AES128-SHA:+aRSA:-aECDSA"),
            ["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"]
        );
        assert_eq!(left("!AESGCM:ALL:-ECDSA"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
        assert_eq!(left("ALL:@SECLEVEL=2:!kECDHE"), [""; 0]);
        assert_eq!(left("AES128-SHA256:AES256-SHA256"), [""; 0]);
        assert_eq!(left("nonsense"), [""; 0]);
    }

    #[test]
    fn suites_of_tls_1_3_have_their_standard_names() {
        let offered = &provider().cipher_suites;
        let suites = tls13("TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256", offered).unwrap();
        assert_eq!(
            suites.iter().map(name).collect::<Vec<_>>(),
            ["TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"]
        );
        assert!(tls13("TLS_AES_128_CCM_SHA256", offered).unwrap_err().to_string().contains("TLS_AES_256_GCM_SHA384"));
        assert!(tls13("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", offered).is_err());
        assert!(tls13("", offered).is_err());
    }

    #[test]
    fn protocols_are_named_in_any_case() {
        assert_eq!(protocols("").unwrap().len(), 2);
        assert_eq!(protocols("TLSv1.2").unwrap(), [&version::TLS12]);
        assert_eq!(protocols("tlsv1.2 TLSV1.3").unwrap().len(), 2);
        assert!(protocols("TLSv1.1 TLSv1.2").unwrap_err().to_string().contains("'TLSv1.1'"));
        assert!(protocols("SSLv3").is_err());
    }
}
