//! Carries out a plan: one recorded step at a time.
