//! Certificate numbers as Alipay's certificate mode computes them.

use md5::{Digest, Md5};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Why a certificate has no number.
#[derive(Debug, thiserror::Error)]
pub enum SnError {
    /// Not a PEM file of certificates.
    #[error("not a PEM file of certificates")]
    Pem,
    /// Not an X.509 certificate.
    #[error("not an X.509 certificate")]
    X509,
}

/// The number of the first certificate of a PEM text: lower-case hex MD5 of issuer and decimal serial number.
pub fn cert_sn(pem: &str) -> Result<String, SnError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| SnError::Pem)?;
    let (_, cert) = X509Certificate::from_der(&der).map_err(|_| SnError::X509)?;
    Ok(sn_of(&cert))
}

/// The serial of the first certificate of a PEM text, in decimal digits: UnionPay's `certId`.
pub fn decimal_serial(pem: &str) -> Result<String, SnError> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| SnError::Pem)?;
    let (_, cert) = X509Certificate::from_der(&der).map_err(|_| SnError::X509)?;
    Ok(cert.tbs_certificate.serial.to_string())
}

/// The number of a root file: the numbers of its RSA-signed certificates, joined by `_`.
pub fn root_cert_sn(pem: &str) -> Result<String, SnError> {
    let mut numbers = Vec::new();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let der = der.map_err(|_| SnError::Pem)?;
        let (_, cert) = X509Certificate::from_der(&der).map_err(|_| SnError::X509)?;
        if cert
            .signature_algorithm
            .algorithm
            .to_id_string()
            .starts_with("1.2.840.113549.1.1")
        {
            numbers.push(sn_of(&cert));
        }
    }
    Ok(numbers.join("_"))
}

fn sn_of(cert: &X509Certificate<'_>) -> String {
    let text = format!("{}{}", issuer_name(cert.issuer()), cert.tbs_certificate.serial);
    hex::encode(Md5::digest(text.as_bytes()))
}

/// The issuer as Java's `getName` writes it: last attribute of the certificate first.
fn issuer_name(name: &X509Name<'_>) -> String {
    let mut parts: Vec<String> = name
        .iter_attributes()
        .map(|a| {
            let oid = a.attr_type().to_id_string();
            let short = match oid.as_str() {
                "2.5.4.3" => "CN",
                "2.5.4.6" => "C",
                "2.5.4.7" => "L",
                "2.5.4.8" => "ST",
                "2.5.4.10" => "O",
                "2.5.4.11" => "OU",
                other => other,
            };
            format!("{short}={}", a.as_str().unwrap_or_default())
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn vector(id: &str) -> (String, String) {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors");
        let text = std::fs::read_to_string(format!("{dir}/alipay_cert.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&text).unwrap();
        let case = file["cases"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["id"] == id)
            .unwrap()
            .clone();
        let cert = case["input"]["cert"].as_str().unwrap();
        let pem = std::fs::read_to_string(format!("{dir}/{cert}")).unwrap();
        (pem, case["expect"]["sn"].as_str().unwrap().to_owned())
    }

    #[test]
    fn numbers_agree_with_two_published_clients() {
        for id in ["app_cert_sn", "alipay_cert_sn"] {
            let (pem, sn) = vector(id);
            assert_eq!(cert_sn(&pem).unwrap(), sn, "{id}");
        }
        let (pem, sn) = vector("alipay_root_cert_sn");
        assert_eq!(root_cert_sn(&pem).unwrap(), sn);
    }
}
