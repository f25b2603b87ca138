//! The pages' words, each in both languages side by side, so that none is forgotten in one.

use domain::{BillKind, BillState, Channel, Movement, RecordState};
use policy::anomaly::{Lang, clock, several};

macro_rules! words {
    ($($field:ident: $zh:literal, $en:literal;)*) => {
        /// Every word of the pages in one language.
        #[allow(missing_docs)] // the words say it themselves
        pub struct Words { $(pub $field: &'static str,)* }
        static ZH: Words = Words { $($field: $zh,)* };
        static EN: Words = Words { $($field: $en,)* };
    };
}

words! {
    code: "zh-CN", "en";
    desk: "官道 · 合规台", "Guandao · compliance desk";
    skip: "跳到正文", "Skip to content";
    navigation: "导航", "Navigation";
    flags: "标记", "Flags";
    measures: "措施", "Measures";
    exports: "移交", "Hand-over";
    refusals: "拦截记录", "Refused by the guard";
    refusals_note: "违反资金红线或可作两种解读的请求，均未送达渠道。签名属实的记在商户名下，其余按账户每分钟计数；只记条款与已知字段名，不记内容。", "Requests that would have moved money elsewhere, or that could be read in two ways; none reached a channel. With a proven signature they stand with their merchant, the rest is counted per account and minute; only clauses and known names are kept, no content.";
    no_refusals: "没有拦截记录。", "Nothing was refused.";
    breach_kind: "类别", "Kind";
    breach_name: "字段或接口", "Field or call";
    breach_operation: "未开放的接口", "Call not carried";
    breach_funds: "涉及资金划转", "Would move money";
    breach_field: "未开放的字段", "Field not carried";
    breach_value: "字段取值不符", "Unlawful value";
    breach_payee: "收款方非本商户", "Another's account";
    breach_form: "可作两种解读", "Two readings";
    clause: "条款", "Clause";
    day: "日期", "Day";
    at: "时间", "Time";
    how_many: "次数", "Count";
    nobodys: "未证实", "unproven";
    books: "对账", "Books";
    books_note: "渠道账单与交易日志之间的差异。一人提出处理意见，另一人复核；商户只看到结论，看不到理由。", "Where a channel's bill and the trades journal differ. One officer proposes what it comes to, another agrees; the merchant sees the outcome, not the reason.";
    differences: "差异", "Differences";
    no_differences: "没有对账差异。", "No differences.";
    unproven: "未核实", "Not proven";
    unproven_note: "渠道始终未明确答复的订单，以及逾期或始终未提供的账单。它们既未核对一致，也不算差异；请另行向渠道查实，由两人把结果记入。", "Orders about which the channel never gave a clear answer, and bills that are overdue or never came. They are neither proven nor a difference; find out from the channel by other means, and let two people put the result on record.";
    no_unproven: "没有未核实事项。", "Everything is proven.";
    unanswered: "渠道未明确答复", "No clear answer";
    unanswered_do: "请在渠道商户平台或向其客服按订单号查实，再提出结果。记入后，商户对该日看到“已处理”，不是“一致”。", "Look the order up at the channel's merchant site or ask its service staff, then propose what was found. The merchant then reads that the day is resolved, not that it agrees.";
    overdue: "账单逾期", "Bill overdue";
    overdue_do: "系统仍每隔数小时索取，到达即自动核对，此处无须处理；请催问渠道，并核对账户权限与对账文件主机是否已登记。", "It is still asked for every few hours and compared when it comes, so nothing is decided here. Ask the channel why, and check the account's rights and that the host of its bills is registered.";
    never_came: "账单始终未提供", "Bill never came";
    never_came_do: "已超过渠道保存期，不再索取。请向渠道索要该日的书面账单，对照商户对账单人工核对，再提出结果。", "No channel keeps it so long, so it is asked for no more. Get that day's bill from the channel on paper, hold the merchant's statement against it, then propose what was found.";
    asked_times: "已索取次数", "times asked:";
    found_there: "已另行查实：以渠道所述为准", "Looked up: the channel's word stands";
    found_here: "已另行查实：本方记录无误", "Looked up: our record stands";
    our_record: "本方记录", "Our record";
    their_bill: "渠道账单", "The bill";
    belongs_to: "应属", "belongs to";
    bill_of: "账单日", "bill of";
    agreed_by: "同意人", "agreed by";
    comes_to: "处理意见", "It comes to";
    bill_stands: "以账单为准", "The bill stands";
    record_stands: "以本方记录为准", "Our record stands";
    explained: "已查明，两方均无误", "Explained, both are right";
    resolved: "已处理", "Resolved";
    propose_it: "提出", "Propose";
    agree_it: "同意", "Agree";
    send_it_back: "退回", "Send back";
    repeated: "账单重复", "Repeated in the bill";
    only_at_channel: "仅渠道有", "Only at the channel";
    only_here: "仅本方有", "Only here";
    amount_differs: "金额不符", "Another amount";
    state_differs: "状态不符", "Another state";
    trade_no_differs: "渠道流水号不符", "Another trade number";
    other_day: "跨日", "In another day's bill";
    other_lang: "English", "中文";
    sign_in: "登录", "Sign in";
    sign_out: "退出", "Sign out";
    name: "姓名", "Name";
    password: "口令", "Password";
    sign_in_note: "登录与查阅均记入案件日志。30 分钟无操作自动退出。", "Signing in and every case you open are put on record. You are signed out after 30 idle minutes.";
    wrong: "姓名或口令不正确。", "The name or the password is wrong.";
    too_many: "尝试次数过多，请 15 分钟后再试。", "Too many tries. Try again in 15 minutes.";
    alarm: "警报：交易日志被分叉或回滚，已停止跟随", "ALARM: the trades journal was forked or rolled back; following has stopped";
    trouble: "暂时读不到交易日志，自", "The trades journal cannot be read since";
    waiting: "警报：缺少登记文件，其后的交易未被监测，自", "ALARM: a registry file is missing; trades after it are not watched since";
    unreadable: "条交易日志本台无法识别，请升级", "entries of the trades journal are unknown to this desk; upgrade it";
    officer: "合规员", "Officer";
    supervisor: "复核员", "Supervisor";
    regulator: "监管（只读）", "Regulator (read-only)";
    queue: "标记队列", "Queue of flags";
    state: "状态", "State";
    all: "全部", "All";
    open: "待处理", "Open";
    proposed: "待复核", "Awaits a second officer";
    confirmed: "已确认", "Confirmed";
    dismissed: "已排除", "Dismissed";
    acquirer: "收单机构", "Acquirer";
    show: "筛选", "Filter";
    number: "编号", "No.";
    rule: "规则", "Rule";
    merchant: "商户", "Merchant";
    observed: "观察值 / 阈值", "Observed / threshold";
    raised: "产生时间", "Raised";
    age: "已历时", "Age";
    none: "没有符合条件的标记。", "No flags match.";
    shown: "条", "shown";
    unacknowledged: "尚未签收的移交包", "Packages not acknowledged";
    package: "移交包", "Package";
    made: "制作时间", "Made";
    why_flagged: "标记原因", "Why it was flagged";
    lead: "标记是给收单机构的线索，不是结论；它补充而不取代收单机构自己的监测。", "A flag is a lead for the acquirer, not a judgement; it supplements the acquirer's own monitoring.";
    facts: "事实", "Facts";
    version: "版本", "version";
    window: "时间窗", "Window";
    payer: "付款人代号", "Payer's pseudonym";
    epoch: "期", "epoch";
    parameters: "参数", "Parameters";
    inputs: "输入摘要", "Digest of inputs";
    case_index: "案件日志序号", "Cases journal index";
    trades: "所涉交易", "Trades";
    index: "序号", "Index";
    time: "时间", "Time";
    what: "事项", "Event";
    amount: "金额（元）", "Amount (CNY)";
    order: "订单", "Order";
    entry: "日志原文", "Entry";
    true_clause: "真实条款", "true clause";
    more_trades: "条未列出，见接口或移交包", "more; see the API or the package";
    not_here: "本台没有该条副本", "not in this desk's copy";
    history: "经过", "History";
    who: "人员", "Who";
    machine: "系统", "the machine";
    step_raised: "产生标记", "raised";
    step_read: "查阅", "read";
    step_confirm: "提议确认", "proposed to confirm";
    step_dismiss: "提议排除", "proposed to dismiss";
    step_confirmed: "同意确认", "agreed: confirmed";
    step_dismissed: "同意排除", "agreed: dismissed";
    step_returned: "退回", "sent back";
    decide: "处理", "Decide";
    propose_note: "由一名合规员写明理由提出，再由另一人决定。", "One officer proposes with a written reason; another person decides.";
    disposition: "提议", "Proposal";
    confirm: "确认，移交收单机构", "Confirm: goes to the acquirer";
    dismiss: "排除，理由留存", "Dismiss: the reason is kept";
    reason: "理由", "Reason";
    reason_hint: "必填，至多 2000 字；不要写付款人的个人信息。", "Needed, at most 2000 characters. Write nothing personal about a payer.";
    propose: "提出", "Propose";
    second: "第二人", "Second officer";
    by: "提出人", "Proposed by";
    own: "这是您提出的，须由另一人决定。", "You proposed this; another person must decide.";
    agree: "同意", "Agree";
    send_back: "退回", "Send back";
    send_back_reason: "退回理由", "Reason for sending back";
    decided: "已决定", "Decided";
    read_only: "只读身份：查阅已记录。", "Read-only: your reading is on record.";
    in_force: "生效中的措施", "Measures in force";
    no_measures: "没有生效中的措施。", "No measures are in force.";
    pending: "待第二人决定", "Awaiting a second officer";
    no_pending: "没有待决定的措施。", "Nothing awaits a second officer.";
    past: "已结束或未生效", "Ended or never in force";
    subject: "对象", "Subject";
    account: "通道账户", "Channel account";
    channel: "通道", "Channel";
    effect: "内容", "Effect";
    stop: "停止新订单", "Stop new orders";
    lift: "解除", "Lift";
    until: "到期", "Ends";
    order_it: "同意并下达", "Agree and order";
    reject: "否决", "Reject";
    reject_reason: "否决理由", "Reason for rejecting";
    lift_reason: "解除理由", "Reason for lifting";
    propose_lift: "提议解除", "Propose to lift";
    propose_stop: "提议停止", "Propose a stop";
    stop_note: "措施须相称并有期限，由第二人下达，到期自行失效；查询、关单、退款不受影响。", "A measure is proportionate and has an end. A second person orders it. Queries, closes and refunds go on.";
    merchant_or: "商户号", "Merchant id";
    account_no: "或：通道账户号", "Or: channel account";
    until_day: "最后一天", "Last day";
    lifted: "已解除", "Lifted";
    expired: "已到期", "Expired";
    rejected: "已否决", "Rejected";
    lift_proposed: "待解除", "Lift proposed";
    effective: "生效中", "In force";
    m_proposed: "待下达", "Proposed";
    step_stop: "提议停止", "proposed a stop";
    step_lift: "提议解除", "proposed to lift";
    step_ordered: "同意下达", "ordered it";
    step_lifted: "同意解除", "agreed to lift";
    step_rejected: "否决", "rejected it";
    export_note: "移交包列出该机构自上一包以来的每一个编号：已确认者附详情，已排除与待处理者附凭证，不缺一号。", "A package lists every number since the one before: confirmed flags in full, dismissed and open ones with proof, none left out.";
    make: "制作移交包", "Make packages";
    make_for: "收单机构", "For acquirer";
    every: "全部收单机构", "Every acquirer";
    range: "编号范围", "Numbers";
    late_only: "仅后续决定", "later decisions only";
    digest: "清单摘要", "Manifest digest";
    acknowledged: "签收", "Acknowledged";
    not_yet: "未签收", "Not yet";
    no_packages: "还没有移交包。", "No packages yet.";
    ack_note: "收到签收文件后：guandao-desk export --config 配置 --ack 文件", "When the acquirer's file came: guandao-desk export --config FILE --ack FILE";
    refused: "未能完成", "Not done";
    back: "返回", "Back";
    not_found: "没有这个页面或对象。", "There is no such page or thing.";
    same_officer: "须由另一人决定，不能由提出人自己决定。", "A second officer must decide, never the one who proposed.";
    no_role: "您的身份不含此项权限。", "Your role does not include this.";
    stale: "表单已失效，请重新打开页面。", "The form is out of date; open the page again.";
    changed: "提议已变更，请重新阅读后再决定。", "The proposal has changed; read it again before you decide.";
    closed: "合规台正在停止。", "The desk is stopping.";
    nothing_new: "自上一包以来没有新内容。", "Nothing is new since the last package.";
    failed: "出现故障，已记入日志。", "Something failed; it is in the log.";
    done: "已完成。", "Done.";
    footer: "标记与措施属保密信息，不得向商户透露。", "Flags and measures are confidential; a merchant must not learn of them.";
    read_to: "已核验交易日志至", "Trades journal verified up to";
}

impl Words {
    /// The words of a language.
    pub fn of(lang: Lang) -> &'static Words {
        match lang {
            Lang::Zh => &ZH,
            Lang::En => &EN,
        }
    }
}

/// A refusal's text in the reader's language; English texts stay as they are where they came from the API.
pub fn refusal(lang: Lang, text: &'static str) -> &'static str {
    if lang == Lang::En {
        return text;
    }
    match text {
        "a written reason is needed" => "须写明理由。",
        "the reason is longer than 2000 characters" => "理由超过 2000 字。",
        "the reason holds a control character" => "理由含有控制字符。",
        "a measure ends in the future" => "措施的到期日须在今后。",
        "a measure ends within 366 days" => "措施须在 366 天内到期。",
        "no registry knows this merchant" => "登记文件中没有这个商户。",
        "no registry knows this account" => "登记文件中没有这个通道账户。",
        "a proposal waits for a second officer already" => "已有提议在等待第二人。",
        "the flag is decided" => "该标记已决定。",
        "say which proposal was read: its index" => "请注明所读提议的序号。",
        "nothing is proposed" => "没有待决定的提议。",
        "only a measure in force can be lifted" => "只能解除生效中的措施。",
        "its end is over already; reject it" => "已过到期日，请否决。",
        "name a merchant or a channel account" => "请填写商户号或通道账户，二者其一。",
        "the last day is a date such as 2026-12-31" => "最后一天应为日期，如 2026-12-31。",
        _ => text,
    }
}

/// How long ago, in two units at most.
pub fn age(lang: Lang, millis: i64) -> String {
    let minutes = (millis / 60_000).max(0);
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (lang, days, hours) {
        (Lang::Zh, 0, 0) => format!("{minutes} 分钟"),
        (Lang::Zh, 0, _) => format!("{hours} 小时 {minutes} 分"),
        (Lang::Zh, ..) => format!("{days} 天 {hours} 小时"),
        (Lang::En, 0, 0) => format!("{minutes} min"),
        (Lang::En, 0, _) => format!("{hours} h {minutes} min"),
        (Lang::En, ..) => format!("{days} d {hours} h"),
    }
}

/// `2026-11-23 20:47:13` in UTC+8.
pub fn time(at: domain::Instant) -> String {
    clock(at)
}

/// A value with its unit.
pub fn quantity(lang: Lang, value: u64, unit: &str) -> String {
    match (lang, unit) {
        (Lang::Zh, "fen") => format!("{} 元", domain::Amount::from_fen(value).to_yuan()),
        (Lang::En, "fen") => format!("{} CNY", domain::Amount::from_fen(value).to_yuan()),
        (Lang::Zh, "trades") => format!("{value} 笔"),
        (Lang::Zh, "merchants") => format!("{value} 家商户"),
        (Lang::Zh, "channels") => format!("{value} 个渠道"),
        (_, "percent") => format!("{value}%"),
        _ => several(value, unit),
    }
}

/// A channel's name.
pub(crate) fn channel(lang: Lang, channel: Channel) -> &'static str {
    let (zh, en) = match channel {
        Channel::Wechat => ("微信支付", "WeChat Pay"),
        Channel::Alipay => ("支付宝", "Alipay"),
        Channel::Unionpay => ("云闪付（银联）", "UnionPay"),
        Channel::Baidu => ("百度钱包", "Baidu wallet"),
        Channel::Ccb => ("建设银行", "CCB"),
        Channel::Icbc => ("工商银行", "ICBC"),
        Channel::Cmb => ("招商银行", "CMB"),
    };
    pick(lang, zh, en)
}

/// Which of a channel's bills.
pub(crate) fn bill(lang: Lang, kind: BillKind) -> &'static str {
    match kind {
        BillKind::Trade => pick(lang, "交易账单", "trade bill"),
        BillKind::Funds => pick(lang, "资金账单", "fund-flow bill"),
        BillKind::Queried => pick(lang, "逐笔查询", "asked order by order"),
    }
}

