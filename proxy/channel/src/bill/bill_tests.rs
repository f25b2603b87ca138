use super::*;
use std::io::Write;

const HEAD: &str = "\u{feff}交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\n";
const SUMS: &str =
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\n";

fn paid(n: u64) -> String {
    format!(
        "`2026-01-01 10:00:01,`wx1,`1900000109,`0,`,`42000{n:020},`T{n},`oA,`NATIVE,`SUCCESS,`OTHERS,`CNY,`1.00,`0.00,`0,`0,`0.00,`0.00,`,`,`茶\\ 杯,`,`0.01000,`0.60%,`1.00,`0.00,`\n"
    )
}

fn wechat(rows: &str, count: u64) -> Vec<u8> {
    format!("{HEAD}{rows}{SUMS}`{count}.0,`1.00,`0.00,`0.00,`0.01,`1.00,`0.00\n").into_bytes()
}

fn read(layout: Layout, octets: &[u8]) -> Result<Vec<BillLine>, BillError> {
    let mut bill = Bill::open(layout, octets)?;
    let mut all = Vec::new();
    while let Some(line) = bill.line()? {
        all.push(line);
    }
    Ok(all)
}

#[test]
fn a_bill_whose_end_is_missing_is_not_whole() {
    let whole = wechat(&paid(1), 1);
    assert_eq!(read(Layout::WechatTrade, &whole).expect("whole").len(), 1);
    for cut in [HEAD.len(), HEAD.len() + paid(1).len(), whole.len() - 40] {
        assert!(read(Layout::WechatTrade, &whole[..cut]).is_err(), "{cut}");
    }
    let short = wechat(&paid(1), 2);
    assert!(matches!(
        read(Layout::WechatTrade, &short),
        Err(BillError::NotWhole(_))
    ));
}

#[test]
fn gzip_is_checked_and_never_ends_in_memory() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&wechat(&paid(1), 1)).expect("memory");
    let mut octets = gzip.finish().expect("memory");
    assert_eq!(read(Layout::WechatTrade, &octets).expect("whole").len(), 1);
    let at = octets.len() - 6;
    octets[at] ^= 1; // its checksum
    assert!(read(Layout::WechatTrade, &octets).is_err());
    assert!(read(Layout::WechatTrade, &octets[..octets.len() / 2]).is_err());
    // Of two parts, one behind the other (RFC 1952, 2.2).
    let whole = wechat(&paid(1), 1);
    let parts = [&whole[..100], &whole[100..]].map(|part| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(part).expect("memory");
        gzip.finish().expect("memory")
    });
    assert_eq!(
        read(Layout::WechatTrade, &parts.concat()).expect("whole").len(),
        1
    );
    // One line without an end, a thousand times larger unpacked.
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(HEAD.as_bytes()).expect("memory");
    for _ in 0..64 {
        bomb.write_all(&[b'`'; 1 << 16]).expect("memory");
    }
    let bomb = bomb.finish().expect("memory");
    assert!(bomb.len() < 16 << 10);
    assert!(matches!(
        read(Layout::WechatTrade, &bomb),
        Err(BillError::TooLarge(_))
    ));
}

#[test]
fn what_a_wechat_row_says() {
    let refund = "`2026-01-01 11:05:01,`wx1,`1900000109,`0,`,`4200,`T1,`oA,`NATIVE,`REFUND,`OTHERS,`CNY,`0.00,`0.00,`5030,`R1,`0.30,`0.00,`ORIGINAL,`PROCESSING,`茶,`,`0.00000,`0.60%,`0.00,`0.40,`\n";
    let revoked = refund
        .replace("REFUND", "REVOKED")
        .replace("`0.00,`0.40", "`7.00,`0.00");
    let lines = read(
        Layout::WechatTrade,
        &wechat(&format!("{}{refund}{revoked}", paid(1)), 3),
    )
    .expect("a bill");
    let said: Vec<_> = lines
        .iter()
        .map(|l| {
            (
                l.movement,
                l.amount.fen(),
                l.state,
                l.refund.as_ref().map(|n| n.as_str()),
                l.fee_millifen,
            )
        })
        .collect();
    use domain::{LineState::*, Movement::*};
    assert_eq!(
        said,
        [
            (Payment, 100, Done, None, 1000),
            (Refund, 40, Pending, Some("R1"), 0),
            (Reversal, 700, Done, None, 0)
        ]
    );
    assert_eq!(lines[0].at.to_string(), "2026-01-01T10:00:01+08:00");
}

