//! The face: the command line, what a person sees, and what they are asked.

pub mod args;
pub mod settings;
pub mod select;
pub mod ui;
pub mod error;
pub mod view;
