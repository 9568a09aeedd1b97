//! What differs: the desired state beside the observation.

pub mod identity;
