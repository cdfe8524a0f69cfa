//! Certificates over time: dates, SPIFFE ids, windows, authorities and lists of withdrawn certificates.

use std::path::Path;

use chrono::Datelike;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer, KeyIdMethod, KeyPair,
    KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use symbolon_policy::Anchor;

use super::*;
use crate::keys::TlsPair;

const ID: &str = "spiffe://bank.example/symbolon/1";

fn serial_of(offset: i64) -> SerialNumber {
    SerialNumber::from(offset.unsigned_abs())
}

/// A certificate with the SPIFFE id `id`, good from `from` to `until` days from now.
fn params(id: &str, (from, until): (i64, i64), serial: i64) -> CertificateParams {
    let date = |days: i64| {
        let day = SystemClock.now() + chrono::Duration::days(days);
        rcgen::date_time_ymd(day.year(), u8::try_from(day.month()).unwrap(), u8::try_from(day.day()).unwrap())
    };
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.subject_alt_names.push(SanType::URI(id.try_into().unwrap()));
    (params.not_before, params.not_after) = (date(from), date(until));
    params.serial_number = Some(serial_of(serial));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::CrlSign];
    params
}

fn pair(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> TlsPair {
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let certified = CertifiedKey::new(chain, any_supported_type(&der).unwrap());
    TlsPair::new(certified, Path::new("tls.crt")).unwrap()
}

fn self_signed(params: &CertificateParams) -> (TlsPair, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (pair(vec![certificate.der().clone()], &key), key)
}

fn accepted(pair: &TlsPair) -> AcceptedKey {
    let spiffe_id = Some(ID.parse().unwrap());
    AcceptedKey { pin: pair.pin(), anchor: pair.anchor(), spiffe_id, not_before: None, not_after: None }
}

/// What happens to a client that shows `shown` at a port that accepts `key`, under lists of withdrawn certificates:
/// the reason a client sees that judges a server showing the same.
#[expect(clippy::unwrap_in_result, reason = "a test fails by a panic")]
fn judge(shown: &TlsPair, key: AcceptedKey, crls: Crls) -> Result<(), String> {
    let pins = Pins::with_crls([key].into_iter().collect(), crls);
    let verifier = ServerVerifier::new(pins, provider().signature_verification_algorithms);
    let now = UnixTime::since_unix_epoch(Duration::from_secs(SystemClock.now().timestamp().unsigned_abs()));
    let name = ServerName::try_from("x.pin.symbolon.invalid").unwrap();
    let chain = &shown.certified().cert;
    use rustls::client::danger::ServerCertVerifier;
    match verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], now) {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(error)) => {
            Err(Error::from(certificate_error(&error)).reason().to_owned())
        }
        Err(other) => panic!("{other}"),
    }
}

fn crls(dir: &Path, list: &[u8]) -> Crls {
    let path = dir.join("list.crl");
    std::fs::write(&path, list).unwrap();
    Crls::load(&[path]).unwrap()
}

