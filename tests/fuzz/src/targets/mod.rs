//! All targets. Each holds its parser to a promise, not only to not panicking.

mod api;
mod bills;
mod desk;
mod entries;
mod gm;
mod groups;
mod head;
mod json;
mod messages;
mod packages;
mod pages;
mod queries;
mod registries;
mod stores;
mod tlog;
mod xml;

/// Name and function.
pub(crate) const ALL: &[(&str, fn(&[u8]))] = &[
    ("strict_json", json::strict_json),
    ("form", json::form),
    ("strict_xml", xml::strict_xml),
    ("strict_tree", xml::strict_tree),
    ("wechat_v2", xml::wechat_v2),
    ("native_wechat", messages::native_wechat),
    ("native_wechat_v2", messages::native_wechat_v2),
    ("native_alipay", messages::native_alipay),
    ("native_unionpay", messages::native_unionpay),
    ("native_group", groups::native),
    ("notice_group", groups::told),
    ("notice_sm2", gm::noticed),
    ("keys_sm2", gm::keys),
    ("notice_wechat", messages::notice_wechat),
    ("notice_alipay", messages::notice_alipay),
    ("answer_wechat", messages::answer_wechat),
    ("answer_alipay", messages::answer_alipay),
    ("notice_unionpay", messages::notice_unionpay),
    ("answer_unionpay", messages::answer_unionpay),
    ("notice_baidu", messages::notice_baidu),
    ("answer_baidu", messages::answer_baidu),
    ("notice_ccb", messages::notice_ccb),
    ("answer_ccb", messages::answer_ccb),
    ("notice_icbc", messages::notice_icbc),
    ("notice_cmb", messages::notice_cmb),
    ("answer_cmb", messages::answer_cmb),
    ("customer_info", messages::customer_info),
    ("query_gbk", queries::query_gbk),
    ("authorization_v3", queries::authorization_v3),
    ("authorization", api::authorization),
    ("api_body", api::body),
    ("api_group", groups::body),
    ("api_route", api::route),
    ("statistics_ask", api::statistics_ask),
    ("new_code", pages::new_code),
    ("pages", pages::asked),
    ("whose", pages::whose),
    ("head", head::head),
    ("note", tlog::note),
    ("tiles", tlog::tiles),
    ("follow", tlog::follow),
    ("wal", stores::wal),
    ("snapshot", stores::snapshot),
    ("sealed", stores::sealed),
    ("registries", registries::registries),
    ("condition", registries::condition),
    ("config", registries::config),
    ("desk_asking", desk::asking),
    ("desk_config", desk::config),
    ("desk_users", desk::people),
    ("receipt", packages::receipt),
    ("export", packages::export),
    ("entries", entries::entries),
    ("bill_wechat", bills::wechat),
    ("bill_alipay", bills::alipay),
    ("bill_unionpay", bills::unionpay),
];

/// The octets in `n` parts, cut at the first NULs.
pub(crate) fn parts<const N: usize>(data: &[u8]) -> [&[u8]; N] {
    let mut rest = data.splitn(N, |b| *b == 0);
    std::array::from_fn(|_| rest.next().unwrap_or_default())
}

/// Runs of eight digits or more in a text are somebody's number: no error may repeat one of the input's.
pub(crate) fn tells_no_number(error: &str, input: &[u8]) {
    let runs = error
        .split(|c: char| !c.is_ascii_digit())
        .filter(|run| run.len() >= 8);
    for run in runs.filter(|run| *run != "9007199254740991") {
        assert!(
            !input.windows(run.len()).any(|w| w == run.as_bytes()),
            "the error repeats {run}: {error}"
        );
    }
}
