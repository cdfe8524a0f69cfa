//! Lists of withdrawn certificates (CRL, RFC 5280 section 5), from files the operator names in `tls.crl`.
//!
//! A list counts for certificates of the issuer it names, when that issuer's key signed it: the institution's
//! authority, or the key of a certificate signed by itself. Where there is a list for an issuer:
//!
//! * a certificate on it is refused, at new connections and on open ones;
//! * a list past its `nextUpdate`, or one its issuer's key did not sign, refuses every new connection of that issuer
//!   until a fresh list is there, since it says nothing about withdrawals since; open connections go on.
//!
//! Issuers without a list are not affected. A file that is no list is an error at start; while the node runs, the
//! lists read before stay in force and the error is logged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, ExpirationPolicy, KeyUsage, OwnedCertRevocationList, RevocationCheckDepth,
    RevocationOptionsBuilder, anchor_from_trusted_cert,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::{Error, KeysError};
use crate::files;

const FILE_BYTES_MAX: u64 = 16 << 20;

/// The lists in force; replaced as a whole. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Crls(Arc<ArcSwap<Vec<CertRevocationList<'static>>>>);

impl Crls {
    /// Reads all lists.
    ///
    /// # Errors
    /// [`KeysError::Crl`] for a file that is no list; environment errors.
    pub fn load(paths: &[PathBuf]) -> Result<Self, Error> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(read_all(paths)?))))
    }

    /// Reads all lists anew; on an error the present ones stay.
    ///
    /// # Errors
    /// As [`Crls::load`].
    pub fn reload(&self, paths: &[PathBuf]) -> Result<(), Error> {
        self.0.store(Arc::new(read_all(paths)?));
        Ok(())
    }

    /// Checks a certificate against the lists of the issuer whose certificate is `issuer`; both are DER. For a
    /// certificate signed by itself they are the same.
    ///
    /// # Errors
    /// [`webpki::Error`]: withdrawn, list expired, or not signed by the issuer. Also when the issuer did not sign the
    /// certificate, if there is a list at all.
    pub(super) fn check(
        &self,
        certificate: &CertificateDer<'_>,
        issuer: &CertificateDer<'_>,
        algorithms: &[&dyn SignatureVerificationAlgorithm],
        now: UnixTime,
        expiration: ExpirationPolicy,
    ) -> Result<(), webpki::Error> {
        let all = self.0.load();
        let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| webpki::Error::BadDer)?;
        let name = sequence_content(parsed.issuer().as_raw()).ok_or(webpki::Error::BadDer)?;
        let lists: Vec<&CertRevocationList<'_>> = all.iter().filter(|list| list.issuer() == name).collect();
        if lists.is_empty() {
            return Ok(());
        }
        verify(certificate, issuer, algorithms, now, (&lists, expiration))
    }
}

/// Checks that `issuer` signed `certificate` at this time, for use in TLS, and against `lists`.
pub(super) fn verify(
    certificate: &CertificateDer<'_>,
    issuer: &CertificateDer<'_>,
    algorithms: &[&dyn SignatureVerificationAlgorithm],
    now: UnixTime,
    (lists, expiration): (&[&CertRevocationList<'_>], ExpirationPolicy),
) -> Result<(), webpki::Error> {
    let end_entity = EndEntityCert::try_from(certificate)?;
    let anchor = [anchor_from_trusted_cert(issuer)?];
    let revocation = RevocationOptionsBuilder::new(lists)
        .ok()
        .map(|options| options.with_depth(RevocationCheckDepth::EndEntity).with_expiration_policy(expiration).build());
    // A node shows one certificate at both ends.
    let usage = KeyUsage::client_auth();
    end_entity.verify_for_usage(algorithms, &anchor, &[], now, usage, revocation, None).map(drop)
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<CertRevocationList<'static>>, Error> {
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Result<CertRevocationList<'static>, Error> {
    let bytes = files::read(path, FILE_BYTES_MAX)?;
    let der = if bytes.starts_with(b"-----") {
        CertificateRevocationListDer::from_pem_slice(&bytes).map(|der| der.as_ref().to_vec()).ok()
    } else {
        Some(bytes)
    };
    let list = der.and_then(|der| OwnedCertRevocationList::from_der(&der).ok());
    Ok(list.ok_or_else(|| KeysError::Crl { path: path.to_path_buf() })?.into())
}

/// The content of a DER sequence, which is how webpki names an issuer.
fn sequence_content(der: &[u8]) -> Option<&[u8]> {
    let (header, rest) = der.split_first_chunk::<2>()?;
    if header[0] != 0x30 {
        return None;
    }
    match header[1] {
        length @ 0..=0x7F => Some(rest).filter(|rest| rest.len() == usize::from(length)),
        0x81 => rest.split_first().map(|(_, content)| content),
        0x82 => rest.get(2..),
        _ => None,
    }
}
