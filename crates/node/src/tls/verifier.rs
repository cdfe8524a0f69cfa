//! The two certificate verifiers: pin and dates by us, the handshake signature by the provider.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};
use symbolon_policy::cedar::Validity;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{Pins, SpkiPin};
use crate::keys::spki_pin;

/// Lets in clients whose key is in a set.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    pins: Pins,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientVerifier {
    pub(super) const fn new(pins: Pins, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pins, algorithms }
    }
}

/// Accepts the one server whose key is pinned.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pin: SpkiPin,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(super) const fn new(pin: SpkiPin, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pin, algorithms }
    }
}

/// The pin of a certificate the handshake has already verified.
pub(super) fn pin_of(certificate: &CertificateDer<'_>) -> Result<SpkiPin, crate::Error> {
    spki_pin(certificate)
}

/// The span in which a certificate holds that the handshake has already verified.
pub(super) fn validity_of(certificate: &CertificateDer<'_>) -> Result<Validity, crate::Error> {
    let malformed = |_| crate::error::PeerMisbehaved::Malformed { what: "certificate" };
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(malformed)?;
    let validity = parsed.validity();
    Ok(Validity { not_before: validity.not_before.timestamp(), not_after: validity.not_after.timestamp() })
}

/// Checks the dates of a certificate and returns its pin.
fn check(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<SpkiPin, Error> {
    let malformed = || Error::InvalidCertificate(CertificateError::BadEncoding);
    let (rest, parsed) = X509Certificate::from_der(certificate).map_err(|_| malformed())?;
    if !rest.is_empty() {
        return Err(malformed());
    }
    let now = i64::try_from(now.as_secs()).map_err(|_| malformed())?;
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    spki_pin(certificate).map_err(|_| malformed())
}

const fn foreign_key() -> Error {
    Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)
}

/// Never reached, since only TLS 1.3 is offered; says so instead of verifying.
const fn no_tls12() -> Error {
    Error::PeerIncompatible(PeerIncompatible::Tls13RequiredForQuic)
}

impl ClientCertVerifier for ClientVerifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let pin = check(end_entity, now)?;
        if self.pins.contains(&pin) { Ok(ClientCertVerified::assertion()) } else { Err(foreign_key()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pin = check(end_entity, now)?;
        if pin == self.pin { Ok(ServerCertVerified::assertion()) } else { Err(foreign_key()) }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(no_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
