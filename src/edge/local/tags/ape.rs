//! `APEv2` tags at the end of a file, read with bounds.
//!
//! Format: <https://wiki.hydrogenaudio.org/index.php?title=APEv2_specification>.

use std::io;

use super::{
    gathered::{Field, Gathered},
    view::View,
};

/// More items than any honest tag has.
const MAX_ITEMS: u32 = 2_000;
/// A value that is longer is not read.
const MAX_VALUE: u64 = 64 << 10;
/// The longest key, by the specification, and its terminator.
const KEY: usize = 256;
/// Of the header as well.
const FOOTER: u64 = 32;
const HAS_HEADER: u32 = 1 << 31;

/// A tag that was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Where it begins.
    pub(super) start: u64,
    /// Its texts.
    pub(super) gathered: Gathered,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
}

/// Reads the tag whose footer ends at `end`.
pub(super) fn read(view: &mut View<'_>, end: u64) -> io::Result<Option<Walked>> {
    let Some(start) = end.checked_sub(FOOTER) else {
        return Ok(None);
    };
    let footer = view.peek(start, usize::try_from(FOOTER).unwrap_or(0))?;
    if footer.len() < 32 || !footer.starts_with(b"APETAGEX") {
        return Ok(None);
    }
    let mut walked = Walked {
        start,
        ..Walked::default()
    };
    let (size, count) = (u64::from(number(&footer, 12)), number(&footer, 16));
    let Some(mut at) = end.checked_sub(size).filter(|_| size >= FOOTER) else {
        walked.problem = Some("its APE tag is cut off");
        return Ok(Some(walked));
    };
    let has_header = number(&footer, 20) & HAS_HEADER != 0;
    walked.start = at.saturating_sub(if has_header { FOOTER } else { 0 });
    if count > MAX_ITEMS {
        walked.problem = Some("its APE tag has more than 2000 items");
    }
    for _ in 0..count.min(MAX_ITEMS) {
        let head = view.peek(at, 8 + KEY)?;
        let Some(length) = head
            .get(8..)
            .and_then(|key| key.iter().position(|&b| b == 0))
        else {
            walked.problem.get_or_insert("its APE tag is damaged");
            break;
        };
        let (size, is_text) = (u64::from(number(&head, 0)), number(&head, 4) & 0b110 == 0);
        let value = at + 8 + length as u64 + 1;
        at = value + size;
        if at > start {
            walked
                .problem
                .get_or_insert("an item of its APE tag is cut off");
            break;
        }
        let key = String::from_utf8_lossy(&head[8..8 + length]);
        if let Some(field) = Field::of_key(&key).filter(|_| is_text && size <= MAX_VALUE) {
            let bytes = view.peek(value, usize::try_from(size).unwrap_or(0))?;
            for text in String::from_utf8_lossy(&bytes).split('\0') {
                walked.gathered.put(field, text);
            }
        }
    }
    Ok(Some(walked))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}
