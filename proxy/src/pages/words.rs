//! What the pages say, Chinese and English; and a channel's own error in words that a payer can act on.

use super::{asked::Wrong, former::Former, ways::Way};
use domain::{Channel, ListedBank, PayWay};

/// A language.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lang {
    Zh,
    En,
}

/// Every fixed text of one language.
pub(super) struct Words {
    pub(super) lang: Lang,
    pub(super) tag: &'static str,
    pub(super) pay_to: &'static str,
    pub(super) amount: &'static str,
    pub(super) amount_hint: &'static str,
    pub(super) go_on: &'static str,
    pub(super) choose: &'static str,
    pub(super) no_way: &'static str,
    pub(super) pay: &'static str,
    pub(super) calling: &'static str,
    pub(super) cancelled: &'static str,
    pub(super) failed: &'static str,
    pub(super) checking: &'static str,
    pub(super) checking_text: &'static str,
    pub(super) no_bridge: &'static str,
    pub(super) open_wallet: &'static str,
    pub(super) sent_away: &'static str,
    pub(super) paid: &'static str,
    pub(super) paid_text: &'static str,
    pub(super) refunded: &'static str,
    pub(super) over: &'static str,
    pub(super) over_text: &'static str,
    pub(super) unsure: &'static str,
    pub(super) unsure_text: &'static str,
    pub(super) not_seen: &'static str,
    pub(super) went_back: &'static str,
    pub(super) goes_back: &'static str,
    pub(super) again: &'static str,
    pub(super) order: &'static str,
    pub(super) time: &'static str,
    pub(super) by: &'static str,
    pub(super) record: &'static str,
    pub(super) foot: &'static str,
    pub(super) sorry: &'static str,
    pub(super) wallets_code: &'static str,
}

static ZH: Words = Words {
    lang: Lang::Zh,
    tag: "zh-CN",
    pay_to: "付款给",
    amount: "付款金额",
    amount_hint: "元",
    go_on: "去付款",
    choose: "选择付款方式",
    no_way: "该商户目前没有可在此浏览器中使用的付款方式，请用微信或支付宝扫码。",
    pay: "立即付款",
    calling: "正在打开付款…",
    cancelled: "您取消了付款，没有扣款。可以再次点击付款。",
    failed: "钱包没有完成付款。可以再试一次，或换一个钱包扫码。",
    checking: "正在确认结果",
    checking_text: "请稍候，不要重复付款。",
    no_bridge: "请在微信或支付宝中打开本页。",
    open_wallet: "打开微信付款",
    sent_away: "请在付款页面完成付款，完成后此处会显示结果。",
    paid: "付款成功",
    paid_text: "商户已收到您的付款。",
    refunded: "款项已退回",
    over: "订单已结束",
    over_text: "这笔订单没有付款，也不会再扣款。",
    unsure: "无法确认是否已付款",
    unsure_text: "我们没能得知这笔订单是否已经付款。请查看银行或钱包的交易记录，并询问商户；请勿再次付款。",
    not_seen: "还没有看到付款。如果您没有付款，可以点击付款；如果已经付款，请在此等待结果。",
    went_back: "已退款",
    goes_back: "退款中",
    again: "重新开始",
    order: "订单号",
    time: "时间",
    by: "付款方式",
    record: "存证编号",
    foot: "款项由持牌支付机构直接结算给商户。本页不保存您的身份信息。",
    sorry: "无法继续",
    wallets_code: "错误代码",
};

static EN: Words = Words {
    lang: Lang::En,
    tag: "en",
    pay_to: "Pay",
    amount: "Amount",
    amount_hint: "CNY",
    go_on: "Continue",
    choose: "Choose how to pay",
    no_way: "This shop has no way to pay in this browser now. Scan the code with WeChat or Alipay.",
    pay: "Pay now",
    calling: "Opening the payment…",
    cancelled: "You cancelled; nothing was charged. Press the button to try again.",
    failed: "The wallet did not finish the payment. Try again, or scan with another wallet.",
    checking: "Confirming",
    checking_text: "One moment. Please do not pay twice.",
    no_bridge: "Open this page in WeChat or Alipay.",
    open_wallet: "Pay in WeChat",
    sent_away: "Finish the payment on the wallet's or bank's page; the result appears here.",
    paid: "Paid",
    paid_text: "The shop has received your payment.",
    refunded: "Refunded",
    over: "This order is over",
    over_text: "It was not paid and nothing will be charged.",
    unsure: "We do not know whether it was paid",
    unsure_text: "We could not learn whether this order was paid. Look at your bank's or wallet's record and ask the shop. Do not pay again.",
    not_seen: "No payment has been seen yet. If you have not paid, press the button; if you have, wait here for the result.",
    went_back: "Refunded",
    goes_back: "Being refunded",
    again: "Start again",
    order: "Order",
    time: "Time (China)",
    by: "Paid by",
    record: "Record",
    foot: "A licensed institution settles directly with the shop. This page keeps nothing of who you are.",
    sorry: "This cannot go on",
    wallets_code: "Code",
};

