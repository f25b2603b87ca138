//! What an account at a bank's own gateway needs beside the others (channels.md section 6), and what nobody who built it
//! could check against the bank's own documents.

use crate::{BankNo, Channel, PayWay};
use serde::{Deserialize, Serialize};

/// An account at a bank's own gateway.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankFacts {
    /// CCB `BRANCHID`, nine digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// ICBC `merCert`: the merchant's certificate, base64 of its DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// ICBC `merReference`: the domain of the merchant's page that leads to the bank, where the bank wants it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What the bank, or the Baidu wallet, answers to a query of an order that it does not have, by its own manual. Where absent,
    /// only an answer without an order in it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_code: Option<String>,
    /// Baidu: what a query of a refund that is not there is answered with, by the wallet's own word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub absent_refund_code: Option<String>,
    /// UnionPay: the banks that its gateway is led to by `issInsCode` (channels.md 4.3), in the order in which payers see them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listed: Vec<ListedBank>,
    /// UnionPay: the online banking of companies (`bizType` 000202) is contracted, and offered on the payers' pages.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub business: bool,
    /// What is uncertain and was confirmed with the bank by whoever signs this file.
    #[serde(default)]
    pub unverified: Vec<Unverified>,
}

/// A bank that UnionPay's gateway can be led to.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListedBank {
    /// `issInsCode`.
    pub code: BankNo,
    /// Its name in Chinese, as payers read it.
    pub zh: String,
    /// Its name in English.
    pub en: String,
    /// False where people's online banking is not reached by it.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub personal: bool,
    /// True where companies' online banking is reached by it too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub business: bool,
}

fn yes() -> bool {
    true
}

fn is_true(flag: &bool) -> bool {
    *flag
}

impl ListedBank {
    /// Whether it is reached by this way to pay.
    pub fn serves(&self, pay_way: PayWay) -> bool {
        match pay_way {
            PayWay::Gateway => self.personal,
            PayWay::GatewayB2b => self.business,
            _ => false,
        }
    }
}

impl BankFacts {
    /// The bank of this code, where this way to pay reaches it.
    pub fn listed(&self, code: &BankNo, pay_way: PayWay) -> Option<&ListedBank> {
        self.listed
            .iter()
            .find(|bank| bank.code == *code && bank.serves(pay_way))
    }
}

/// Something of a bank's protocol that is taken from general knowledge, `[unverified]` in channels.md or absent there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unverified {
    /// The digest under CCB's signature.
    CcbNoticeDigestMd5,
    /// How CCB sends its notices.
    CcbNoticeByPost,
    /// Values of CCB's order form that are the same for everybody.
    CcbFormValues,
    /// CCB's query beyond its number and MAC.
    CcbQuery,
    /// The digest under ICBC's signatures.
    IcbcSignatureSha1,
    /// Where ICBC's form goes.
    IcbcFormAddress,
    /// Values of ICBC's order form that are the same for everybody.
    IcbcFormValues,
    /// How ICBC's notices are acknowledged.
    IcbcNoticeAnswer,
    /// How CMB's notices are signed.
    CmbNoticeSha1,
    /// Under which key CMB's notices are signed.
    CmbBankKey,
    /// How CMB's notices come and are acknowledged.
    CmbNoticeAnswer,
    /// Values of CMB's order form, and what it may leave out.
    CmbFormValues,
    /// CMB's query.
    CmbQuery,
    /// Where UnionPay's `issInsCode` leads, and its codes.
    UnionpayBankCodes,
}