/// What moved.
pub(crate) fn movement(lang: Lang, movement: Movement) -> &'static str {
    match movement {
        Movement::Payment => pick(lang, "支付", "payment"),
        Movement::Refund => pick(lang, "退款", "refund"),
        Movement::Reversal => pick(lang, "撤销退回", "way back of a reversal"),
    }
}

/// How far it is by our record.
pub(crate) fn record_state(lang: Lang, movement: Movement, state: RecordState) -> &'static str {
    use {Movement as M, RecordState as R};
    match (state, movement) {
        (R::Done, M::Payment) => pick(lang, "已支付", "paid"),
        (R::Done, _) => pick(lang, "已退", "paid back"),
        (R::Open, M::Payment) => pick(lang, "未支付或尚无结果", "not paid, or nobody has told"),
        (R::Open, _) => pick(lang, "尚无结果", "nobody has told what came of it"),
        (R::Gone, M::Payment) => pick(lang, "未成交", "came to nothing"),
        (R::Gone, _) => pick(lang, "未退成", "did not go back"),
        (R::Undone, _) => pick(lang, "已撤销", "undone"),
        (R::Back, _) => pick(lang, "撤销后已退回", "went back with the reversal"),
    }
}

/// How far it is by the channel's bill.
pub(crate) fn bill_state(lang: Lang, movement: Movement, state: BillState) -> &'static str {
    match (state, movement) {
        (BillState::Done, Movement::Payment) => pick(lang, "已支付", "paid"),
        (BillState::Done, _) => pick(lang, "已退", "paid back"),
        (BillState::Pending, _) => pick(lang, "处理中", "under way"),
        (BillState::Failed, _) => pick(lang, "失败", "failed"),
        (BillState::Corrected, _) => pick(lang, "渠道事后更正", "corrected by the channel"),
    }
}

