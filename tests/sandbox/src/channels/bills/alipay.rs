//! Alipay's trade bill: a zip with two files of GBK text, their names GBK too and not marked as UTF-8.

use super::{Line, NoBill, lines, yuan};
use crate::channels::clock::{china, now};
use crate::channels::fault::Channel;
use crate::channels::world::{Merchant, World};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::fmt::Write as _;
use std::io::Write as _;

const COLUMNS: &str = "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注";
const SUMMARY: &str = "门店编号,门店名称,交易订单总笔数,退款订单总笔数,订单金额（元）,商家实收（元）,支付宝优惠（元）,商家优惠（元）,卡消费金额（元）,服务费（元）,分润（元）,实收净额（元）";

/// The packed bill.
pub(crate) fn zip(world: &World, number: usize, merchant: &Merchant, day: &str) -> Result<Vec<u8>, NoBill> {
    let all = world.with(|book| lines(book, Channel::Alipay, number, day, now()))?;
    let seller = &merchant.facts.alipay.seller_id;
    let name = format!("{seller}_{}", day.replace('-', ""));
    let files = [
        (format!("{name}_业务明细.csv"), details(&all, seller, day)),
        (format!("{name}_业务明细(汇总).csv"), summary(&all, seller, day)),
    ];
    Ok(pack(&files.map(|(name, text)| (gbk(&name), gbk(&text)))))
}

pub(super) fn gbk(text: &str) -> Vec<u8> {
    encoding_rs::GBK.encode(text).0.into_owned()
}

fn head(title: &str, seller: &str, day: &str) -> String {
    format!(
        "#支付宝业务{title}查询\r\n#账号：[{seller}0156]\r\n#起始日期：[{day} 00:00:00]   终止日期：[{day} 24:00:00]\r\n#-----------------------------------------业务{title}列表----------------------------------------\r\n"
    )
}

pub(super) fn details(all: &[Line], seller: &str, day: &str) -> String {
    let mut text = head("明细", seller, day) + COLUMNS + "\r\n";
    let (mut counts, mut sums) = ([0_u64; 2], [0_u64; 2]);
    for line in all {
        let back = line.refund.as_ref();
        let at = usize::from(back.is_some());
        counts[at] += 1;
        sums[at] += line.fen;
        let sign = if back.is_some() { "-" } else { "" };
        let amount = format!("{sign}{}", yuan(line.fen));
        let charge = if back.is_some() {
            "0.00".to_owned()
        } else {
            format!("-{}", yuan(line.fen * 6 / 1000))
        };
        // A cancel (撤销) carries no number of a refund.
        let request = back
            .map(|(own, _)| own.as_str())
            .filter(|own| !own.starts_with("cancel"))
            .unwrap_or_default();
        let goods = line.goods.replace(['\r', '\n'], " ");
        let time = china(line.at);
        let kind = if back.is_some() { "退款" } else { "交易" };
        let _ = write!(
            text,
            "{}\t,{}\t,{kind}\t,{goods},{time},{time},{}\t,\t,\t,{}\t,*三(137****2600)\t,{amount},{amount},0.00,0.00,0.00,0.00,0.00,,0.00\t,0.00,{request}\t,{charge},0.00,\r\n",
            line.trade_no, line.out_trade_no, line.store, line.device,
        );
    }
    let _ = write!(
        text,
        "#-----------------------------------------业务明细列表结束------------------------------------\r\n#交易合计：{}笔，商家实收共{}元，商家优惠共0.00元\r\n#退款合计：{}笔，商家实收退款共-{}元，商家优惠退款共0.00元\r\n#导出时间：[{day} 24:00:00]\r\n",
        counts[0],
        yuan(sums[0]),
        counts[1],
        yuan(sums[1]),
    );
    text
}

fn summary(all: &[Line], seller: &str, day: &str) -> String {
    let of = |back: bool| all.iter().filter(move |line| line.refund.is_some() == back);
    let (paid, refunded): (u64, u64) = (of(false).map(|l| l.fen).sum(), of(true).map(|l| l.fen).sum());
    let net = if paid >= refunded {
        yuan(paid - refunded)
    } else {
        format!("-{}", yuan(refunded - paid))
    };
    let row = format!(
        "\t,合计\t,{},{},{},{net},0.00,0.00,0.00,0.00,0.00,{net}\r\n",
        of(false).count(),
        of(true).count(),
        yuan(paid)
    );
    head("汇总", seller, day)
        + SUMMARY
        + "\r\n"
        + &row
        + "#-----------------------------------------业务汇总列表结束------------------------------------\r\n"
}

/// A zip by the book (APPNOTE 4.3): local heads, a central list, its end. Written here since writers of today mark names as
/// UTF-8, and Alipay's does not.
pub(super) fn pack(files: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut zip, mut list) = (Vec::new(), Vec::new());
    for (name, text) in files {
        let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
        let packed = packed
            .write_all(text)
            .and_then(|()| packed.finish())
            .unwrap_or_default();
        let mut sum = Crc::new();
        sum.update(text);
        let mut common = Vec::new();
        for half in [20_u16, 0, 8, 0, 0x21] {
            common.extend(half.to_le_bytes()); // version, no flags, deflated, midnight of 1980-01-01
        }
        for word in [sum.sum(), packed.len() as u32, text.len() as u32] {
            common.extend(word.to_le_bytes());
        }
        common.extend((name.len() as u16).to_le_bytes());
        common.extend(0_u16.to_le_bytes());
        list.extend(b"PK\x01\x02\x14\x00");
        list.extend(&common);
        list.extend([0; 10]); // no comment, first disk, no attributes
        list.extend((zip.len() as u32).to_le_bytes());
        list.extend(name);
        zip.extend(b"PK\x03\x04");
        zip.extend(&common);
        zip.extend(name);
        zip.extend(packed);
    }
    let (count, size, from) = (files.len() as u16, list.len() as u32, zip.len() as u32);
    zip.extend(&list);
    zip.extend(b"PK\x05\x06\x00\x00\x00\x00");
    zip.extend(count.to_le_bytes());
    zip.extend(count.to_le_bytes());
    zip.extend(size.to_le_bytes());
    zip.extend(from.to_le_bytes());
    zip.extend([0; 2]);
    zip
}
