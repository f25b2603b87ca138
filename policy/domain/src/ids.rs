//! Names of things, each its own type, each checked when made. `*Id` is ours, `*No` is somebody else's.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, Visitor},
};
use std::{fmt, marker::PhantomData, str::FromStr, sync::Arc};

/// Why a text cannot name a thing. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {min} to {max} characters of {alphabet}")]
pub struct NameError {
    /// What was being named, in words.
    pub what: &'static str,
    /// Fewest characters.
    pub min: usize,
    /// Most characters.
    pub max: usize,
    /// The characters allowed, in words.
    pub alphabet: &'static str,
}

/// Reads a text where it stands: a start reads a dozen of them for each live order, and would make, wipe and free a copy of
/// each.
struct InPlace<T>(PhantomData<T>);

impl<T: FromStr<Err = NameError>> Visitor<'_> for InPlace<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $ty:ident, $what:literal, $min:literal..=$max:literal, $alphabet:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $ty(Arc<str>);

        impl $ty {
            /// Checks and takes a text.
            pub fn new(text: impl AsRef<str>) -> Result<Self, NameError> {
                let text = text.as_ref();
                let ok: fn(u8) -> bool = $ok;
                if ($min..=$max).contains(&text.len()) && text.bytes().all(ok) {
                    Ok($ty(Arc::from(text)))
                } else {
                    Err(NameError { what: $what, min: $min, max: $max, alphabet: $alphabet })
                }
            }

            /// The text itself.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $ty {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($ty), "({})"), self.0)
            }
        }

        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_str(InPlace(PhantomData))
            }
        }
    };
}

name!(
    /// A merchant of ours, as the acquirer's file names it (the `mchid` of our own API).
    MerchantId, "a merchant id", 1..=32, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// A licensed acquirer's institution code.
    AcquirerNo, "an acquirer code", 1..=32, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// An account at a channel: WeChat `mchid` (or `sub_mchid`), Alipay `app_id`.
    AccountNo, "a channel account", 1..=32, "0-9 A-Z a-z", |b| b.is_ascii_alphanumeric()
);
name!(
    /// Who is paid at the channel: WeChat `mchid`/`sub_mchid`, Alipay `seller_id` (2088…).
    PayeeNo, "a payee", 1..=32, "0-9 A-Z a-z", |b| b.is_ascii_alphanumeric()
);
name!(
    /// The app or mini program in which an order is paid: WeChat `appid`.
    AppNo, "an appid", 1..=32, "0-9 A-Z a-z", |b| b.is_ascii_alphanumeric()
);
name!(
    /// A bank, by the short code under which UnionPay's gateway knows it (`issInsCode`, channels.md 4.3).
    BankNo, "a bank's code", 2..=20, "0-9 A-Z", |b| b.is_ascii_digit() || b.is_ascii_uppercase()
);
name!(
    /// The merchant's own order number; unique per merchant.
    OrderNo, "an order number", 1..=64, "0-9 A-Z a-z _ - | *", |b| b.is_ascii_alphanumeric() || b"_-|*".contains(&b)
);
name!(
    /// The merchant's own refund number; unique per order.
    RefundNo, "a refund number", 1..=64, "0-9 A-Z a-z _ - | * @", |b| b.is_ascii_alphanumeric() || b"_-|*@".contains(&b)
);
name!(
    /// The number an attempt or refund carries at the channel (`out_trade_no`, `out_refund_no`, `out_request_no`).
    ChannelNo, "a number at the channel", 1..=64, "0-9 A-Z a-z _ - | * @", |b| b.is_ascii_alphanumeric() || b"_-|*@".contains(&b)
);
name!(
    /// The channel's own number of a trade or refund (`transaction_id`, `trade_no`, `refund_id`).
    TradeNo, "a channel's trade number", 1..=64, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// Which key, never its bytes: `wechat/1900000109/merchant`, `alipay/2021…/platform`, `api/m1/SERIAL`.
    KeyRef, "a key reference", 1..=200, "0-9 A-Z a-z _ - / .", |b| b.is_ascii_alphanumeric() || b"_-/.".contains(&b)
);
name!(
    /// A terminal's serial number in the acquirer's registry.
    TerminalNo, "a terminal number", 1..=50, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// An agent 代理商 of the operator, who brought a merchant.
    AgentId, "an agent id", 1..=32, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// The merchant's own number of a code that payers scan; unique per merchant.
    CodeNo, "a code's number", 1..=64, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// Our number of a code that payers scan: random, since whoever knows it may open its page.
    CodeId, "a code id", 16..=16, "0-9 a-z", |b| b.is_ascii_digit() || b.is_ascii_lowercase()
);
name!(
    /// The merchant's own code of a kind of sale (its product line); routing rules may look at it.
    ProductNo, "a product code", 1..=32, "0-9 A-Z a-z _ - .", |b| b.is_ascii_alphanumeric() || b"_-.".contains(&b)
);
name!(
    /// The number of a measure in the cases journal.
    MeasureId, "a measure id", 1..=64, "0-9 A-Z a-z _ -", |b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'
);
name!(
    /// The name of a person who signs in at the desk.
    OfficerId, "an officer's name", 1..=64, "0-9 A-Z a-z _ - . @", |b| b.is_ascii_alphanumeric() || b"_-.@".contains(&b)
);