/// Whoever opened it in a spreadsheet and saved it again lost them.
#[test]
fn a_wechat_bill_without_its_back_ticks_is_told_so() {
    let whole = String::from_utf8(wechat(&paid(1), 1)).expect("text");
    let rows = whole.replace('`', "");
    let sums = match whole.rsplit_once("\n`") {
        Some((before, sums)) => format!("{before}\n{}", sums.replace('`', "")),
        None => panic!("{whole}"),
    };
    for (text, line) in [(rows, "line 2"), (sums, "line 4")] {
        let error = read(Layout::WechatTrade, text.as_bytes()).expect_err("no back-ticks");
        let said = error.to_string();
        assert!(said.contains(line) && said.contains("back-tick"), "{said}");
    }
}

#[test]
fn errors_name_places_and_never_what_stands_there() {
    for (from, to) in [
        ("SUCCESS", "张三"),
        ("2026-01-01 10:00:01", "13800138000"),
        ("0.01000", "138.001.38"),
        ("42000", "138 0013 8000"),
    ] {
        let error = read(Layout::WechatTrade, &wechat(&paid(1).replace(from, to), 1));
        let text = error.expect_err(from).to_string();
        assert!(
            text.contains("line 2") && !text.contains("138") && !text.contains("张"),
            "{text}"
        );
    }
}

fn alipay(rows: &str, counted: u64) -> Vec<u8> {
    alipay_with(rows, counted, "", &format!("{counted}.00"))
}

fn alipay_with(rows: &str, counted: u64, more: &str, received: &str) -> Vec<u8> {
    const COLUMNS: &str = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";
    let text = format!(
        "#支付宝业务明细查询\r\n#账号：[2088]\r\n{COLUMNS}{more}\r\n{rows}#----业务明细列表结束----\r\n#交易合计：{counted}笔，商家实收共{received}元\r\n#退款合计：0笔\r\n"
    );
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file(
        "2088_20260101_业务明细.csv",
        zip::write::SimpleFileOptions::default(),
    )
    .expect("memory");
    zip.write_all(&encoding_rs::GBK.encode(&text).0).expect("memory");
    zip.start_file(
        "2088_20260101_业务明细(汇总).csv",
        zip::write::SimpleFileOptions::default(),
    )
    .expect("memory");
    zip.finish().expect("memory").into_inner()
}

#[test]
fn commas_in_alipays_free_texts_move_no_column() {
    let row = |goods: &str, remark: &str| {
        format!(
            "20260101\t,T1\t,交易\t,{goods},2026-01-01 10:00:00,2026-01-01 10:00:05,\t,\t,\t,\t,*三\t,1.00,1.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-0.01,0.00,{remark}\r\n"
        )
    };
    for (goods, remark) in [
        ("茶", ""),
        ("茶,杯", ""),
        ("茶,,杯", "a,b"),
        ("茶", "2026-01-01 10:00:00,b"),
    ] {
        let octets = alipay(&row(goods, remark), 1);
        let lines = read(Layout::AlipayTrade, &octets).expect("a bill");
        assert_eq!(
            (lines.len(), lines[0].amount.fen(), lines[0].fee_millifen),
            (1, 100, 1000),
            "{goods} {remark}"
        );
    }
    assert!(matches!(
        read(Layout::AlipayTrade, &alipay(&row("茶", ""), 2)),
        Err(BillError::NotWhole(_))
    ));
}

