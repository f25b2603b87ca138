//! End to end, over real sockets, real stores and real processes. One binary, so that it links once.

#![allow(
    clippy::print_stdout,
    reason = "what became of each order is part of the evidence"
)]

mod abnormal;
mod again;
mod alipay_bills;
mod alipay_codes;
mod alipay_pages;
mod alipay_payer;
mod baidu;
mod books;
mod by_trade_no;
mod canary;
mod ccb;
mod change_over;
mod clock;
mod cmb;
mod codepay;
mod codes;
mod combined;
mod compile_fail;
mod demo;
mod described;
mod encrypted;
mod gm;
mod groups;
mod hostile;
mod icbc;
mod kills;
mod mixed_up;
mod native;
mod one_code;
mod open_api;
mod operations;
mod own_ways;
mod partner;
mod product;
mod referees;
mod refunds;
mod registries;
mod repo;
mod routes;
mod scans;
mod seen;
mod statistics;
mod telemetry;
mod through;
mod unified;
mod unionpay;
mod unionpay_pass;
mod watch;
mod ways;
mod wechat_v2;
