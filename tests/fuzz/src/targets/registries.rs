//! Signed files and configurations: wrong ones say where.

use super::parts;
use domain::{Amount, Code, CodeKind, CodeLevel, Digest, Instant, PayWay};
use policy::{
    registry::{AcquirerFile, LicenceFile, OperatorFile, Registries},
    routing::{Condition, MOST_LENGTH, Sale},
};
use std::sync::Arc;

/// Parts: licence, acquirer, operator registry.
pub(crate) fn registries(data: &[u8]) {
    let [licence, acquirer, operator] = parts(data);
    let digest = Digest::from_bytes([0; 32]);
    let files = (
        LicenceFile::parse(licence),
        AcquirerFile::parse(acquirer),
        OperatorFile::parse(operator),
    );
    if let (Ok(licence), Ok(acquirer), Ok(operator)) = files {
        match Registries::new(
            Arc::new(licence),
            digest,
            vec![(acquirer, digest)],
            (operator, digest),
        ) {
            Ok(registries) => registries
                .merchants()
                .for_each(|m| assert!(registries.merchant(&m.id).is_some())),
            Err(problems) => assert!(!problems.is_empty() && problems.iter().all(|p| !p.right.is_empty())),
        }
    }
}

/// The proxy's configuration.
pub(crate) fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(problems) = proxy::config::Config::parse(text) {
        let lines = text.matches('\n').count() + 1;
        assert!(!problems.is_empty());
        problems
            .iter()
            .for_each(|p| assert!(p.line <= lines && !p.right.is_empty(), "{p}"));
    }
}

/// A routing rule's condition: compiles and can be evaluated, or says where it is wrong. The same text holds or does not.
pub(crate) fn condition(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Condition::compile(text) {
        Ok(condition) => {
            assert!(text.len() <= MOST_LENGTH);
            let sale = Sale {
                amount: Amount::from_fen(12_345),
                pay_way: PayWay::Native,
                at: Instant::from_secs(1_795_669_500),
                terminal: Some("POS-7"),
                area: None,
                product: Some("tea"),
                code: Code {
                    kind: CodeKind::Dynamic,
                    level: CodeLevel::B,
                },
            };
            let again = Condition::compile(text).expect("compiled before");
            assert_eq!(condition.holds(&sale), again.holds(&sale));
        }
        Err(faulty) => assert!(
            faulty.at <= text.chars().count() + 1 && !faulty.right.is_empty(),
            "{faulty}"
        ),
    }
}
