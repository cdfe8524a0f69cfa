//! Certificates, handshakes and bare connections.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rcgen::{
    CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, PublicKeyData, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};
use symbolon_node::home::Home;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_parser::prelude::{AttributeTypeAndValue, FromDer, X509Certificate};

/// How long a port may take to end a connection it refuses.
const END_MAX: Duration = Duration::from_secs(20);

/// A certificate and the key behind it.
#[derive(Clone, Debug)]
pub struct Identity(Arc<CertifiedKey>);

impl Identity {
    /// The true identity of a node.
    #[must_use]
    pub fn of(home: &Home) -> Self {
        Self(Arc::clone(home.keys().tls().certified()))
    }

    /// A fresh key with a certificate that says what `change` makes it say.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn made(change: impl FnOnce(&mut CertificateParams)) -> Result<Self> {
        Self::with(&KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?, change)
    }

    /// The true key of a node under a certificate that says what `change` makes it say.
    ///
    /// # Errors
    /// When the key cannot be read or the certificate cannot be made.
    pub fn reissued(home: &Home, change: impl FnOnce(&mut CertificateParams)) -> Result<Self> {
        let key = Stolen::of(home).context("the node's key is no P-256 key")?;
        let certificate = params(change)?.self_signed(&key)?;
        Ok(Self(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], Arc::clone(&key.identity.key)))))
    }

    /// The certificate of one with the key of another: what a thief of the certificate alone has.
    #[must_use]
    pub fn without_its_key(&self, other: &Self) -> Self {
        Self(Arc::new(CertifiedKey::new(self.0.cert.clone(), Arc::clone(&other.0.key))))
    }

    /// What a server or a client shows.
    #[must_use]
    pub fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }

    fn with(key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Result<Self> {
        let certificate = params(change)?.self_signed(key)?;
        let private = PrivateKeyDer::try_from(key.serialize_der()).map_err(anyhow::Error::msg)?;
        let signing = rustls::crypto::aws_lc_rs::sign::any_supported_type(&private)?;
        Ok(Self(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], signing))))
    }
}

/// A list of withdrawn certificates (CRL, DER) that a node's own key signed, as the issuer of its certificate: with that
/// certificate on it, or with none.
///
/// # Errors
/// When the certificate cannot be read or the list cannot be made.
pub fn withdrawals(home: &Home, withdrawn: bool) -> Result<Vec<u8>> {
    let key = Stolen::of(home).context("the node's key is no P-256 key")?;
    let keys = home.keys();
    let (_, certificate) = X509Certificate::from_der(keys.tls_certificate_der())?;
    let name = |part: Option<&AttributeTypeAndValue<'_>>| -> Result<String> {
        Ok(part.context("the certificate names no institution")?.as_str()?.to_owned())
    };
    let mut issuer = CertificateParams::default();
    issuer.distinguished_name = DistinguishedName::new();
    issuer.distinguished_name.push(DnType::OrganizationName, name(certificate.subject().iter_organization().next())?);
    issuer.distinguished_name.push(DnType::CommonName, name(certificate.subject().iter_common_name().next())?);
    issuer.key_usages = vec![KeyUsagePurpose::CrlSign];
    let entry = RevokedCertParams {
        serial_number: SerialNumber::from_slice(certificate.raw_serial()),
        revocation_time: date_time_ymd(2026, 1, 1),
        reason_code: None,
        invalidity_date: None,
    };
    let list = CertificateRevocationListParams {
        this_update: date_time_ymd(2026, 1, 1),
        next_update: date_time_ymd(2126, 1, 1),
        crl_number: SerialNumber::from(1_u64 + u64::from(withdrawn)),
        issuing_distribution_point: None,
        revoked_certs: withdrawn.then_some(entry).into_iter().collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    Ok(list.signed_by(&Issuer::from_params(&issuer, &key))?.der().to_vec())
}

