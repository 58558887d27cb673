//! Checks of the peer's certificate during the handshake.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::authorities::{Authorities, has_signed};
use crate::certificate::Certificate;
use crate::error::TlsError;
use crate::settings::provider;

/// Checks clients.
#[derive(Debug)]
pub(crate) struct ClientVerifier {
    authorities: Authorities,
    chains: Arc<dyn ClientCertVerifier>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    /// Accepts clients that `authorities` vouch for, and those without a certificate unless it is `mandatory`.
    pub(crate) fn new(authorities: Authorities, mandatory: bool) -> Result<ClientVerifier, TlsError> {
        let provider = provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = WebPkiClientVerifier::builder_with_provider(authorities.roots().clone(), provider);
        let builder = if mandatory { builder } else { builder.allow_unauthenticated() };
        let chains = builder.build().map_err(|error| Error::General(error.to_string()))?;
        Ok(ClientVerifier { authorities, chains, algorithms })
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chains.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.chains.client_auth_mandatory()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.chains.verify_client_cert(end_entity, intermediates, now).or_else(|error| {
            let accepted = self.authorities.accept_beside_chains(end_entity, now, self.algorithms.all);
            if accepted { Ok(ClientCertVerified::assertion()) } else { Err(error) }
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed, &self.algorithms, verify_tls12_signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed, &self.algorithms, verify_tls13_signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Checks servers.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    /// Nobody: any server is accepted.
    pub(crate) authorities: Option<Authorities>,
    /// Whether the certificate must be for the name of the server too.
    pub(crate) checks_name: bool,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(authorities) = &self.authorities else { return Ok(ServerCertVerified::assertion()) };
        let check = || {
            let parsed = ParsedCertificate::try_from(end_entity)?;
            let (roots, algorithms) = (authorities.roots(), self.algorithms.all);
            verify_server_cert_signed_by_trust_anchor(&parsed, roots, intermediates, now, algorithms)
        };
        if let Err(error) = check()
            && !authorities.accept_beside_chains(end_entity, now, self.algorithms.all)
        {
            return Err(error);
        }
        if self.checks_name {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed, &self.algorithms, verify_tls12_signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        check_signature(message, certificate, signed, &self.algorithms, verify_tls13_signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

type Check = fn(
    &[u8],
    &CertificateDer<'_>,
    &DigitallySignedStruct,
    &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error>;

/// Whether the peer has the key of its certificate. The library's check, except for the certificates that it cannot read.
fn check_signature(
    message: &[u8],
    der: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
    check: Check,
) -> Result<HandshakeSignatureValid, Error> {
    let is_read = ParsedCertificate::try_from(der).is_ok();
    let certificate = if is_read { None } else { Certificate::parse(der).ok() };
    let Some(certificate) = certificate.filter(Certificate::is_version_1) else {
        return check(message, der, signed, algorithms);
    };
    let scheme = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signed.scheme);
    let fitting = scheme.map(|(_, algorithms)| *algorithms).unwrap_or_default();
    if has_signed(&certificate, fitting, message, signed.signature()) {
        return Ok(HandshakeSignatureValid::assertion());
    }
    Err(CertificateError::BadSignature.into())
}
