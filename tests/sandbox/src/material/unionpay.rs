//! UnionPay's keys: one root, one middle certificate, one signer and one encryption certificate for everybody, and each
//! merchant's signing certificate and secure key (channels.md 4.2).

use super::ca::set_validity;
use super::{MaterialError, gm::pem, make_dir, random, write};
use crate::channels::ccb::rsa::Private;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SerialNumber,
};
use serde::{Deserialize, Serialize};
use std::path::Path;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A merchant number at UnionPay.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnionpayAccount {
    /// Merchant number, 15 digits.
    pub mer_id: String,
    /// The merchant's signing certificate; its decimal serial is `certId`.
    pub cert_file: String,
    /// Its private key, PKCS#8 PEM.
    pub key_file: String,
    /// UnionPay's root certificate.
    pub root_cert_file: String,
    /// UnionPay's middle certificate.
    pub middle_cert_file: String,
    /// UnionPay's certificate for sensitive fields.
    pub enc_cert_file: String,
    /// The secret of signMethod 11 and 12, 32 ASCII characters.
    pub secure_key: String,
}

/// UnionPay's own: what it signs with. No part of what a merchant is given.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UnionpayKeys {
    /// Private key of the signing certificate.
    pub key_file: String,
    /// The signing certificate over SHA-1, as published ones of UnionPay's are; it travels with every second order's messages, with
    /// the others one of the same key over SHA-256.
    pub cert_file: String,
}

/// What all merchants share, made once.
pub(super) struct House {
    middle: Issuer<'static, KeyPair>,
    pub(super) keys: UnionpayKeys,
}

const ROOT: &str = "unionpay/acp_root.cer";
const MIDDLE: &str = "unionpay/acp_middle.cer";
pub(crate) const SIGN_SHA256: &str = "unionpay/sign_sha256.cer";
const ENC: &str = "unionpay/acp_enc.cer";

/// The name under which UnionPay signs, third between `@`. A test environment may say `00040000:SIGN` as well (channels.md
/// 4.2), but some published clients take this one only.
pub const SIGNER: &str = "中国银联股份有限公司";

impl House {
    pub(super) fn make(dir: &Path) -> Result<House, MaterialError> {
        make_dir(&dir.join("unionpay"))?;
        let (root_key, middle_key, sign_key, enc_key) = (rsa()?, rsa()?, rsa()?, rsa()?);
        let root_params = authority("Sandbox CFCA ACS TEST CA")?;
        write(&dir.join(ROOT), &root_params.self_signed(&root_key)?.pem())?;
        let root = Issuer::new(root_params, root_key);
        let middle_params = authority("Sandbox CFCA ACS TEST OCA31")?;
        write(
            &dir.join(MIDDLE),
            &middle_params.signed_by(&middle_key, &root)?.pem(),
        )?;
        let middle = Issuer::new(middle_params, middle_key);
        write(
            &dir.join(ENC),
            &leaf(&format!("041@Z2013@{SIGNER}:ENC@00000002"))?
                .signed_by(&enc_key, &middle)?
                .pem(),
        )?;
        let keys = UnionpayKeys {
            key_file: "unionpay/sign_key.pem".into(),
            cert_file: "unionpay/sign.cer".into(),
        };
        let signer = || -> Result<_, MaterialError> {
            Ok(leaf(&format!("041@Z2013@{SIGNER}@00000001"))?.signed_by(&sign_key, &middle)?)
        };
        write(
            &dir.join(&keys.cert_file),
            &over_sha1(signer()?.der(), middle.key())?,
        )?;
        write(&dir.join(SIGN_SHA256), &signer()?.pem())?;
        write(&dir.join(&keys.key_file), &sign_key.serialize_pem())?;
        Ok(House { middle, keys })
    }

    pub(super) fn merchant(&self, dir: &Path, number: usize) -> Result<UnionpayAccount, MaterialError> {
        let mer_id = format!("{}", 777_290_058_110_048_u64 + number as u64);
        let folder = format!("merchant-{number}/unionpay");
        make_dir(&dir.join(&folder))?;
        let key = rsa()?;
        let cert = leaf(&format!("041@8{mer_id}@{mer_id}@00000001"))?.signed_by(&key, &self.middle)?;
        let (cert_file, key_file) = (
            format!("{folder}/acp_sign.cer"),
            format!("{folder}/acp_sign_key.pem"),
        );
        write(&dir.join(&cert_file), &cert.pem())?;
        write(&dir.join(&key_file), &key.serialize_pem())?;
        const SET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyzABCDEFG23";
        let secure_key = random::<32>()?
            .iter()
            .map(|b| char::from(SET[usize::from(b % 32)]))
            .collect();
        Ok(UnionpayAccount {
            mer_id,
            cert_file,
            key_file,
            root_cert_file: ROOT.into(),
            middle_cert_file: MIDDLE.into(),
            enc_cert_file: ENC.into(),
            secure_key,
        })
    }
}

/// The same certificate, signed over SHA-1: its algorithm's last octet is another in both places, its signature too.
fn over_sha1(der: &[u8], issuer: &KeyPair) -> Result<String, MaterialError> {
    const SHA256: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    let bad = || MaterialError::Unreadable(MIDDLE.into(), "an issuer with an RSA key");
    let mut der = der.to_vec();
    for at in 0..der.len() - SHA256.len() {
        if der[at..].starts_with(&SHA256) {
            der[at + SHA256.len() - 1] = 5;
        }
    }
    let issuer = Private::of(issuer.serialized_der()).ok_or_else(bad)?;
    let (_, cert) = X509Certificate::from_der(&der).map_err(|_| bad())?;
    let signature = hex::decode(issuer.sign_sha1(cert.tbs_certificate.as_ref())).map_err(|_| bad())?;
    let begin = der.len() - signature.len();
    der[begin..].copy_from_slice(&signature);
    Ok(pem("CERTIFICATE", &der))
}

fn rsa() -> Result<KeyPair, MaterialError> {
    Ok(KeyPair::generate_rsa_for(
        &rcgen::PKCS_RSA_SHA256,
        rcgen::RsaKeySize::_2048,
    )?)
}

fn params(common_name: &str, years: i32) -> Result<CertificateParams, MaterialError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, "CN");
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Guandao sandbox");
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Short, as UnionPay's are: the decimal spelling of it names the certificate.
    let mut serial = random::<5>()?;
    serial[0] = 0x10 + serial[0] % 16;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    set_validity(&mut params, years);
    Ok(params)
}

fn authority(common_name: &str) -> Result<CertificateParams, MaterialError> {
    let mut params = params(common_name, 20)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn leaf(common_name: &str) -> Result<CertificateParams, MaterialError> {
    let mut params = params(common_name, 5)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    Ok(params)
}
