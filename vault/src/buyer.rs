//! The one place where personal data is declared (compliance.md section 3). Nothing here can be printed: no type
//! implements `Debug`, `Display`, `Clone` or `Serialize`.

use crate::sealed::{Class, Record, read_text, write_text};
use zeroize::Zeroizing;

/// A text that may be personal. Wiped when dropped; cannot be printed or copied by accident.
pub struct Text(Zeroizing<String>);

impl Text {
    /// Takes a text over.
    pub fn new(text: String) -> Text {
        Text(Zeroizing::new(text))
    }

    /// The text, for composing a message and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text::new(text.to_owned())
    }
}

/// What kind of name the payer goes by in a wallet (class C2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PayerField {
    /// WeChat `openid`, `sp_openid`: of the app of who asks.
    Openid,
    /// WeChat `sub_openid`: of the sub-merchant's own app.
    SubOpenid,
    /// Alipay `buyer_id`, `buyer_user_id` (2088…).
    BuyerId,
    /// Alipay `buyer_open_id`.
    BuyerOpenId,
    /// UnionPay `accNo`: a card number, masked as the channel tells it.
    AccNo,
}

impl PayerField {
    /// The channels' name of the field.
    pub const fn as_str(self) -> &'static str {
        match self {
            PayerField::Openid => "openid",
            PayerField::SubOpenid => "sub_openid",
            PayerField::BuyerId => "buyer_id",
            PayerField::BuyerOpenId => "buyer_open_id",
            PayerField::AccNo => "acc_no",
        }
    }

    fn tag(self) -> u8 {
        match self {
            PayerField::Openid => 1,
            PayerField::BuyerId => 2,
            PayerField::BuyerOpenId => 3,
            PayerField::AccNo => 4,
            PayerField::SubOpenid => 5,
        }
    }

    fn of(tag: u8) -> Option<PayerField> {
        [
            PayerField::Openid,
            PayerField::BuyerId,
            PayerField::BuyerOpenId,
            PayerField::AccNo,
            PayerField::SubOpenid,
        ]
        .into_iter()
        .find(|f| f.tag() == tag)
    }
}

/// A payer's id within a wallet (C2).
pub struct Payer {
    /// Which id.
    pub field: PayerField,
    /// Its value.
    pub value: Text,
}

impl Payer {
    /// Is it one payer's, and the same each time? Wallets' ids are; a card's number is where all of its digits are there, 12 to
    /// 19 of them.
    pub(crate) fn is_whole(&self) -> bool {
        let value = self.value.expose();
        self.field != PayerField::AccNo
            || (12..=19).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit())
    }
}

/// A payer's one-time payment code 付款码 (C3). For one forward, in memory: it cannot be sealed, printed, copied or
/// compared, and is wiped when dropped (compliance.md section 3).
//= C32
pub struct AuthCode(Text);

impl AuthCode {
    /// Takes a code over.
    pub fn new(digits: String) -> AuthCode {
        AuthCode(Text::new(digits))
    }

    /// The digits, for composing the one message that carries them and for telling the wallet.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Buyer data and free texts of a new order (C2 and scanned).
pub struct Buyer {
    /// What is sold (`description`, `subject`): free text.
    pub description: Text,
    /// Free text that comes back (`attach`, `passback_params`).
    pub attach: Option<Text>,
    /// Who pays.
    pub payer: Option<Payer>,
    /// The payer's address (`payer_client_ip`).
    pub client_ip: Option<Text>,
    /// The shop's terminal as the request names it.
    pub device_id: Option<Text>,
    /// Goods detail, JSON text.
    pub detail: Option<Text>,
    /// The kind of the payer's phone or browser (`h5_info.type`).
    pub h5_type: Option<Text>,
    /// Where the payer's browser goes back to (`return_url`): an address of the merchant that may name its customer.
    pub return_url: Option<Text>,
    /// Where it goes back to unpaid (`quit_url`).
    pub quit_url: Option<Text>,
}

/// Buyer data of a payment, as the channel states it.
pub struct PaidBuyer {
    /// Who paid.
    pub payer: Option<Payer>,
    /// Free text that came back.
    pub attach: Option<Text>,
}

/// Free text of a refund.
pub struct RefundBuyer {
    /// Why.
    pub reason: Option<Text>,
    /// The payer's bank card, of an abnormal refund that goes there.
    pub bank_account: Option<Text>,
    /// The name on it.
    pub name: Option<Text>,
}

fn write_payer(payer: Option<&Payer>, out: &mut Vec<u8>) {
    out.push(payer.map_or(0, |p| p.field.tag()));
    write_text(payer.map(|p| p.value.expose()), out);
}

fn read_payer(bytes: &mut &[u8]) -> Option<Option<Payer>> {
    let (tag, rest) = bytes.split_first()?;
    *bytes = rest;
    let value = read_text(bytes)?;
    match (PayerField::of(*tag), value) {
        (Some(field), Some(value)) => Some(Some(Payer { field, value })),
        (None, None) if *tag == 0 => Some(None),
        _ => None,
    }
}

fn open(text: &Option<Text>) -> Option<&str> {
    text.as_ref().map(Text::expose)
}

impl Record for Buyer {
    const CLASS: Class = Class::Order;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(Some(self.description.expose()), out);
        write_text(open(&self.attach), out);
        write_payer(self.payer.as_ref(), out);
        write_text(open(&self.client_ip), out);
        write_text(open(&self.device_id), out);
        write_text(open(&self.detail), out);
        write_text(open(&self.h5_type), out);
        write_text(open(&self.return_url), out);
        write_text(open(&self.quit_url), out);
    }

    fn read(bytes: &mut &[u8]) -> Option<Buyer> {
        Some(Buyer {
            description: read_text(bytes)??,
            attach: read_text(bytes)?,
            payer: read_payer(bytes)?,
            client_ip: read_text(bytes)?,
            device_id: read_text(bytes)?,
            detail: read_text(bytes)?,
            h5_type: read_text(bytes)?,
            return_url: read_text(bytes)?,
            quit_url: read_text(bytes)?,
        })
    }
}

impl Record for PaidBuyer {
    const CLASS: Class = Class::Payment;

    fn write(&self, out: &mut Vec<u8>) {
        write_payer(self.payer.as_ref(), out);
        write_text(open(&self.attach), out);
    }

    fn read(bytes: &mut &[u8]) -> Option<PaidBuyer> {
        Some(PaidBuyer {
            payer: read_payer(bytes)?,
            attach: read_text(bytes)?,
        })
    }
}

impl Record for RefundBuyer {
    const CLASS: Class = Class::Refund;

    fn write(&self, out: &mut Vec<u8>) {
        write_text(open(&self.reason), out);
        write_text(open(&self.bank_account), out);
        write_text(open(&self.name), out);
    }

    fn read(bytes: &mut &[u8]) -> Option<RefundBuyer> {
        Some(RefundBuyer {
            reason: read_text(bytes)?,
            bank_account: read_text(bytes)?,
            name: read_text(bytes)?,
        })
    }
}
