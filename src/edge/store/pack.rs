//! Texts of many megabytes (plans, snapshots) as gzip, which is checked when it is read.

use std::io::{self, Read as _, Write as _};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

/// The most that one text may unpack to; a larger one is damage.
const LIMIT: u64 = 4 << 30;

/// Compresses a text.
pub(super) fn pack(text: &str) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(3));
    encoder.write_all(text.as_bytes())?;
    encoder.finish()
}

/// Reads it back.
pub(super) fn unpack(bytes: &[u8]) -> io::Result<String> {
    let mut text = String::new();
    GzDecoder::new(bytes)
        .take(LIMIT)
        .read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_survives_and_damage_is_seen() {
        let text = "{\"name\":\"House Italo R 🇮🇹\"}".repeat(100);
        let mut bytes = pack(&text).unwrap();
        assert_eq!(unpack(&bytes).unwrap(), text);
        let last = bytes.len() - 5;
        bytes[last] ^= 1;
        assert!(unpack(&bytes).is_err());
        assert!(unpack(&bytes[..20]).is_err());
    }
}
