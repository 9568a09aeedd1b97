//! Changes become decisions, decisions become a plan.

pub mod document;
pub mod guard;

pub use document::Plan;