impl Unverified {
    /// All that is uncertain about a channel.
    pub const fn of(channel: Channel) -> &'static [Unverified] {
        match channel {
            Channel::Ccb => &[
                Unverified::CcbNoticeDigestMd5,
                Unverified::CcbNoticeByPost,
                Unverified::CcbFormValues,
                Unverified::CcbQuery,
            ],
            Channel::Icbc => &[
                Unverified::IcbcSignatureSha1,
                Unverified::IcbcFormAddress,
                Unverified::IcbcFormValues,
                Unverified::IcbcNoticeAnswer,
            ],
            Channel::Cmb => &[
                Unverified::CmbNoticeSha1,
                Unverified::CmbBankKey,
                Unverified::CmbNoticeAnswer,
                Unverified::CmbFormValues,
                Unverified::CmbQuery,
            ],
            // For its lists of banks only.
            Channel::Unionpay => &[Unverified::UnionpayBankCodes],
            Channel::Wechat | Channel::Alipay | Channel::Baidu => &[],
        }
    }

    /// The name in the registry.
    pub const fn as_str(self) -> &'static str {
        match self {
            Unverified::CcbNoticeDigestMd5 => "ccb_notice_digest_md5",
            Unverified::CcbNoticeByPost => "ccb_notice_by_post",
            Unverified::CcbFormValues => "ccb_form_values",
            Unverified::CcbQuery => "ccb_query",
            Unverified::IcbcSignatureSha1 => "icbc_signature_sha1",
            Unverified::IcbcFormAddress => "icbc_form_address",
            Unverified::IcbcFormValues => "icbc_form_values",
            Unverified::IcbcNoticeAnswer => "icbc_notice_answer",
            Unverified::CmbNoticeSha1 => "cmb_notice_sha1",
            Unverified::CmbBankKey => "cmb_bank_key",
            Unverified::CmbNoticeAnswer => "cmb_notice_answer",
            Unverified::CmbFormValues => "cmb_form_values",
            Unverified::CmbQuery => "cmb_query",
            Unverified::UnionpayBankCodes => "unionpay_bank_codes",
        }
    }

    /// What is taken for true.
    pub const fn says(self) -> &'static str {
        match self {
            Unverified::CcbNoticeDigestMd5 => "that SIGN of a notice is hex of RSA (PKCS#1 v1.5) over MD5",
            Unverified::CcbNoticeByPost => {
                "that notices come by POST as a form (by GET comes the page return, which proves nothing here), in the clear or by TLS, and that any answer 200 acknowledges them"
            }
            Unverified::CcbFormValues => {
                "that TYPE is 1 and GATEWAY is 0 for this POSID, and that ORDERID takes up to 30 letters and digits"
            }
            Unverified::CcbQuery => {
                "that TXCODE 410408 takes ORDERDATE to CHANNEL with KIND 0 for what is not settled yet and 1 for what is, that its XML has RETURN_CODE 000000 and QUERYORDER with ORDERID, ORDERDATE, AMOUNT and STATUSCODE (0 failed, 1 paid, 2 and 5 uncertain, 3 and 4 paid back in part or whole), and that a payment can be found as settled by the end of the next day"
            }
            Unverified::IcbcSignatureSha1 => {
                "that merSignMsg and signMsg are RSA (PKCS#1 v1.5) over SHA-1 of the XML in GBK, in base64"
            }
            Unverified::IcbcFormAddress => {
                "that the form goes to /servlet/ICBCINBSEBusinessServlet at the licensed host"
            }
            Unverified::IcbcFormValues => {
                "that message has creditType 2, goodsType 1 and its elements in the order that this program writes, empty ones too, that goodsName takes a description and orderid up to 30 letters and digits, and that orderDate may be earlier than the browser's arrival"
            }
            Unverified::IcbcNoticeAnswer => {
                "that merURL may be of any port, that any answer 200 acknowledges a notice and that no address is read from it"
            }
            Unverified::CmbNoticeSha1 => {
                "that sign of a notice is base64 of RSA (PKCS#1 v1.5) over SHA-1 of noticeData's pairs, sorted by name, empty ones too, joined by &"
            }
            Unverified::CmbBankKey => {
                "that the public key on file (fbPubKey) is the one that the bank signs with now: this program does not ask for it (FBPK), and the bank may change it"
            }
            Unverified::CmbNoticeAnswer => {
                "that notices of payments (BKPAYRTN) come by POST as a form with jsonRequestData, that dateTime is when it was paid, to the minute, and that any answer 200 acknowledges them"
            }
            Unverified::CmbFormValues => {
                "that an order needs no agreement of the payer's (agrNo, merchantSerialNo, signNoticeUrl), that orderNo takes 6 to 32 letters and digits, that expireTimeSpan counts from the browser's arrival and may be 1 to 30, and that dateTime and date may be earlier than that arrival"
            }
            Unverified::CmbQuery => {
                "that QuerySingleOrder of type B is answered at /merchserv/BaseHttp.dll of the licensed host for servers, that rspCode SUC0000 with orderStatus 0 is a payment of orderAmount, at bankDate and bankTime, and that no other state is one"
            }
            Unverified::UnionpayBankCodes => {
                "that issInsCode leads the payer's browser to the bank whose code it is, and that the codes listed are those of UnionPay's appendix for this merchant"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_uncertainty_is_written_as_it_is_named() {
        for channel in Channel::ALL {
            let uncertain = channel.is_bank() || channel == Channel::Unionpay;
            assert_eq!(uncertain, !Unverified::of(channel).is_empty());
            for one in Unverified::of(channel) {
                let text = serde_json::to_string(one).expect("JSON");
                assert_eq!(text, format!("\"{}\"", one.as_str()));
                assert!(one.as_str().starts_with(channel.as_str()) && one.says().starts_with("that "));
            }
        }
    }
}
