//! What the configuration names outside: folders, certificates, addresses.

use super::Check;
use crate::config::Config;
use journal::VerifierKey;
use std::{fs, path::Path};

const PEM_ROOTS: &str = "a readable file of CA certificates in PEM";

impl Check<'_> {
    /// The journal must be able to write here before a port opens.
    pub(super) fn data(&mut self, data: &Path) {
        if !self.sound("data") {
            return;
        }
        let probe = data.join(format!(".check-{}", std::process::id()));
        let written = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&probe)
            .and_then(|_| fs::remove_file(&probe));
        if let Err(error) = written {
            self.add(
                "data",
                format!("{}: {error}", data.display()),
                "a folder that the service's user can write to",
            );
        }
    }

    /// A file's content; what is wrong with it goes on the list.
    fn content(&mut self, path: &str, file: &Path, right: &str) -> Option<Vec<u8>> {
        if !self.sound(path) {
            return None;
        }
        fs::read(file)
            .map_err(|error| self.add(path, format!("{}: {error}", file.display()), right))
            .ok()
    }

    fn ca(&mut self, path: &str, file: &Path) {
        if let Some(pem) = self.content(path, file, PEM_ROOTS)
            && let Err(error) = certs::tls::client(&pem, None)
        {
            self.add(path, format!("{}: {error}", file.display()), PEM_ROOTS);
        }
    }

    pub(super) fn roots(&mut self, config: &Config) {
        if let Some(file) = &config.notify_roots {
            self.ca("notify_roots", file);
        }
    }

    pub(super) fn cases(&mut self, config: &Config) {
        let Some(cases) = &config.cases else { return };
        if self.sound("cases.url") && !is_https(&cases.url) {
            self.add(
                "cases.url",
                "this is no address of a desk's journal listener",
                "write https://host:port without a path",
            );
        }
        self.ca("cases.ca", &cases.ca);
        let right = "a client certificate and its key, in readable PEM files that belong together";
        let (cert, key) = (
            self.content("cases.cert", &cases.cert, right),
            self.content("cases.key", &cases.key, right),
        );
        if let (Some(cert), Some(key), Ok(roots)) = (cert, key, fs::read(&cases.ca))
            && self.sound("cases.ca")
            && let Err(error) = certs::tls::client(&roots, Some((&cert, &key)))
        {
            self.add("cases.cert", format!("{}: {error}", cases.cert.display()), right);
        }
        let right = "the file with the desk's verifier key: name+id+base64 (C2SP signed-note, Ed25519)";
        if let Some(text) = self.content("cases.vkey_file", &cases.vkey_file, right)
            && String::from_utf8(text)
                .ok()
                .and_then(|text| VerifierKey::parse(&text))
                .is_none()
        {
            self.add(
                "cases.vkey_file",
                format!("{} holds no verifier key", cases.vkey_file.display()),
                right,
            );
        }
    }

    pub(super) fn telemetry(&mut self, config: &Config) {
        let lawful = |url: &str| {
            url.parse::<http::Uri>().is_ok_and(|u| {
                matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some_and(|h| !h.is_empty())
            })
        };
        if let Some(url) = &config.telemetry.otlp
            && !lawful(url)
        {
            self.add(
                "telemetry.otlp",
                "this is no address of an OTLP receiver",
                "write http://host:4317 (gRPC)",
            );
        }
    }
}

/// `https://host:port` and nothing behind.
fn is_https(url: &str) -> bool {
    url.parse::<http::Uri>().is_ok_and(|u| {
        u.scheme_str() == Some("https")
            && u.host().is_some_and(|h| !h.is_empty())
            && u.path() == "/"
            && u.query().is_none()
    })
}
