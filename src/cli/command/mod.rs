//! The commands: each a page that reads its flags, asks the engine, and shows the answer.

pub mod account;
pub mod apply;
pub mod config;
pub mod db;
pub mod db_check;
pub mod db_restore;
pub mod decide;
pub mod demo;
pub mod doctor;
pub mod explain;
pub mod freeze;
pub mod import;
pub mod init;
pub mod library;
pub mod look;
pub mod plan;
pub mod policy;
pub mod schema;
mod replan;
pub mod report;
pub mod rekordbox;
pub mod review;
pub mod rekordbox_export;
pub mod snapshot;
pub mod tidal;
pub mod trash;
pub mod undo;