impl CodeId {
    /// From eighty random bits, in digits and letters that are not mistaken for each other.
    pub fn from_random(random: [u8; 10]) -> CodeId {
        const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let bits = random
            .iter()
            .fold(0u128, |all, byte| all << 8 | u128::from(*byte));
        let letter = |n: u32| char::from(LETTERS[(bits >> (75 - 5 * n)) as usize & 31]);
        CodeId(Arc::from((0..16).map(letter).collect::<String>()))
    }
}

impl RefundNo {
    /// Numbers that begin so are our own: of refunds of what was paid twice.
    pub const SURPLUS: &str = "surplus-";

    /// True where only we may give such a number.
    pub fn is_reserved(&self) -> bool {
        self.as_str().starts_with(RefundNo::SURPLUS)
    }
}

macro_rules! digest {
    ($(#[$doc:meta])* $ty:ident, $n:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $ty([u8; $n]);

        impl $ty {
            /// From raw bytes.
            pub const fn from_bytes(bytes: [u8; $n]) -> Self {
                $ty(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $n] {
                &self.0
            }
        }

        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut text = [0; $n * 2];
                hex::encode_to_slice(self.0, &mut text).map_err(|_| fmt::Error)?;
                f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($ty), "({})"), self)
            }
        }

        impl FromStr for $ty {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                let mut bytes = [0; $n];
                let lower = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                match hex::decode_to_slice(text, &mut bytes) {
                    Ok(()) if lower => Ok($ty(bytes)),
                    _ => Err(NameError { what: "this value", min: $n * 2, max: $n * 2, alphabet: "0-9 a-f" }),
                }
            }
        }

        impl Serialize for $ty {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                let mut text = [0; $n * 2];
                hex::encode_to_slice(self.0, &mut text).map_err(serde::ser::Error::custom)?;
                s.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
            }
        }

        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                d.deserialize_str(InPlace(PhantomData))
            }
        }
    };
}

digest!(
    /// Our number of an order: the first 128 bits of SHA-256 over merchant and order number, so that it needs
    /// no index of its own. Written as 32 lower-case hex digits.
    PaymentId, 16
);
digest!(
    /// SHA-256 of facts, files or settings; never of bytes that may hold buyer data.
    Digest, 32
);
digest!(
    /// HMAC-SHA256 under a key that dies: of bytes that may hold buyer data, or of a request's content.
    KeyedDigest, 32
);
digest!(
    /// A payer's pseudonym: HMAC-SHA256 over `channel|field|value` under an epoch key, cut to 128 bits.
    Token, 16
);
digest!(
    /// One run of the proxy: random at each start. Keys of earlier boots are gone.
    Boot, 16
);
digest!(
    /// Sixteen random bytes that make each journal entry's hash unguessable.
    Salt, 16
);
digest!(
    /// Our number of a merchant notification, the same at every repeat.
    EventId, 16
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_refuse_what_they_do_not_hold_and_never_repeat_it() {
        let wrong = OrderNo::new("13800138000 张三").expect_err("spaces and Chinese are refused");
        assert!(!wrong.to_string().contains("138"), "{wrong}");
        assert!(OrderNo::new("").is_err() && OrderNo::new("x".repeat(65)).is_err());
        assert_eq!(OrderNo::new("A_b-1|*").expect("allowed").as_str(), "A_b-1|*");
    }

    /// Escapes in JSON leave no text to borrow, and numbers are none.
    #[test]
    fn texts_are_read_in_place_escaped_and_nothing_else_is() {
        let read = |json: &str| serde_json::from_str::<OrderNo>(json).map_err(|e| e.to_string());
        assert_eq!(read(r#""A_b-1""#).expect("lawful").as_str(), "A_b-1");
        assert_eq!(read(r#""\u0041_b""#).expect("lawful").as_str(), "A_b");
        assert!(read("7").expect_err("a number").contains("expected a string"));
        let wrong = read(r#""13800138000 ""#).expect_err("a space");
        assert!(
            wrong.contains("an order number") && !wrong.contains("138"),
            "{wrong}"
        );
        assert!(serde_json::from_str::<PaymentId>(r#""00""#).is_err());
    }

    #[test]
    fn a_code_id_says_all_its_random_bits() {
        assert_eq!(CodeId::from_random([0xff; 10]).as_str(), "zzzzzzzzzzzzzzzz");
        assert_eq!(
            CodeId::from_random([0, 0, 0, 0, 0, 0, 0, 0, 0, 33]).as_str(),
            "0000000000000011"
        );
        assert!(CodeId::new("ABCDEFGHIJKLMNOP").is_err() && CodeId::new("0").is_err());
    }

    #[test]
    fn digests_are_lower_case_hex_both_ways() {
        let id: PaymentId = "00ff00ff00ff00ff00ff00ff00ff00ff".parse().expect("hex");
        assert_eq!(
            serde_json::to_string(&id).expect("json"),
            "\"00ff00ff00ff00ff00ff00ff00ff00ff\""
        );
        assert!("00FF00FF00FF00FF00FF00FF00FF00FF".parse::<PaymentId>().is_err());
        assert!("00ff".parse::<PaymentId>().is_err());
    }
}