fn params(change: impl FnOnce(&mut CertificateParams)) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(vec!["hostile.example".to_owned()])?;
    change(&mut params);
    Ok(params)
}

/// A node's key as far as one gets hold of it: it signs, and the certificate says what the public half is.
struct Stolen {
    identity: Arc<CertifiedKey>,
    point: [u8; 65],
}

impl Stolen {
    fn of(home: &Home) -> Option<Self> {
        // The end of the algorithm identifier for P-256 (RFC 5480), and a bit string of 65 bytes.
        const BEFORE: [u8; 13] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00];
        let identity = Arc::clone(home.keys().tls().certified());
        let der = identity.cert.first()?;
        let at = der.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
        let point = *der.get(at..)?.first_chunk()?;
        Some(Self { identity, point })
    }
}

impl PublicKeyData for Stolen {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Stolen {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signer = self.identity.key.choose_scheme(&[SignatureScheme::ECDSA_NISTP256_SHA256]);
        signer.ok_or(rcgen::Error::RemoteKeyError)?.sign(message).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

/// Shows one identity, or none, and takes any server's.
#[derive(Debug)]
struct Careless(Option<Identity>, Arc<CryptoProvider>);

impl ResolvesClientCert for Careless {
    fn resolve(&self, _hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.as_ref().map(Identity::certified)
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

impl ServerCertVerifier for Careless {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.1.signature_verification_algorithms.supported_schemes()
    }
}

/// Performs a client's handshake as it likes.
///
/// # Errors
/// When the server ends it.
pub async fn handshake(
    address: SocketAddr,
    identity: Option<Identity>,
    versions: &[&'static SupportedProtocolVersion],
    protocol: &[u8],
) -> Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let careless = Arc::new(Careless(identity, Arc::clone(&provider)));
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&careless) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(careless);
    config.alpn_protocols = vec![protocol.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    let tcp = TcpStream::connect(address).await?;
    let name = ServerName::try_from("peer.symbolon.invalid")?;
    Ok(TlsConnector::from(Arc::new(config)).connect(name, tcp).await?)
}

/// Knocks on a port: handshakes and listens for what a node says first. Gives the documented word for a refusal.
///
/// # Errors
/// When the port lets it in.
pub async fn knock(
    address: SocketAddr,
    identity: Option<Identity>,
    versions: &[&'static SupportedProtocolVersion],
    protocol: &[u8],
) -> Result<String> {
    let heard = async {
        let mut stream = handshake(address, identity, versions, protocol).await?;
        let mut first = [0_u8; 64];
        match stream.read(&mut first).await? {
            0 => anyhow::Ok("PEER_GONE".to_owned()),
            _ => bail!("the port let it in"),
        }
    };
    match tokio::time::timeout(END_MAX, heard).await.context("the port neither answers nor ends the connection")? {
        Ok(word) => Ok(word),
        Err(error) => match error.downcast_ref::<std::io::Error>() {
            Some(io) if is_alert(io) => Ok("PEER_REFUSED_US".to_owned()),
            Some(_) => Ok("PEER_GONE".to_owned()),
            None => Err(error),
        },
    }
}

fn is_alert(error: &std::io::Error) -> bool {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(tls, Some(rustls::Error::AlertReceived(_)))
}

/// A bare connection that has sent `bytes`; waits until the port ends it and gives the word for that.
///
/// # Errors
/// When the port keeps it.
pub async fn plain(address: SocketAddr, bytes: &[u8]) -> Result<String> {
    use tokio::io::AsyncWriteExt;
    let mut tcp = TcpStream::connect(address).await?;
    tcp.write_all(bytes).await?;
    let ended = async {
        let mut sink = [0_u8; 1024];
        // An alert before the end is an end as well.
        while matches!(tcp.read(&mut sink).await, Ok(count) if count > 0) {}
    };
    tokio::time::timeout(END_MAX, ended).await.context("the port keeps the connection")?;
    Ok("PEER_GONE".to_owned())
}
