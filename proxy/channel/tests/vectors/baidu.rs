//! Baidu wallet. The digests over the same octets are made by crate `certs` itself in its own test.

use crate::text;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use channel::baidu_query::Query;
use md5::{Digest, Md5};
use serde_json::Value;

pub(crate) fn case(op: &str, input: &Value, expect: &Value) {
    assert_eq!((op, text(input, "encoding")), ("sign", "gbk"));
    let written = text(expect, "query_string_percent_encoded_in_gbk");
    let mut query = Query::default();
    // In the order of the query; a map does not keep one.
    for pair in written.split('&') {
        let (name, _) = pair.split_once('=').expect("name=value");
        let value = if name == "sign" {
            text(expect, "sign")
        } else {
            text(&input["params"], name)
        };
        assert!(query.push(name, value));
    }
    assert_eq!(
        query.iter().count(),
        input["params"].as_object().expect("params").len() + 1
    );
    assert_eq!(query.write().as_str(), written);
    let read = Query::parse(written.as_bytes()).expect("lawful");
    assert!(read.iter().eq(query.iter()));
    let mut octets = read.to_sign().to_vec();
    octets.extend_from_slice(format!("&key={}", text(input, "key")).as_bytes());
    let (whole, _, bad) = encoding_rs::GBK.decode(&octets);
    assert!(!bad);
    assert_eq!(whole, text(expect, "string_to_digest"));
    let sign = match text(&input["params"], "sign_method") {
        "1" => hex::encode(Md5::digest(&octets)),
        "2" => hex::encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &octets)),
        other => panic!("unknown sign_method {other}"),
    };
    assert_eq!(sign, text(expect, "sign"));
}
