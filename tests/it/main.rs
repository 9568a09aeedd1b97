//! The integration tests: one binary, one folder.

mod apply;
mod cmd;
mod harness;
mod journey;
mod journey_consent;
mod journey_delivery;
mod journey_gates;
mod journey_kill;
mod journey_names;
mod policy;
mod policy_gates;
mod rekordbox;
mod rekordbox_oracle;
mod rekordbox_read;
mod rekordbox_safety;
mod rekordbox_write;
mod shape;
mod tidal;
