//! TIDAL over HTTP: a faithful server on this machine, and what the client makes of it.

mod api;
mod document;
mod edits;
mod faults;
mod login;
mod program;
mod reading;
mod server;
mod tokens;
mod world;
mod write;
mod writes;
