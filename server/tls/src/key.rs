//! Private keys in PEM files, plain or under a pass phrase.

use aes::cipher::{BlockDecryptMut, KeyIvInit, block_padding::Pkcs7};
use md5::{Digest, Md5};
use pem::Pem;
use pkcs8::EncryptedPrivateKeyInfo;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};

/// The first private key among the sections of a file.
///
/// # Errors
/// With a description, when there is none, or it needs another pass phrase.
pub(crate) fn first_key(sections: &[Pem], pass_phrase: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    let section = sections.iter().find(|section| section.tag().ends_with("PRIVATE KEY"));
    let section = section.ok_or("it holds no private key")?;
    if section.tag() == "ENCRYPTED PRIVATE KEY" {
        return decrypt_pkcs8(section.contents(), pass_phrase);
    }
    let der = match section.headers().get("DEK-Info") {
        Some(info) => decrypt_traditional(info, section.contents(), pass_phrase)?,
        None => section.contents().to_vec(),
    };
    match section.tag() {
        "PRIVATE KEY" => Ok(PrivatePkcs8KeyDer::from(der).into()),
        "RSA PRIVATE KEY" => Ok(PrivatePkcs1KeyDer::from(der).into()),
        "EC PRIVATE KEY" => Ok(PrivateSec1KeyDer::from(der).into()),
        other => Err(format!("a key of the kind '{other}' is not supported")),
    }
}

const WRONG_PASS_PHRASE: &str = "it is encrypted, and the pass phrase does not fit";

/// PKCS #8 with PBES2 (RFC 8018).
fn decrypt_pkcs8(der: &[u8], pass_phrase: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    if pass_phrase.is_empty() {
        return Err("it is encrypted, and there is no pass phrase".to_owned());
    }
    let info = EncryptedPrivateKeyInfo::try_from(der)
        .map_err(|_| "it is encrypted in a way that is not supported (PKCS #8 with PBES2 is)".to_owned())?;
    let plain = info.decrypt(pass_phrase).map_err(|_| WRONG_PASS_PHRASE.to_owned())?;
    Ok(PrivatePkcs8KeyDer::from(plain.as_bytes().to_vec()).into())
}

/// What OpenSSL wrote before it wrote PKCS #8: the header names cipher and initial vector (RFC 1421); the key comes from
/// MD5 over pass phrase and the vector's first 8 bytes, again and again until it is long enough.
fn decrypt_traditional(info: &str, bytes: &[u8], pass_phrase: &[u8]) -> Result<Vec<u8>, String> {
    if pass_phrase.is_empty() {
        return Err("it is encrypted, and there is no pass phrase".to_owned());
    }
    let (cipher, vector) = info.split_once(',').ok_or("its DEK-Info is broken")?;
    let vector = from_hex(vector.trim()).ok_or("its DEK-Info is broken")?;
    let salt = vector.get(..8).ok_or("its DEK-Info is broken")?;
    let key = |len| stretch(pass_phrase, salt, len);
    let plain = match cipher.trim() {
        "AES-128-CBC" => decrypt::<cbc::Decryptor<aes::Aes128>>(&key(16), &vector, bytes),
        "AES-192-CBC" => decrypt::<cbc::Decryptor<aes::Aes192>>(&key(24), &vector, bytes),
        "AES-256-CBC" => decrypt::<cbc::Decryptor<aes::Aes256>>(&key(32), &vector, bytes),
        "DES-EDE3-CBC" => decrypt::<cbc::Decryptor<des::TdesEde3>>(&key(24), &vector, bytes),
        other => return Err(format!("it is encrypted with '{other}', which is not supported")),
    };
    plain.ok_or_else(|| WRONG_PASS_PHRASE.to_owned())
}

fn decrypt<D: KeyIvInit + BlockDecryptMut>(key: &[u8], vector: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
    let decryptor = D::new_from_slices(key, vector).ok()?;
    decryptor.decrypt_padded_vec_mut::<Pkcs7>(bytes).ok()
}

fn stretch(pass_phrase: &[u8], salt: &[u8], len: usize) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < len {
        last = Md5::new().chain_update(&last).chain_update(pass_phrase).chain_update(salt).finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(len);
    key
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> =
        text.chars().map(|digit| digit.to_digit(16).and_then(|digit| digit.try_into().ok())).collect::<Option<_>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
