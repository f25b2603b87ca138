//! What a certificate says: serial, end, key; and the certificate numbers that Alipay makes of it.

use crate::KeyError;
use domain::Instant;
use md5::{Digest, Md5};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::*;

/// Facts of one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Serial number in upper-case hex, as WeChat Pay names certificates.
    pub serial: String,
    /// Serial number in decimal digits.
    pub serial_decimal: String,
    /// Issuer, last attribute first: `CN=…,OU=…,O=…,C=…`.
    pub issuer: String,
    /// It counts from here.
    pub not_before: Instant,
    /// It counts no longer after this.
    pub not_after: Instant,
    /// Object identifier of its signature algorithm.
    pub signature_algorithm: String,
    /// Subject public key info, DER.
    pub public_key: Vec<u8>,
}

impl CertificateFacts {
    /// Reads one certificate, DER.
    pub fn read(der: &[u8]) -> Result<CertificateFacts, KeyError> {
        let (_, cert) =
            X509Certificate::from_der(der).map_err(|_| KeyError::Unreadable("a certificate in DER"))?;
        let names: Vec<String> = cert.issuer().iter_attributes().map(attribute).collect();
        let at = |time: &ASN1Time| Instant::from_secs(time.timestamp());
        let serial = cert.raw_serial();
        let digits = serial
            .iter()
            .skip_while(|b| **b == 0)
            .map(|b| format!("{b:02X}"))
            .collect::<String>();
        Ok(CertificateFacts {
            serial: digits,
            serial_decimal: cert.tbs_certificate.serial.to_string(),
            issuer: names.into_iter().rev().collect::<Vec<_>>().join(","),
            not_before: at(&cert.validity().not_before),
            not_after: at(&cert.validity().not_after),
            signature_algorithm: cert.signature_algorithm.algorithm.to_id_string(),
            public_key: cert.public_key().raw.to_vec(),
        })
    }

    /// Reads every certificate of a PEM text.
    pub fn read_pem(pem: &[u8]) -> Result<Vec<CertificateFacts>, KeyError> {
        let unreadable = || KeyError::Unreadable("certificates in PEM");
        let ders: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| unreadable())?;
        if ders.is_empty() {
            return Err(unreadable());
        }
        ders.iter().map(|der| Self::read(der)).collect()
    }

    /// Alipay's number of this certificate: MD5 over issuer and decimal serial (channels.md 3.6).
    pub fn alipay_sn(&self) -> String {
        hex::encode(
            Md5::new()
                .chain_update(&self.issuer)
                .chain_update(&self.serial_decimal)
                .finalize(),
        )
    }
}

/// Alipay's number of a root file: the numbers of its RSA-signed certificates, joined (channels.md 3.6).
pub fn alipay_root_sn(pem: &[u8]) -> Result<String, KeyError> {
    let all = CertificateFacts::read_pem(pem)?;
    let rsa = all
        .iter()
        .filter(|c| c.signature_algorithm.starts_with("1.2.840.113549.1.1"));
    Ok(rsa.map(CertificateFacts::alipay_sn).collect::<Vec<_>>().join("_"))
}

fn attribute(attribute: &AttributeTypeAndValue<'_>) -> String {
    let oid = attribute.attr_type().to_id_string();
    let name = match oid.as_str() {
        "2.5.4.3" => "CN",
        "2.5.4.6" => "C",
        "2.5.4.7" => "L",
        "2.5.4.8" => "ST",
        "2.5.4.10" => "O",
        "2.5.4.11" => "OU",
        "1.2.840.113549.1.9.1" => "E",
        other => other,
    };
    format!("{name}={}", attribute.as_str().unwrap_or_default())
}
