//! Text as people compare it.

use unicode_normalization::UnicodeNormalization as _;

/// The form under which two names count as the same on any volume: NFC, then lower case. For
/// comparison and as a key only, never for display or as a name.
#[must_use]
pub fn fold_name(name: &str) -> String {
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The canonical composed form (NFC).
#[must_use]
pub fn nfc(name: &str) -> String {
    name.nfc().collect()
}
