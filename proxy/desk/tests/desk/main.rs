//! The desk as people, the proxy and acquirers meet it: over real HTTPS, over a real trades journal.

mod books;
mod browser;
mod command;
mod crowd;
mod exports;
mod flags;
mod following;
mod measures;
mod refusals;
mod replay;
mod signing_in;
mod trades;
mod unproven;
mod world;
