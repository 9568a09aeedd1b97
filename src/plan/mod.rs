//! Changes become decisions, decisions become a plan.

pub mod canonical;
pub mod document;
pub mod m3u8;

pub use document::Plan;
