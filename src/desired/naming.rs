//! Where a track belongs: safe, stable, distinct names.
