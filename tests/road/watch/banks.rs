//! The watch sees what happens at banks' own gateways: ordinary orders, and refunds that are refused because no bank takes one by
//! message, are not flagged; an order at a bank that would pay somebody else is.

use super::{Done, Officer};
use anyhow::ensure;
use sandbox::demo::{Demo, banks, merchant::Merchant};
use serde_json::json;

const BANKS: [&str; 3] = ["ccb", "icbc", "cmb"];

/// As happens in any shop.
pub(super) async fn ordinary(demo: &Demo, merchant: &Merchant) -> Done {
    for bank in BANKS {
        banks::paid(demo, merchant, bank).await?;
    }
    Ok(())
}

/// T20: somebody else's account at the same bank.
pub(super) async fn somebody_else_is_flagged(demo: &Demo, a: &Officer) -> Done {
    let (merchant, neighbour) = (demo.merchant(3)?, &demo.place.merchants[0].accounts);
    for (bank, payee) in BANKS.into_iter().zip([
        &neighbour.ccb.merchant_id,
        &neighbour.icbc.mer_acct,
        &neighbour.cmb.number,
    ]) {
        let body = json!({ "order_no": demo.next_number(), "channel": bank, "pay_way": "gateway", "amount": 100, "description": "x", "payee": payee });
        let refused = merchant.ask("POST", "/v1/payments", Some(&body)).await?;
        ensure!(
            refused.status == 403 && refused.json()["code"] == "payee_not_allowed",
            "{bank}: {} {}",
            refused.status,
            refused.json()
        );
    }
    a.until_flagged(merchant.id(), &["T20"]).await.map(drop)
}