fn list(issuer: &Issuer<'_, &KeyPair>, serials: &[i64], until_days: i64) -> Vec<u8> {
    let date = |days: i64| {
        let day = SystemClock.now() + chrono::Duration::days(days);
        rcgen::date_time_ymd(day.year(), u8::try_from(day.month()).unwrap(), u8::try_from(day.day()).unwrap())
    };
    let revoked = |serial: &i64| RevokedCertParams {
        serial_number: serial_of(*serial),
        revocation_time: date(-2),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: date(-30),
        next_update: date(until_days),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: serials.iter().map(revoked).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().der().to_vec()
}

#[test]
fn dates_are_held_to_the_nodes_clock() {
    let key = |span| self_signed(&params(ID, span, 7)).0;
    for (span, expected) in
        [((-10, 10), Ok(())), ((-10, -3), Err("PEER_CERTIFICATE_DATES")), ((3, 9), Err("PEER_CERTIFICATE_DATES"))]
    {
        let pair = key(span);
        let outcome = judge(&pair, accepted(&pair), Crls::default());
        assert_eq!(outcome.as_ref().map_err(String::as_str).copied(), expected, "{span:?}");
    }
}

#[test]
fn the_spiffe_id_must_be_the_one_uri_of_the_certificate() {
    let other = self_signed(&params("spiffe://bank.example/symbolon/2", (-1, 9), 7)).0;
    assert_eq!(judge(&other, accepted(&other), Crls::default()), Err("PEER_SPIFFE_ID".to_owned()));
    let mut two = params(ID, (-1, 9), 7);
    two.subject_alt_names.push(SanType::URI("spiffe://evil.example/x".try_into().unwrap()));
    let two = self_signed(&two).0;
    assert_eq!(judge(&two, accepted(&two), Crls::default()), Err("PEER_SPIFFE_ID".to_owned()));
    // A card without an id asks for none.
    let plain = AcceptedKey { spiffe_id: None, ..accepted(&two) };
    assert_eq!(judge(&two, plain, Crls::default()), Ok(()));
}

#[test]
fn a_pin_holds_in_its_window_only() {
    let pair = self_signed(&params(ID, (-1, 9), 7)).0;
    let now = SystemClock.now().timestamp();
    let window = |from, until| AcceptedKey { not_before: Some(from), not_after: Some(until), ..accepted(&pair) };
    assert_eq!(judge(&pair, window(now - 60, now + 60), Crls::default()), Ok(()));
    // After the overlap, and before the key is due.
    for (from, until) in [(now - 60, now - 1), (now + 60, now + 90)] {
        assert_eq!(judge(&pair, window(from, until), Crls::default()), Err("PEER_CERTIFICATE".to_owned()));
    }
}

#[test]
fn a_withdrawn_certificate_is_refused_and_an_open_connection_falls() {
    let dir = tempfile::tempdir().unwrap();
    let params = params(ID, (-1, 9), 7);
    let (pair, key) = self_signed(&params);
    let issuer = Issuer::from_params(&params, &key);
    let stands =
        |crls: Crls| stands(&pair.certified().cert, &Pins::with_crls([accepted(&pair)].into_iter().collect(), crls));
    let other = crls(dir.path(), &list(&issuer, &[8], 9));
    assert_eq!(judge(&pair, accepted(&pair), other.clone()), Ok(()));
    assert!(stands(other));
    let withdrawn = crls(dir.path(), &list(&issuer, &[8, 7], 9));
    assert_eq!(judge(&pair, accepted(&pair), withdrawn.clone()), Err("PEER_CERTIFICATE_REVOKED".to_owned()));
    assert!(!stands(withdrawn));
    // A list that is out of date lets nobody in, and ends nothing.
    let stale = crls(dir.path(), &list(&issuer, &[8], -1));
    assert_eq!(judge(&pair, accepted(&pair), stale.clone()), Err("PEER_CRL".to_owned()));
    assert!(stands(stale));
    // A list in the issuer's name that somebody else signed counts for nothing and lets nobody in.
    let forger = KeyPair::generate().unwrap();
    let forged = crls(dir.path(), &list(&Issuer::from_params(&params, &forger), &[7], 9));
    assert_eq!(judge(&pair, accepted(&pair), forged.clone()), Err("PEER_CRL".to_owned()));
    assert!(stands(forged));
}

#[test]
fn a_file_that_is_no_list_is_refused_and_the_lists_before_stay() {
    let dir = tempfile::tempdir().unwrap();
    let params = params(ID, (-1, 9), 7);
    let (pair, key) = self_signed(&params);
    let crls = crls(dir.path(), &list(&Issuer::from_params(&params, &key), &[7], 9));
    let path = dir.path().join("list.crl");
    std::fs::write(&path, b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n").unwrap();
    assert_eq!(crls.reload(&[path]).unwrap_err().reason(), "CRL_MALFORMED");
    assert_eq!(judge(&pair, accepted(&pair), crls), Err("PEER_CERTIFICATE_REVOKED".to_owned()));
}

#[test]
fn an_authority_signs_short_lived_certificates_of_one_id() {
    let (authority_key, stranger_key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let mut authority = params("spiffe://bank.example", (-9, 99), 1);
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::from_params(&authority, &authority_key);
    let leaf = |id: &str, span, serial, issuer: &Issuer<'_, &KeyPair>| {
        let key = KeyPair::generate().unwrap();
        let leaf = params(id, span, serial).signed_by(&key, issuer).unwrap();
        pair(vec![leaf.der().clone(), certificate.der().clone()], &key)
    };
    let good = leaf(ID, (-1, 1), 20, &issuer);
    assert_eq!(good.anchor(), Anchor::Authority);
    let key = accepted(&good);
    assert_eq!(judge(&good, key.clone(), Crls::default()), Ok(()));
    // The next day's certificate passes under the same pin.
    assert_eq!(judge(&leaf(ID, (-1, 1), 21, &issuer), key.clone(), Crls::default()), Ok(()));
    let another = leaf("spiffe://bank.example/symbolon/2", (-1, 1), 22, &issuer);
    assert_eq!(judge(&another, key.clone(), Crls::default()), Err("PEER_SPIFFE_ID".to_owned()));
    let old = leaf(ID, (-9, -3), 23, &issuer);
    assert_eq!(judge(&old, key.clone(), Crls::default()), Err("PEER_CERTIFICATE_DATES".to_owned()));
    // Signed by somebody else under the authority's certificate.
    let forged = leaf(ID, (-1, 1), 24, &Issuer::from_params(&authority, &stranger_key));
    assert_eq!(judge(&forged, key.clone(), Crls::default()), Err("PEER_CERTIFICATE".to_owned()));
    let dir = tempfile::tempdir().unwrap();
    let withdrawn = crls(dir.path(), &list(&issuer, &[20], 9));
    assert_eq!(judge(&good, key.clone(), withdrawn.clone()), Err("PEER_CERTIFICATE_REVOKED".to_owned()));
    assert_eq!(judge(&leaf(ID, (-1, 1), 21, &issuer), key, withdrawn), Ok(()));
}
