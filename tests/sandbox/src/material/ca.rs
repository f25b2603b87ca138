//! One CA for all listeners of a demo, and the server certificates it issues.

use super::{MaterialError, random, read, write};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber,
};
use std::path::Path;

pub(super) const CERT: &str = "ca.pem";
pub(super) const KEY: &str = "ca-key.pem";

/// The demo CA: its certificate for trust stores, its key for issuing.
pub struct Ca {
    cert_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    /// Makes a new CA and writes `ca.pem` and `ca-key.pem` into `dir`.
    pub fn generate(dir: &Path) -> Result<Ca, MaterialError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let cert_pem = params()?.self_signed(&key)?.pem();
        write(&dir.join(CERT), &cert_pem)?;
        write(&dir.join(KEY), &key.serialize_pem())?;
        Ok(Ca {
            cert_pem,
            issuer: Issuer::new(params()?, key),
        })
    }

    /// Reads the CA that [`Ca::generate`] wrote into `dir`.
    pub fn read(dir: &Path) -> Result<Ca, MaterialError> {
        let key = KeyPair::from_pem(&read(&dir.join(KEY))?)?;
        Ok(Ca {
            cert_pem: read(&dir.join(CERT))?,
            issuer: Issuer::new(params()?, key),
        })
    }

    /// The certificate, PEM.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }
}

/// Issues a server certificate (ECDSA P-256) for host names and IP addresses: certificate PEM and key PEM.
pub fn issue(ca: &Ca, names: &[&str]) -> Result<(String, String), MaterialError> {
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let common_name = names.first().cloned().unwrap_or_else(|| "localhost".to_owned());
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.serial_number = Some(SerialNumber::from_slice(&random::<16>()?));
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    // Some TLS stacks refuse server certificates that live longer than 825 days.
    set_validity(&mut params, 2);
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
    let cert = params.signed_by(&key, &ca.issuer)?;
    Ok((cert.pem(), key.serialize_pem()))
}

/// The CA's parameters are fixed, so that reading the key back gives the same issuer.
fn params() -> Result<CertificateParams, MaterialError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Guandao sandbox");
    params
        .distinguished_name
        .push(DnType::CommonName, "Guandao sandbox demo CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    set_validity(&mut params, 10);
    Ok(params)
}

/// Valid from this month for so many years: long enough for a demo, short enough for picky clients.
pub(super) fn set_validity(params: &mut CertificateParams, years: i32) {
    let (year, month) = this_month();
    params.not_before = rcgen::date_time_ymd(year, month, 1);
    params.not_after = rcgen::date_time_ymd(year + years, month, 1);
}

fn this_month() -> (i32, u8) {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC);
    (now.year().into(), now.month().unsigned_abs())
}