/// The last code about something that was asked for: the channel's, or a word of ours.
pub(crate) fn code(lang: Lang, code: &str) -> &str {
    match code {
        "unclear" => pick(lang, "答复不明", "no clear answer"),
        "not_sent" => pick(lang, "未能送出", "could not be sent"),
        "unreadable" => pick(lang, "无法解读", "unreadable"),
        "hash" => pick(lang, "摘要不符", "wrong hash"),
        "host" => pick(lang, "主机未登记", "host not registered"),
        "gone" => pick(lang, "先前有，现称没有", "said to be there no more"),
        other => other,
    }
}

fn pick(lang: Lang, zh: &'static str, en: &'static str) -> &'static str {
    match lang {
        Lang::Zh => zh,
        Lang::En => en,
    }
}

/// What happened to a trade, in words.
pub fn event(lang: Lang, name: &'static str) -> &'static str {
    match (lang, name) {
        (Lang::Zh, "refused") => "拒绝",
        (Lang::Zh, "guard_refused") => "红线拦截",
        (Lang::En, "guard_refused") => "refused by the guard",
        (Lang::Zh, "attempt_intended") => "下单",
        (Lang::Zh, "attempt_placed") => "通道已受理",
        (Lang::Zh, "attempt_paid") => "支付成功",
        (Lang::Zh, "attempt_closed") => "关单",
        (Lang::Zh, "attempt_not_placed") => "未成单",
        (Lang::Zh, "refund_intended") => "发起退款",
        (Lang::Zh, "refund_processing") => "退款处理中",
        (Lang::Zh, "refund_succeeded") => "退款成功",
        (Lang::Zh, "refund_failed") => "退款失败",
        (Lang::Zh, "mismatched") => "与记录不符",
        (Lang::Zh, "attempt_unresolved") => "结果未明",
        (Lang::Zh, "pattern_seen") => "文本疑含个人信息",
        (Lang::Zh, "foreign_notice") => "无主通知",
        (Lang::En, "mismatched") => "did not fit the record",
        (Lang::En, "attempt_unresolved") => "never resolved",
        (Lang::En, "pattern_seen") => "free text like personal data",
        (Lang::En, "foreign_notice") => "notice for no order",
        (Lang::En, "refused") => "refused",
        (Lang::En, "attempt_intended") => "order sent",
        (Lang::En, "attempt_placed") => "order placed",
        (Lang::En, "attempt_paid") => "paid",
        (Lang::En, "attempt_closed") => "closed",
        (Lang::En, "refund_intended") => "refund sent",
        (Lang::En, "refund_succeeded") => "refunded",
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_times_read_like_people_write_them() {
        assert_eq!(age(Lang::En, 59_000), "0 min");
        assert_eq!(age(Lang::En, 3 * 3_600_000 + 60_000), "3 h 1 min");
        assert_eq!(age(Lang::Zh, 50 * 3_600_000), "2 天 2 小时");
        assert_eq!(
            time(domain::Instant::from_secs(1_767_196_800)),
            "2026-01-01 00:00:00"
        );
        assert_eq!(quantity(Lang::Zh, 12345, "fen"), "123.45 元");
        assert_eq!(quantity(Lang::En, 1, "trades"), "1 trade");
        assert_eq!(quantity(Lang::En, 2, "trades"), "2 trades");
    }
}
