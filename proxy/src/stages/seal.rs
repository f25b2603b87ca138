//! Plaintext ends here: buyer data is sealed under the bucket of its deadline, the payer becomes a token, free text is
//! scanned for what looks like personal data.

use crate::{
    app::App,
    fault::Stop,
    payment::{Clear, Command, Parsed, Sealed, Texts},
    stage::Stage,
};
use domain::{Channel, MerchantId, Pattern, PayerToken, PaymentId};
use ledger::payment_id;
use vault::{Context, Text};

/// Over the vault.
pub struct Seal(pub App);

impl Stage<Parsed> for Seal {
    type Out = Sealed;

    async fn run(&self, parsed: Parsed) -> Result<Sealed, Stop> {
        let Parsed {
            merchant,
            signed_at,
            mark,
            command,
            also,
            cargo,
            clear,
        } = parsed;
        let id = id(&merchant.id, &command);
        let payer = match &command {
            Command::Create(create) => self.token(create.channel, &clear),
            _ => None,
        };
        let patterns = patterns(&clear);
        let vault = self.0.vault();
        let context = |label| Context {
            merchant: merchant.id.clone(),
            order: id,
            label,
        };
        let texts = Texts {
            auth_code: clear.auth_code, // goes on as it is: nothing that could be opened later may hold it
            buyer: clear.buyer.map(|buyer| vault.seal(buyer, &context("create"))),
            others: clear
                .others
                .into_iter()
                .map(|(order, buyer)| {
                    let at = Context {
                        merchant: merchant.id.clone(),
                        order,
                        label: "create",
                    };
                    (order, vault.seal(buyer, &at))
                })
                .collect(),
            refund: clear.refund.map(|refund| vault.seal(refund, &context("refund"))),
        };
        Ok(Sealed {
            merchant,
            signed_at,
            mark,
            command,
            also,
            cargo,
            texts,
            payer,
            patterns,
            id,
        })
    }
}

/// Our number of the order that a command is about.
pub(crate) fn id(merchant: &MerchantId, command: &Command) -> PaymentId {
    match command {
        Command::Create(create) => payment_id(merchant, &create.order_no),
        Command::Close(order)
        | Command::Reverse(order)
        | Command::Release(order, _)
        | Command::Cancel(order, _)
        | Command::Redirect(order, _) => order.id,
        Command::Refund(refund) => refund.order.id,
    }
}

impl Seal {
    fn token(&self, channel: Channel, clear: &Clear) -> Option<PayerToken> {
        let payer = clear
            .buyer
            .as_ref()
            .and_then(|b| b.payer.as_ref())
            .or(clear.payer.as_ref())?;
        self.0.vault().token(channel, payer)
    }
}

/// Which free texts look like personal data. Raises a flag only: the text goes on unchanged.
//= C38
fn patterns(clear: &Clear) -> Vec<(&'static str, Pattern)> {
    let mut found = Vec::new();
    let mut look =
        |field, text: &Text| found.extend(vault::pattern::scan(text).map(|pattern| (field, pattern)));
    let others = clear.others.iter().map(|(_, buyer)| buyer);
    for buyer in clear.buyer.iter().chain(others) {
        look("description", &buyer.description);
        buyer.attach.iter().for_each(|text| look("attach", text));
    }
    if let Some(reason) = clear.refund.as_ref().and_then(|r| r.reason.as_ref()) {
        look("reason", reason);
    }
    clear.texts.iter().for_each(|(field, text)| look(field, text));
    found
}
