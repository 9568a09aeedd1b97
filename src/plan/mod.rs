//! Changes become decisions, decisions become a plan.

pub mod canonical;
pub mod document;

pub use document::Plan;
