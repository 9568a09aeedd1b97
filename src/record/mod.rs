//! The memory: what the journal holds of an action, and what it changes in the state.
