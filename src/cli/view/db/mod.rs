//! The three daily workflows and the state database, as screens and as JSON.

pub mod sync;
pub mod reconcile;
pub mod inspect;
pub mod database;

/// A word for a POSIX shell that can be copied from the screen: quoted only where it must be.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    match word.contains(['"', '$', '`', '\\', '!']) {
        true => format!("'{}'", word.replace('\'', "'\\''")),
        false => format!("\"{word}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_copied() {
        for (word, quoted) in [
            ("plan.json", "plan.json"),
            ("House Italo R 🇮🇹", "\"House Italo R 🇮🇹\""),
            ("Don't", "\"Don't\""),
            ("$5 `x`", "'$5 `x`'"),
            ("it's \"5$\"", "'it'\\''s \"5$\"'"),
            ("", "\"\""),
        ] {
            assert_eq!(shell_word(word), quoted);
        }
    }
}
