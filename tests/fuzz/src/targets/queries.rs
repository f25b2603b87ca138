//! Queries in GBK, and what OpenAPI v3 of Alipay signs.

use super::tells_no_number;
use channel::{alipay_v3::Authorization, baidu_query::Query};

/// What is taken has one spelling: other readers of escapes and of GBK read the same, and it is written so again.
pub(crate) fn query_gbk(data: &[u8]) {
    match Query::parse(data) {
        Ok(query) => {
            let again = Query::parse(query.write().as_bytes()).expect("its own spelling");
            assert!(query.iter().eq(again.iter()));
            assert_eq!(query.to_sign(), again.to_sign());
            let octets = |pair: &[u8]| percent_encoding::percent_decode(pair).collect::<Vec<u8>>();
            for ((_, ours), pair) in query.iter().zip(data.split(|b| *b == b'&')) {
                let spaced: Vec<u8> = pair.iter().map(|b| if *b == b'+' { b' ' } else { *b }).collect();
                let value =
                    octets(&spaced[spaced.iter().position(|b| *b == b'=').expect("name=value") + 1..]);
                let (theirs, bad) = encoding_rs::GBK.decode_without_bom_handling(&value);
                assert!(!bad && theirs == ours);
            }
        }
        Err(error) => tells_no_number(&error.to_string(), data),
    }
}

/// One header, one reading: what was read is all that stands there.
pub(crate) fn authorization_v3(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match Authorization::read(text) {
        Ok(read) => {
            assert_eq!(
                channel::alipay_v3::authorization(&read.auth_string, &read.signature),
                text
            );
            assert!(
                read.auth_string.contains(&format!("app_id={}", read.app_id))
                    && !read.auth_string.contains(",sign=")
            );
        }
        Err(error) => tells_no_number(&error.text, data),
    }
}
