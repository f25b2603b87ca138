//! `wechat_bill`, `alipay_bill`, `unionpay_file`.

use crate::text;
use base64::{Engine, engine::general_purpose::STANDARD};
use channel::bill::{Bill, Layout, Row};
use serde_json::{Map, Value, json};

fn every(
    layout: Layout,
    octets: &[u8],
    shown: impl Fn(&Row<'_>) -> Value,
) -> (Vec<Value>, Value, Vec<String>) {
    let mut bill = Bill::open(layout, octets).expect("a bill");
    let mut rows = Vec::new();
    while let Some(row) = bill.row().expect("a row") {
        channel::bill::line(layout, &row).expect("facts");
        rows.push(shown(&row));
    }
    let sums: Map<String, Value> = bill
        .summary()
        .iter()
        .map(|(name, sum)| (name.clone(), json!(sum)))
        .collect();
    (rows, Value::Object(sums), bill.files().to_vec())
}

fn all(row: &Row<'_>) -> Value {
    Value::Object(
        row.cells()
            .map(|(name, cell)| (name.to_owned(), json!(cell)))
            .collect(),
    )
}

pub(crate) fn wechat_case(op: &str, input: &Value, expect: &Value) {
    assert_eq!(op, "parse_wechat_bill", "this test does not know {op}");
    let plain = STANDARD.decode(text(input, "plain_base64")).expect("base64");
    let head = String::from_utf8_lossy(plain.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&plain)).into_owned();
    let layout = if head.starts_with("记账时间") {
        Layout::WechatFunds
    } else {
        Layout::WechatTrade
    };
    assert_eq!(text(input, "hash_type"), "SHA1");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &plain);
    assert_eq!(hex::encode(digest), text(input, "hash_value_of_plain"));
    let packed = input["gzip_base64"]
        .as_str()
        .map(|gzip| STANDARD.decode(gzip).expect("base64"));
    for octets in packed.iter().chain([&plain]) {
        let (rows, sums, _) = every(layout, octets, all);
        assert_eq!(
            (Value::Array(rows), &sums),
            (expect["rows"].clone(), &expect["summary"])
        );
    }
}

fn cents(text: &str) -> Value {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    json!(sign * domain::Amount::parse_yuan(digits).expect("yuan").fen() as i64)
}

pub(crate) fn alipay_case(op: &str, input: &Value, expect: &Value) {
    assert_eq!(op, "parse_alipay_bill", "this test does not know {op}");
    let zip = STANDARD.decode(text(input, "zip_base64")).expect("base64");
    let shown = |row: &Row<'_>| {
        let request = row.get("退款批次号/请求号");
        json!({
            "trade_no": row.get("支付宝交易号"), "out_trade_no": row.get("商户订单号"), "type": row.get("业务类型"),
            "total_cents": cents(row.get("订单金额（元）")), "receipt_cents": cents(row.get("商家实收（元）")),
            "refund_request_no": (!request.is_empty()).then_some(request), "service_fee_cents": cents(row.get("服务费（元）")),
        })
    };
    let (rows, _, files) = every(Layout::AlipayTrade, &zip, shown);
    assert_eq!(
        (Value::Array(rows), json!(files)),
        (expect["rows"].clone(), expect["file_names"].clone())
    );
}

pub(crate) fn unionpay_case(op: &str, input: &Value, expect: &Value) {
    assert_eq!(op, "parse_zm", "this test does not know {op}");
    let shown = |row: &Row<'_>| {
        Value::Object(
            row.cells()
                .filter(|(_, cell)| !cell.is_empty())
                .map(|(name, cell)| (name.to_owned(), json!(cell)))
                .collect(),
        )
    };
    let (rows, _, files) = every(Layout::UnionpayAll, text(input, "fileContent").as_bytes(), shown);
    assert_eq!(
        (Value::Array(rows), json!(files)),
        (expect["rows"].clone(), json!([expect["zip_entry"]]))
    );
}