#[test]
fn a_zip_that_lies_about_its_file_is_refused() {
    let whole = alipay("", 0);
    assert_eq!(read(Layout::AlipayTrade, &whole).expect("whole").len(), 0);
    let mut refused = 0;
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 0x41;
        refused += u32::from(read(Layout::AlipayTrade, &altered).is_err());
    }
    assert!(
        refused > 300,
        "only {refused} of {} altered octets were seen",
        whole.len()
    );
    assert!(read(Layout::AlipayTrade, b"PK\x05\x06").is_err() && read(Layout::UnionpayAll, b"!").is_err());
}

#[test]
fn fees_are_thousandths_of_a_fen() {
    for (text, said) in [
        ("0.01000", Some(1000)),
        ("-0.12", Some(-12_000)),
        ("3", Some(300_000)),
        ("0.123456", None),
        ("", None),
        ("-", None),
        ("1.", None),
        ("+1", None),
    ] {
        assert_eq!(millifen(text), said, "{text}");
    }
}

/// Whether its sums are of its rows' amounts; all of it is read.
fn agrees(layout: Layout, octets: &[u8]) -> bool {
    let mut bill = Bill::open(layout, octets).expect("a bill");
    while bill.line().expect("a row").is_some() {}
    assert!(bill.rows() > 0);
    bill.amounts_agree()
}

#[test]
fn sums_of_other_amounts_are_told_and_the_rows_count() {
    let text = String::from_utf8(wechat(&paid(1), 1)).expect("text");
    let sums = "`1.0,`1.00,`0.00,`0.00,`0.01,`1.00,`0.00";
    assert!(text.contains(sums) && agrees(Layout::WechatTrade, text.as_bytes()));
    for other in [
        "`1.0,`1.01,`0.00,`0.00,`0.01,`1.00,`0.00",
        "`1.0,`1.00,`0.01,`0.00,`0.01,`1.00,`0.00",
        "`1.0,`1.00,`0.00,`0.00,`0.01,`1.23,`0.00",
        "`1.0,`1.00,`0.00,`0.00,`0.01,`1.00,`1.00",
    ] {
        let other = text.replace(sums, other);
        assert!(!agrees(Layout::WechatTrade, other.as_bytes()), "{other}");
    }
    // Whether a sum counts what was reversed no document says.
    let revoked = paid(2).replace("SUCCESS", "REVOKED");
    for (sum, right) in [("1.00", true), ("2.00", true), ("3.00", false)] {
        let sums = format!("{SUMS}`2.0,`{sum},`0.00,`0.00,`0.01,`{sum},`0.00\n");
        let text = format!("{HEAD}{}{revoked}{sums}", paid(1));
        assert_eq!(agrees(Layout::WechatTrade, text.as_bytes()), right, "{sum}");
    }

    let head = "\u{feff}记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),资金变更提交申请人,备注,业务凭证号\n";
    let row = "`2026-01-01 10:00:00,`4200001,`1,`交易,`交易,`收入,`1.00,`9.00,`system,`,`T1\n";
    for (sum, right) in [("1.00", true), ("1.01", false)] {
        let text =
            format!("{head}{row}资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额\n`1,`1,`{sum},`0,`0.00\n");
        assert_eq!(agrees(Layout::WechatFunds, text.as_bytes()), right, "{sum}");
    }
}

#[test]
fn alipay_may_add_columns_and_its_sums_are_held_against_the_rows() {
    let row = "20260101\t,T1\t,交易\t,茶,2026-01-01 10:00:00,2026-01-01 10:00:05,\t,\t,\t,\t,*三\t,1.00,1.00,0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,\t,-0.01,0.00,";
    let more = alipay_with(&format!("{row},新\r\n"), 1, ",新列", "1.00");
    assert_eq!(read(Layout::AlipayTrade, &more).expect("a bill").len(), 1);
    for (received, right) in [("1.00", true), ("1.01", false)] {
        let octets = alipay_with(&format!("{row}\r\n"), 1, "", received);
        assert_eq!(agrees(Layout::AlipayTrade, &octets), right, "{received}");
    }
}
