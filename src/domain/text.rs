//! Text as people compare it.

use std::borrow::Cow;

use unicode_normalization::{UnicodeNormalization as _, is_nfc};

/// The form under which two names count as the same on any volume: NFC, then lower case. For
/// comparison and as a key only, never for display or as a name.
#[must_use]
pub fn fold_name(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    name.nfc().flat_map(char::to_lowercase).nfc().collect()
}

/// The canonical composed form (NFC).
#[must_use]
pub fn nfc(name: &str) -> String {
    composed(name).into_owned()
}

/// The canonical composed form (NFC): the text itself, where it is composed already.
#[must_use]
pub fn composed(name: &str) -> Cow<'_, str> {
    match name.is_ascii() || is_nfc(name) {
        true => Cow::Borrowed(name),
        false => Cow::Owned(name.nfc().collect()),
    }
}
