//! Finds where the audio begins when something else stands before it: a broken download's first bytes, a
//! tag that lies about its length.

use std::io;

use super::{
    audio::{HEAD, Kind},
    view::View,
};

/// How far it is looked for.
const FAR: u64 = 1 << 20;
/// What is read at a time.
const WINDOW: usize = 64 << 10;

/// The first place after `from` where a container of audio begins, and which. MPEG audio, which has none,
/// is found by its frames.
pub(super) fn beginning(view: &mut View<'_>, from: u64) -> io::Result<Option<(Kind, u64)>> {
    let end = view.length().min(from.saturating_add(FAR));
    let mut at = from;
    while at < end {
        let bytes = view.peek(at, WINDOW)?;
        if let Some((kind, found)) = in_window(&bytes) {
            return Ok(Some((kind, at + found)));
        }
        // A beginning may lie across the border.
        at += (WINDOW - HEAD) as u64;
    }
    Ok(None)
}

fn in_window(bytes: &[u8]) -> Option<(Kind, u64)> {
    bytes.windows(4).enumerate().find_map(|(at, mark)| {
        let at = match mark {
            b"ftyp" => at.checked_sub(4)?,
            b"OggS" | b"RIFF" | b"RF64" | b"BW64" | b"FORM" => at,
            // Only before the block that every stream has.
            b"fLaC" if matches!(bytes.get(at + 4..at + 8), Some([0 | 0x80, 0, 0, 34])) => at,
            _ => return None,
        };
        let head = &bytes[at..bytes.len().min(at + HEAD)];
        let kind = Kind::of_content(head).filter(|kind| *kind != Kind::Mpeg)?;
        Some((kind, u64::try_from(at).ok()?))
    })
}
