//! Channels' bills, packed as they come.

use super::tells_no_number;
use channel::bill::{Bill, Layout};

/// Reads to the end or to an error, which names a place and no value.
fn bill(layout: Layout, data: &[u8]) {
    let end = |error: channel::bill::BillError| tells_no_number(&error.to_string(), data);
    let mut bill = match Bill::open(layout, data) {
        Ok(bill) => bill,
        Err(error) => return end(error),
    };
    let (mut rows, columns) = (0, bill.columns().len());
    loop {
        match bill.row() {
            Ok(Some(row)) => {
                assert_eq!(row.cells().count(), columns, "as many cells as columns");
                if let Err(error) = channel::bill::line(layout, &row) {
                    end(error);
                }
                rows += 1;
            }
            Ok(None) => break,
            Err(error) => return end(error),
        }
    }
    assert_eq!(rows, bill.rows());
    assert!(matches!(bill.row(), Ok(None)), "an end is an end");
}

pub(crate) fn wechat(data: &[u8]) {
    bill(Layout::WechatTrade, data);
    bill(Layout::WechatFunds, data);
}

pub(crate) fn alipay(data: &[u8]) {
    bill(Layout::AlipayTrade, data);
}

pub(crate) fn unionpay(data: &[u8]) {
    bill(Layout::UnionpayAll, data);
    bill(Layout::UnionpayExceptions, data);
    if let Err(error) = channel::bill::exceptions(Layout::UnionpayAll, data, drop) {
        tells_no_number(&error.to_string(), data);
    }
    bill(Layout::Queried, data);
}
