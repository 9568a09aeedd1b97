//! TIDAL's JSON, read tolerantly: every attribute may be missing, `null` or of a kind not known here.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// An ISO 8601 time with an offset, or without one, which TIDAL means as UTC.
#[must_use]
pub fn timestamp(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}
