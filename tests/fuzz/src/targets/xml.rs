//! The strict reader of flat XML, compared with a reader that everybody uses, and what WeChat's V2 makes of it.

use super::tells_no_number;
use channel::{
    Account,
    strict_tree::{self, Element},
    strict_xml::Fields,
    wechat_v2::{Message, notice, product_code::Scanned},
};
use domain::{AccountNo, Channel, Operation, PayWay, PayeeNo};

/// What is taken, another reader reads the same, and never with a document type.
pub(crate) fn strict_xml(data: &[u8]) {
    match Fields::parse(data, "xml") {
        Ok(fields) => {
            let text = std::str::from_utf8(data).expect("what is taken is UTF-8");
            assert!(
                !text.contains("<!DOCTYPE") || text.contains("<![CDATA["),
                "a document type was taken"
            );
            let theirs = roxmltree::Document::parse(text).expect("taken here, refused there");
            let root = theirs.root_element();
            assert!(root.has_tag_name("xml") && root.attributes().len() == 0);
            let read = |node: roxmltree::Node<'_, '_>| {
                assert!(node.attributes().len() == 0 && node.children().all(|child| child.is_text()));
                let value: String = node.children().filter_map(|child| child.text()).collect();
                (node.tag_name().name().to_owned(), value)
            };
            let theirs: Vec<_> = root.children().filter(|n| n.is_element()).map(read).collect();
            let ours: Vec<_> = fields.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            assert_eq!(ours, theirs);
            // Whoever looks for what was signed in it finds the same, and one reading.
            if !ours.is_empty() {
                let readings = Fields::readings(data);
                let found: Vec<_> = readings
                    .iter()
                    .flat_map(|r| r.iter())
                    .map(|(n, v)| (n.to_owned(), v.to_owned()))
                    .collect();
                assert_eq!((readings.len(), found), (1, ours));
            }
        }
        Err(error) => {
            tells_no_number(&error.to_string(), data);
            assert!(Fields::readings(data).len() <= 3);
        }
    }
}

/// What is taken, another reader reads the same.
pub(crate) fn strict_tree(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Some(ours) = strict_tree::parse(text, &["UTF-8"], "DOCUMENT") else {
        return;
    };
    assert!(!text.contains("<!DOCTYPE"), "a document type was taken");
    let theirs = roxmltree::Document::parse(text.trim_start()).expect("taken here, refused there");
    same(&ours, theirs.root_element());
}

fn same(ours: &Element, theirs: roxmltree::Node<'_, '_>) {
    assert_eq!(theirs.attributes().len(), 0);
    for child in theirs.children().filter(|n| n.is_element()) {
        let name = child.tag_name().name();
        let all = theirs.children().filter(|n| n.has_tag_name(name)).count();
        assert_eq!(ours.all(name).count(), all);
        let place = theirs
            .children()
            .filter(|n| n.has_tag_name(name))
            .position(|n| n == child)
            .expect("itself");
        let own = ours.all(name).nth(place).expect("as many");
        same(own, child);
        if all == 1 && !child.children().any(|n| n.is_element()) {
            // What XML calls an end of line has several spellings; without them the texts are the same.
            let text: String = child.children().filter_map(|n| n.text()).collect();
            if !data_has_ends(&text) {
                assert_eq!(ours.get(name).unwrap_or_default(), text.trim());
            }
        }
    }
}

fn data_has_ends(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// Answers, notices and scans. What is read as an answer names the account that was asked for.
pub(crate) fn wechat_v2(data: &[u8]) {
    let (first, body) = data
        .split_first()
        .map_or((0, data), |(first, rest)| (*first, rest));
    const OPERATIONS: [Operation; 5] = [
        Operation::Create,
        Operation::Query,
        Operation::Reverse,
        Operation::Refund,
        Operation::RefundQuery,
    ];
    let operation = OPERATIONS[usize::from(first) % OPERATIONS.len()];
    let account = Account {
        channel: Channel::Wechat,
        account: AccountNo::new("1900000109").expect("lawful"),
        payee: PayeeNo::new(if first & 0x80 == 0 {
            "1900000109"
        } else {
            "1900000110"
        })
        .expect("lawful"),
        appid: Some("wx4fd52d1ed208e8ac".into()),
        sub_appid: None,
        serial: None,
        platform: None,
        root_sn: None,
        encrypts: false,
        openapi: Default::default(),
        codepay: false,
        sign_method: Default::default(),
        sha1: false,
        key_by_serial: false,
        bank: None,
        notify_url: "https://guandao.example/n".into(),
    };
    let _ = channel::authenticate_answer(
        &account,
        operation,
        PayWay::Micropay,
        200,
        &http::HeaderMap::new(),
        body,
        domain::Instant::default(),
    );
    if let channel::Answer::State(view) =
        channel::read_answer(&account, operation, PayWay::Micropay, 200, body)
    {
        assert_eq!(
            (view.account.as_ref(), view.payee.as_ref()),
            (Some(&account.account), Some(&account.payee))
        );
    }
    for error in [
        notice::authenticate(&account, body).err(),
        notice::payment(&account, body).err(),
        notice::sealed_refund(&account, body).err(),
        notice::refund(body).err(),
        Scanned::read(&account, body).err(),
    ] {
        error
            .into_iter()
            .for_each(|error| tells_no_number(error.kind(), data));
    }
    if let Ok(said) = Message::read(body) {
        assert!(
            !said.message().windows(6).any(|w| w == b"&sign=")
                || said.iter().any(|(_, v)| v.contains("&sign="))
        );
    }
}
