//! The certificate verifiers of both ends: pins, dates, SPIFFE id and withdrawals by us, the signature of an authority
//! by webpki, the handshake signature by the provider.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, PeerIncompatible, SignatureScheme};
use symbolon_policy::Anchor;
use symbolon_policy::cedar::Validity;
use webpki::ExpirationPolicy;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pins::{AcceptedKey, Pins, Trust};
use super::{SpkiPin, crl};
use crate::keys::{spiffe_id_of, spki_pin};

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

/// Accepts the servers whose key is in a set: the keys of one peer.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    pins: Pins,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerVerifier {
    pub(super) const fn new(pins: Pins, algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { pins, algorithms }
    }
}

/// What a chain the handshake has verified shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// The pin under which it was let in.
    pub(super) pin: SpkiPin,
    /// The pin of the end-entity certificate's key.
    pub(super) leaf_pin: SpkiPin,
    /// The span in which that certificate holds.
    pub(super) certificate: Validity,
}

/// Reads a chain that was verified a moment ago.
pub(super) fn shown(chain: &[CertificateDer<'_>], pins: &Pins) -> Result<Shown, Error> {
    let (leaf, rest) = chain.split_first().ok_or(Error::NoCertificatesPresented)?;
    let (key, leaf_pin, parsed) = find(leaf, rest, &pins.trust())?;
    let validity = parsed.validity();
    let (not_before, not_after) = (validity.not_before.timestamp(), validity.not_after.timestamp());
    Ok(Shown { pin: key.pin, leaf_pin, certificate: Validity { not_before, not_after } })
}

/// Whether a chain that was let in earlier still stands: its keys are known and not withdrawn, and no list withdraws
/// its certificate. Times are not looked at again: an open connection outlives the end of a certificate or of a pin.
pub(super) fn stands(chain: &[CertificateDer<'_>], pins: &Pins, algorithms: WebPkiSupportedAlgorithms) -> bool {
    let Some((leaf, rest)) = chain.split_first() else { return false };
    let Ok((key, _, parsed)) = find(leaf, rest, &pins.trust()) else { return false };
    let issuer = if key.anchor == Anchor::Authority { rest.first().unwrap_or(leaf) } else { leaf };
    // At a moment at which the certificate is good, and without asking how old a list is, so that only a withdrawal
    // counts.
    let moment = u64::try_from(parsed.validity().not_after.timestamp()).unwrap_or(0);
    let moment = UnixTime::since_unix_epoch(std::time::Duration::from_secs(moment));
    let outcome = pins.crls().check(leaf, issuer, algorithms.all, moment, ExpirationPolicy::Ignore);
    !matches!(outcome, Err(webpki::Error::CertRevoked))
}

/// Checks a chain completely.
fn check(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    now: UnixTime,
    pins: &Pins,
    algorithms: WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let seconds = i64::try_from(now.as_secs()).map_err(|_| malformed())?;
    let (key, _, parsed) = find(leaf, rest, &pins.trust())?;
    check_dates(&parsed, seconds)?;
    if !key.holds(seconds) {
        return Err(foreign_key());
    }
    let issuer = match key.anchor {
        Anchor::Leaf => leaf,
        Anchor::Authority => {
            let issuer = rest.first().ok_or_else(foreign_key)?;
            check_authority(issuer, seconds)?;
            crl::verify(leaf, issuer, algorithms.all, now, (&[], ExpirationPolicy::Enforce))
                .map_err(|error| webpki_error(&error))?;
            issuer
        }
    };
    let lists = pins.crls().check(leaf, issuer, algorithms.all, now, ExpirationPolicy::Enforce);
    lists.map_err(|error| webpki_error(&error))
}

/// Finds the accepted key a chain belongs to, and refuses withdrawn keys and another SPIFFE id than the card's.
fn find<'c>(
    leaf: &'c CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    trust: &Trust,
) -> Result<(AcceptedKey, SpkiPin, X509Certificate<'c>), Error> {
    let (remainder, parsed) = X509Certificate::from_der(leaf).map_err(|_| malformed())?;
    if !remainder.is_empty() || rest.len() > 1 {
        return Err(malformed());
    }
    let leaf_pin = spki_pin(leaf).map_err(|_| malformed())?;
    let authority_pin = rest.first().map(|authority| spki_pin(authority).map_err(|_| malformed())).transpose()?;
    if trust.revoked.contains(&leaf_pin) || authority_pin.is_some_and(|pin| trust.revoked.contains(&pin)) {
        return Err(Error::InvalidCertificate(CertificateError::Revoked));
    }
    let key = trust.accepted.iter().find(|key| match key.anchor {
        Anchor::Leaf => key.pin == leaf_pin,
        Anchor::Authority => Some(key.pin) == authority_pin,
    });
    let key = key.ok_or_else(foreign_key)?;
    if let Some(id) = &key.spiffe_id
        && spiffe_id_of(&parsed).ok().flatten().as_ref() != Some(id)
    {
        return Err(Error::InvalidCertificate(CertificateError::NotValidForName));
    }
    Ok((key.clone(), leaf_pin, parsed))
}

fn check_dates(certificate: &X509Certificate<'_>, now: i64) -> Result<(), Error> {
    let validity = certificate.validity();
    if now < validity.not_before.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    if now > validity.not_after.timestamp() {
        return Err(Error::InvalidCertificate(CertificateError::Expired));
    }
    Ok(())
}

/// What webpki does not ask of a trust anchor: that it is an authority and within its dates.
fn check_authority(certificate: &CertificateDer<'_>, now: i64) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| malformed())?;
    check_dates(&parsed, now)?;
    if parsed.is_ca() { Ok(()) } else { Err(foreign_key()) }
}

fn webpki_error(error: &webpki::Error) -> Error {
    Error::InvalidCertificate(match error {
        webpki::Error::CertRevoked => CertificateError::Revoked,
        webpki::Error::CertExpired { .. } => CertificateError::Expired,
        webpki::Error::CertNotValidYet { .. } => CertificateError::NotValidYet,
        webpki::Error::CrlExpired { .. } => CertificateError::ExpiredRevocationList,
        webpki::Error::UnknownRevocationStatus
        | webpki::Error::InvalidCrlSignatureForPublicKey
        | webpki::Error::IssuerNotCrlSigner => CertificateError::UnknownRevocationStatus,
        webpki::Error::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        webpki::Error::UnknownIssuer => CertificateError::UnknownIssuer,
        _ => CertificateError::BadEncoding,
    })
}

const fn malformed() -> Error {
    Error::InvalidCertificate(CertificateError::BadEncoding)
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
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        check(end_entity, intermediates, now, &self.pins, self.algorithms)?;
        Ok(ClientCertVerified::assertion())
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
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        check(end_entity, intermediates, now, &self.pins, self.algorithms)?;
        Ok(ServerCertVerified::assertion())
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