impl Words {
    /// The first language of `Accept-Language` that we have; Chinese where it names none.
    pub(super) fn of(accept: &str) -> &'static Words {
        match channel::browser::speaks_english(accept) {
            true => &EN,
            false => &ZH,
        }
    }

    fn pick(&self, zh: &'static str, en: &'static str) -> &'static str {
        match self.lang {
            Lang::Zh => zh,
            Lang::En => en,
        }
    }

    /// A wallet's name.
    pub(super) fn wallet(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Wechat => self.pick("微信支付", "WeChat Pay"),
            Channel::Alipay => self.pick("支付宝", "Alipay"),
            Channel::Unionpay => self.pick("银联", "UnionPay"),
            Channel::Baidu => self.pick("百度钱包", "Baidu wallet"),
            Channel::Ccb => self.pick("建设银行", "China Construction Bank"),
            Channel::Icbc => self.pick("工商银行", "ICBC"),
            Channel::Cmb => self.pick("招商银行", "China Merchants Bank"),
        }
    }

    /// The bank of a way, as one of several.
    pub(super) fn bank<'a>(&self, way: &'a Way) -> &'a str {
        match &way.bank {
            Some(bank) => self.name_of(bank),
            None if way.channel.is_bank() => self.wallet(way.channel),
            None => self.pick("其他银行（银联）", "Other banks (UnionPay)"),
        }
    }

    /// A listed bank's name.
    pub(super) fn name_of<'a>(&self, bank: &'a ListedBank) -> &'a str {
        match self.lang {
            Lang::Zh => &bank.zh,
            Lang::En => &bank.en,
        }
    }

    /// Above the banks.
    pub(super) fn online_banking(&self) -> &'static str {
        self.pick("网上银行", "Online banking")
    }

    /// Above the banks for companies.
    pub(super) fn companies(&self) -> &'static str {
        self.pick("企业网银", "Online banking for companies")
    }

    /// A way to pay in a browser.
    pub(super) fn way(&self, way: &Way) -> (&'static str, &'static str) {
        let how = match way.pay_way {
            PayWay::Gateway if way.channel.is_bank() => self.pick("在银行页面付款", "Pay on the bank's page"),
            PayWay::Native | PayWay::Qr => self.pick("用手机扫码", "Scan with your phone"),
            PayWay::Gateway => {
                return (
                    self.pick("银联 · 网上银行", "UnionPay · online banking"),
                    self.pick("在银联页面选择银行付款", "Choose your bank on UnionPay's page"),
                );
            }
            PayWay::Page => self.pick("在电脑上登录付款", "Sign in on this computer"),
            _ => self.pick("打开手机上的应用", "Opens the app on this phone"),
        };
        (self.wallet(way.channel), how)
    }

    /// How to scan the code of a channel.
    pub(super) fn scan(&self, channel: Channel) -> &'static str {
        match channel {
            Channel::Wechat => self.pick("请用微信“扫一扫”付款", "Scan this with WeChat to pay"),
            Channel::Alipay => self.pick("请用支付宝“扫一扫”付款", "Scan this with Alipay to pay"),
            Channel::Unionpay => self.pick(
                "请用云闪付或银行应用扫码付款",
                "Scan this with a UnionPay app to pay",
            ),
            Channel::Baidu => self.pick("请用百度钱包付款", "Pay with the Baidu wallet"),
            Channel::Ccb => self.pick("请用建设银行付款", "Pay at China Construction Bank"),
            Channel::Icbc => self.pick("请用工商银行付款", "Pay at ICBC"),
            Channel::Cmb => self.pick("请用招商银行付款", "Pay at China Merchants Bank"),
        }
    }

    /// A way that was chosen before and may still be paid.
    pub(super) fn former(&self, former: &Former) -> String {
        let name = self.former_name(former);
        // A day and a time of China, to the minute.
        let until = former.until.to_string().replace('T', " ");
        let until = until.get(5..16).unwrap_or_default();
        match (former.free, self.lang) {
            (false, Lang::Zh) => format!(
                "这笔订单正在用另一种方式付款：{name}。如果没有在那边付款，{until} 以后可以换一种方式；如果已经付款，请勿重复付款。"
            ),
            (false, Lang::En) => format!(
                "This order is being paid another way: {name}. If you have not paid there, you can choose another way after {until} (China time); if you have, do not pay again."
            ),
            (true, Lang::Zh) => format!(
                "这笔订单先前选择了{name}。如果没有在那边付款，请勾选下面一项，再换一种方式；我们会先向银行核实。请关闭银行的付款页面，不要再在那边付款：万一付了两次，多付的一笔须由商户退回。"
            ),
            (true, Lang::En) => format!(
                "For this order {name} was chosen before. If you have not paid there, say so below and choose another way; we ask the bank first. Close the bank's page and do not pay there any more: if it is paid twice, the shop has to return one payment."
            ),
        }
    }

    /// What the payer says of it.
    pub(super) fn unpaid(&self, former: &Former) -> String {
        let name = self.former_name(former);
        match self.lang {
            Lang::Zh => format!("我没有在{name}付款"),
            Lang::En => format!("I have not paid at {name}"),
        }
    }

    fn former_name<'a>(&self, former: &'a Former) -> &'a str {
        match &former.bank {
            Some(bank) => self.name_of(bank),
            None => self.wallet(former.channel),
        }
    }

    /// What is wrong with an amount.
    pub(super) fn wrong(&self, wrong: Wrong) -> String {
        match (wrong, self.lang) {
            (Wrong::Form, Lang::Zh) => "请输入大于零的金额，最多两位小数，例如 12.50。".into(),
            (Wrong::Form, Lang::En) => {
                "Enter an amount above zero with at most two decimals, such as 12.50.".into()
            }
            (Wrong::TooMuch(most), Lang::Zh) => format!("静态码单笔最多 {} 元（监管限额）。", most.to_yuan()),
            (Wrong::TooMuch(most), Lang::En) => format!(
                "A printed code takes at most {} CNY (a legal limit).",
                most.to_yuan()
            ),
        }
    }

    /// A refusal in words: of ours by its code, of the channel by the channel's.
    pub(super) fn refusal(&self, code: &str, channel_code: Option<&str>) -> &'static str {
        if let Some(said) = channel_code.and_then(|code| self.channels(code)) {
            return said;
        }
        match code {
            "not_found" => self.pick(
                "这个付款码不存在，请向商户确认。",
                "There is no such code. Ask the shop.",
            ),
            "too_many_requests" | "channel_frequency" => self.pick(
                "现在人太多了，请稍等几秒再试。",
                "Too many at once. Try again in a few seconds.",
            ),
            "order_in_progress" => self.pick(
                "这笔订单正在用另一种方式付款，请先完成那边的付款，或等几分钟再试。",
                "This order is being paid another way. Finish there, or try again in a few minutes.",
            ),
            "order_paid" => self.pick(
                "这笔订单已经付过款了，请勿重复付款。",
                "This order is paid already. Do not pay again.",
            ),
            "order_closed" | "order_reversed" | "order_changed" => self.pick(
                "这笔订单已关闭，请向商户要一个新的付款码。",
                "This order is closed. Ask the shop for a new code.",
            ),
            "amount_over_limit" => self.pick(
                "金额超过了该商户的限额。",
                "The amount is above the shop's limit.",
            ),
            "channel_not_licensed" | "payee_not_allowed" | "operation_not_allowed" => self.pick(
                "该商户暂时不能用这种方式收款，请换一种方式。",
                "The shop cannot take this way to pay now. Choose another.",
            ),
            "order_not_accepted" => self.pick(
                "这笔订单未被受理，没有扣款。",
                "The order was not accepted. Nothing was charged.",
            ),
            "channel_refused" | "payer_cannot_pay" => self.pick(
                "钱包拒绝了这笔订单，没有扣款。",
                "The wallet refused the order. Nothing was charged.",
            ),
            "storage_low" | "cases_unreachable" | "stopping" | "index_rebuilding" | "deadline"
            | "not_placed" => self.pick(
                "服务暂时繁忙，没有扣款，请稍后再试。",
                "The service is busy; nothing was charged. Try again soon.",
            ),
            "malformed_request" | "method_not_allowed" | "unsupported_media_type" => self.pick(
                "浏览器发来的请求无法识别，请重新扫码。",
                "The browser's request cannot be read. Scan the code again.",
            ),
            _ => self.pick(
                "出了点问题，没有扣款。请稍后再试或询问商户。",
                "Something went wrong; nothing was charged. Try again, or ask the shop.",
            ),
        }
    }

    /// Codes of the channels' lists (channels.md 1.11, 3.3) and of their authorisation.
    fn channels(&self, code: &str) -> Option<&'static str> {
        Some(match code {
            "NOT_ENOUGH" | "NOTENOUGH" | "ACQ.BUYER_BALANCE_NOT_ENOUGH" => self.pick(
                "余额不足，请换一张卡或换一个钱包。",
                "Not enough money in the wallet. Use another card or wallet.",
            ),
            "USER_ACCOUNT_ABNORMAL" | "ACQ.BUYER_ENABLE_STATUS_FORBID" => self.pick(
                "您的钱包账户状态异常，请在钱包中查看。",
                "Your wallet account is restricted. Look in the wallet.",
            ),
            "RULE_LIMIT"
            | "RULELIMIT"
            | "ACQ.BEYOND_PAY_RESTRICTION"
            | "ACQ.BUYER_PAYMENT_AMOUNT_DAY_LIMIT_ERROR" => {
                self.pick("超过了钱包的付款限额。", "Above the wallet's limit for you.")
            }
            "ACQ.TOTAL_FEE_EXCEED" => {
                self.pick("金额超过了支付宝的上限。", "The amount is above Alipay's limit.")
            }
            "ORDER_PAID" | "ORDERPAID" | "ACQ.TRADE_HAS_SUCCESS" => self.pick(
                "这笔订单已经付过款了，请勿重复付款。",
                "This order is paid already. Do not pay again.",
            ),
            "ORDER_CLOSED" | "ORDERCLOSED" | "ACQ.TRADE_HAS_CLOSE" => self.pick(
                "这笔订单已关闭，请重新扫码。",
                "This order is closed. Scan the code again.",
            ),
            "ACQ.TRADE_BUYER_NOT_MATCH" => self.pick(
                "这笔订单是另一位付款人的，请重新扫码。",
                "This order is another payer's. Scan the code again.",
            ),
            "ACQ.BUYER_SELLER_EQUAL" => self.pick("不能付款给自己。", "You cannot pay yourself."),
            "ACCOUNT_ERROR"
            | "SIGN_ERROR"
            | "SIGNERROR"
            | "PARAM_ERROR"
            | "MCH_NOT_EXISTS"
            | "APPID_MCHID_NOT_MATCH"
            | "NO_AUTH"
            | "NOAUTH"
            | "ACQ.PARTNER_ERROR"
            | "ACQ.ACCESS_FORBIDDEN"
            | "isv.insufficient-isv-permissions" => self.pick(
                "该商户在此钱包的设置有误，请换一种方式并告知商户。",
                "The shop is not set up for this wallet. Choose another way, and tell the shop.",
            ),
            "40029" | "40163" | "42003" | "isv.code-invalid" | "isv.code-is-used" | "isv.code-expired" => {
                self.pick(
                    "授权已过期，请重新扫码。",
                    "The authorisation has expired. Scan the code again.",
                )
            }
            "40125" | "40013" | "isv.invalid-app-id" => self.pick(
                "该商户在此钱包的设置有误，请换一种方式并告知商户。",
                "The shop is not set up for this wallet. Choose another way, and tell the shop.",
            ),
            // UnionPay's respCode (channels.md 4.4).
            "64" => self.pick(
                "卡内余额不足，请换一张卡。",
                "Not enough money on the card. Use another card.",
            ),
            "61" | "65" | "66" => self.pick(
                "卡号、有效期或身份信息有误，请核对后再试。",
                "The card's number, date or identity does not match. Check and try again.",
            ),
            "33" => self.pick("超过了银行卡的付款限额。", "Above your card's limit."),
            "02" | "37" => self.pick(
                "银联系统繁忙，请稍后再试。",
                "UnionPay's system is busy. Try again soon.",
            ),
            "31" | "32" => self.pick(
                "该商户的银联设置有误，请换一种方式并告知商户。",
                "The shop is not set up for UnionPay. Choose another way, and tell the shop.",
            ),
            "SYSTEM_ERROR" | "SYSTEMERROR" | "BANK_ERROR" | "FREQUENCY_LIMITED" | "ACQ.SYSTEM_ERROR" => self
                .pick(
                    "钱包系统繁忙，请稍后再试。",
                    "The wallet's system is busy. Try again soon.",
                ),
            _ => return None,
        })
    }

    /// A code that is over.
    pub(super) fn ended(&self) -> &'static str {
        self.pick(
            "这个付款码已失效，请向商户要一个新的。",
            "This code counts no longer. Ask the shop for a new one.",
        )
    }

    /// Came back without a state that counts.
    pub(super) fn lost_way(&self) -> &'static str {
        self.pick(
            "页面已过期，没有扣款。请重新开始。",
            "The page has expired; nothing was charged. Start again.",
        )
    }

    /// Back from a bank in a browser that knows of no order.
    pub(super) fn lost(&self) -> &'static str {
        self.pick(
            "请回到打开付款码的浏览器，或重新扫码查看结果。请勿重复付款。",
            "Go back to the browser in which you opened the code, or scan it again to see the result. Do not pay twice.",
        )
    }

    /// On the way to the channel's page.
    pub(super) fn going(&self, way: &Way) -> String {
        let bank = way.bank.as_ref().map(|bank| self.name_of(bank));
        match (self.lang, bank) {
            (Lang::Zh, Some(bank)) => format!("正在前往{bank}…"),
            (Lang::En, Some(bank)) => format!("Going to {bank}…"),
            (Lang::Zh, None) => format!("正在前往{}付款页面…", self.wallet(way.channel)),
            (Lang::En, None) => format!("Going to {}'s page…", self.wallet(way.channel)),
        }
    }

    /// Beside a way to pay that is closed.
    pub(super) fn not_now(&self) -> &'static str {
        self.pick("暂时不可用，请稍后再试", "Not available now. Try again later")
    }

    /// In a wallet that is closed, with those that are open.
    pub(super) fn wallet_not_now(&self, working: &[Channel]) -> String {
        let names: Vec<&str> = working.iter().map(|channel| self.wallet(*channel)).collect();
        match (self.lang, &names[..]) {
            (Lang::Zh, []) => "这个钱包暂时连不上，没有扣款。请稍后再试。".to_owned(),
            (Lang::En, []) => {
                "This wallet cannot be reached now; nothing was charged. Try again later.".to_owned()
            }
            (Lang::Zh, names) => format!(
                "这个钱包暂时连不上，没有扣款。现在可以用{}扫码付款，或稍后再试。",
                names.join("、")
            ),
            (Lang::En, names) => format!(
                "This wallet cannot be reached now; nothing was charged. These work now: {}. Scan with one of them, or try again later.",
                names.join(", ")
            ),
        }
    }

    /// A wallet that the merchant does not take.
    pub(super) fn not_here(&self) -> &'static str {
        self.pick(
            "该商户暂时不支持用这个应用付款。请用微信、支付宝或浏览器扫码。",
            "This shop cannot be paid with this app. Scan with WeChat, Alipay or a browser.",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_known_language_is_spoken_and_chinese_where_none_is() {
        for (accept, tag) in [
            ("en-US,zh;q=0.5", "en"),
            ("zh-TW,en", "zh-CN"),
            ("fr,en;q=0.3", "en"),
            ("", "zh-CN"),
            ("fr", "zh-CN"),
        ] {
            assert_eq!(Words::of(accept).tag, tag, "{accept}");
        }
    }

    #[test]
    fn a_channels_error_goes_before_ours_and_every_code_of_ours_has_words() {
        let w = Words::of("en");
        assert!(
            w.refusal("channel_refused", Some("NOT_ENOUGH"))
                .contains("Not enough")
        );
        assert!(
            w.refusal("channel_refused", Some("UNHEARD_OF"))
                .contains("refused")
        );
        for code in crate::fault::Code::ALL {
            assert!(!w.refusal(code.row().code, None).is_empty());
        }
    }
}
