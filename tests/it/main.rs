//! The integration tests: one binary, one folder.

mod apply;
mod browser;
mod cmd;
mod evenings;
#[cfg(target_os = "linux")]
mod crash;
mod fetch;
mod fuzz;
mod harness;
mod journey;
mod journey_consent;
mod journey_delivery;
mod journey_gates;
mod journey_kill;
mod journey_names;
mod journey_server;
mod laws;
mod moved;
mod page;
mod partial;
mod policy;
mod portable;
mod rekeyed;
mod policy_gates;
#[cfg(target_os = "linux")]
mod policy_moment;
mod local;
#[path = "../common/postgres.rs"]
mod postgres;
mod rekordbox;
mod rekordbox_backup;
mod rekordbox_export;
mod rekordbox_drift;
mod rekordbox_duplicates;
mod rekordbox_language;
mod rekordbox_oracle;
mod rekordbox_read;
mod rekordbox_refused;
mod rekordbox_safety;
mod rekordbox_worlds;
mod rekordbox_write;
mod server;
mod shape;
mod takeover;
mod tidal;
mod trash;
mod unchanged;
mod upgrade;
