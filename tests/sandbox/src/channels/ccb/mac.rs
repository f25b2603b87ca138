//! What the bank's MAC is made over: pairs in a fixed order (channels.md 6.3).

use md5::{Digest, Md5};
use std::collections::BTreeMap;

/// An order's pairs; `PUB`, the end of the counter's public key, is signed and not sent.
pub(super) const ORDER: [&str; 16] = [
    "MERCHANTID",
    "POSID",
    "BRANCHID",
    "ORDERID",
    "PAYMENT",
    "CURCODE",
    "TXCODE",
    "REMARK1",
    "REMARK2",
    "TYPE",
    "PUB",
    "GATEWAY",
    "CLIENTIP",
    "REGINFO",
    "PROINFO",
    "REFERER",
];
/// A query's pairs; `QUPWD` is sent, and signed as if it were empty.
pub(super) const QUERY: [&str; 16] = [
    "MERCHANTID",
    "BRANCHID",
    "POSID",
    "ORDERDATE",
    "BEGORDERTIME",
    "ENDORDERTIME",
    "ORDERID",
    "QUPWD",
    "TXCODE",
    "TYPE",
    "KIND",
    "STATUS",
    "SEL_TYPE",
    "PAGE",
    "OPERATOR",
    "CHANNEL",
];

/// Parameters by name.
pub(super) type Params = BTreeMap<String, String>;

/// Reads a form; a name twice or a text beyond ASCII is refused: Chinese is escaped as JavaScript does.
pub(super) fn read(form: &[u8]) -> Result<Params, &'static str> {
    let mut all = Params::new();
    for (name, value) in form_urlencoded::parse(form) {
        if !value.is_ascii() {
            return Err("中文请使用escape函数");
        }
        if all.insert(name.into_owned(), value.into_owned()).is_some() {
            return Err("参数重复");
        }
    }
    Ok(all)
}

/// Whether exactly these pairs and a good MAC are there.
pub(super) fn is_good(params: &Params, names: &[&str], public_key: &str) -> Result<(), &'static str> {
    let mut text = Vec::new();
    let mut sent = 1;
    for name in names {
        let value = match (*name, params.get(*name)) {
            ("PUB", None) => public_key
                .get(public_key.len().saturating_sub(30)..)
                .unwrap_or_default(),
            ("PUB", Some(_)) => return Err("PUB不参与传送"),
            ("QUPWD", Some(_)) => "",
            (_, Some(value)) => value,
            (_, None) => return Err("缺少必选参数"),
        };
        sent += usize::from(*name != "PUB");
        text.push(format!("{name}={value}"));
    }
    if sent != params.len() {
        return Err("参数错误");
    }
    let wanted = hex::encode(Md5::digest(text.join("&")));
    if params.get("MAC") == Some(&wanted) {
        Ok(())
    } else {
        Err("MAC校验错误")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_over_every_pair_in_its_order_and_the_end_of_the_key() {
        let mut params: Params = ORDER
            .iter()
            .filter(|name| **name != "PUB")
            .map(|name| ((*name).to_owned(), "1".to_owned()))
            .collect();
        let key = "ab".repeat(40);
        let text: Vec<String> = ORDER
            .iter()
            .map(|name| format!("{name}={}", if *name == "PUB" { &key[50..] } else { "1" }))
            .collect();
        params.insert("MAC".into(), hex::encode(Md5::digest(text.join("&"))));
        assert_eq!(is_good(&params, &ORDER, &key), Ok(()));
        for name in ORDER.iter().filter(|name| **name != "PUB") {
            let mut other = params.clone();
            other.insert((*name).to_owned(), "2".to_owned());
            assert!(is_good(&other, &ORDER, &key).is_err(), "{name}");
            other.remove(*name);
            assert!(is_good(&other, &ORDER, &key).is_err(), "{name}");
        }
        params.insert("MORE".into(), String::new());
        assert!(is_good(&params, &ORDER, &key).is_err());
    }
}
