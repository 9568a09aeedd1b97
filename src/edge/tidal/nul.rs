//! A NUL in a text of TIDAL's: no file's name, no Rekordbox row and no PostgreSQL column can hold one.

use std::borrow::Cow;

/// JSON with U+FFFD, the sign for what cannot be shown, in place of every escaped NUL. JSON has no other way to
/// write one.
pub(super) fn without_nul(json: &[u8]) -> Cow<'_, [u8]> {
    const NUL: &str = "\\u0000";
    // What is no text is no JSON either, which whoever reads it says better.
    let mut rest = std::str::from_utf8(json).unwrap_or_default();
    let mut clean: Vec<u8> = Vec::new();
    while let Some(at) = rest.find(NUL) {
        let backslashes = rest[..at]
            .bytes()
            .rev()
            .take_while(|byte| *byte == b'\\')
            .count();
        let (before, after) = rest.split_at(at + NUL.len());
        // Behind an odd number it is a backslash, and the letters themselves.
        match backslashes % 2 {
            0 => {
                clean.extend(before[..at].bytes());
                clean.extend(b"\\ufffd");
            }
            _ => clean.extend(before.bytes()),
        }
        rest = after;
    }
    match clean.is_empty() {
        true => Cow::Borrowed(json),
        false => {
            clean.extend(rest.bytes());
            Cow::Owned(clean)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nul_becomes_a_sign_and_nothing_else_changes() {
        let text = |json: &str| -> String {
            serde_json::from_slice(&without_nul(json.as_bytes())).unwrap()
        };
        assert_eq!(text(r#""A\u0000B\u0000""#), "A\u{fffd}B\u{fffd}");
        assert_eq!(text(r#""\\u0000""#), "\\u0000");
        assert_eq!(text(r#""\\\u0000""#), "\\\u{fffd}");
        let plain = br#"{"title":"Horizon"}"#;
        assert!(matches!(without_nul(plain), Cow::Borrowed(_)));
    }
}
