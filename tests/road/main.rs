//! End to end, over real sockets, real stores and real processes. One binary, so that it links once.

mod again;
mod canary;
mod codes;
mod compile_fail;
mod demo;
mod described;
mod hostile;
mod kills;
mod native;
mod one_code;
mod operations;
mod referees;
mod repo;
mod telemetry;
mod through;
mod unified;
mod watch;
mod ways;
