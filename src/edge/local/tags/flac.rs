//! The Vorbis comments of FLAC files, read with bounds: pictures are stepped over unread.
//!
//! Format: RFC 9639 §8 and §8.6.

use std::io;

use super::{
    gathered::{Field, Gathered},
    view::View,
};

/// More blocks than any honest file has.
const MAX_BLOCKS: usize = 1_000;
/// More comments than any honest file has.
const MAX_COMMENTS: u32 = 2_000;
/// A comment that is longer is not read.
const MAX_TEXT: u64 = 64 << 10;
/// Longer than any key that matters, and the sign after it.
const KEY: u64 = 64;
const COMMENTS: u8 = 4;

/// A file that was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Its texts.
    pub(super) gathered: Gathered,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
}

/// Reads the comments of the FLAC stream that begins at `base`.
pub(super) fn read(view: &mut View<'_>, base: u64) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut at = base + 4;
    for _ in 0..MAX_BLOCKS {
        let header = view.peek(at, 4)?;
        let &[kind, a, b, c] = header.as_slice() else {
            walked.problem.get_or_insert("its tags are cut off");
            break;
        };
        let size = u64::from(u32::from_be_bytes([0, a, b, c]));
        let end = at + 4 + size;
        if kind & 0x7f == COMMENTS {
            read_comments(view, at + 4, end.min(view.length()), &mut walked)?;
        }
        if kind & 0x80 != 0 {
            break;
        }
        at = end;
    }
    Ok(walked)
}

fn read_comments(view: &mut View<'_>, start: u64, end: u64, walked: &mut Walked) -> io::Result<()> {
    let vendor = number(view, start)?.unwrap_or(0);
    let mut at = start + 4 + u64::from(vendor);
    let count = number(view, at)?.unwrap_or(0);
    at += 4;
    if count > MAX_COMMENTS {
        walked
            .problem
            .get_or_insert("its tag has more than 2000 comments");
    }
    for _ in 0..count.min(MAX_COMMENTS) {
        let size = number(view, at)?.map_or(u64::MAX, u64::from);
        let text = at + 4;
        at = text.saturating_add(size);
        if at > end {
            walked
                .problem
                .get_or_insert("a comment of its tag is cut off");
            break;
        }
        let head = view.peek(text, usize::try_from(size.min(KEY)).unwrap_or(0))?;
        let Some(sign) = head.iter().position(|&byte| byte == b'=') else {
            continue;
        };
        let field = Field::of_key(&String::from_utf8_lossy(&head[..sign]));
        if let Some(field) = field.filter(|_| size <= MAX_TEXT) {
            let value = text + sign as u64 + 1;
            let bytes = view.peek(value, usize::try_from(at - value).unwrap_or(0))?;
            walked.gathered.put(field, &String::from_utf8_lossy(&bytes));
        }
    }
    Ok(())
}

fn number(view: &mut View<'_>, at: u64) -> io::Result<Option<u32>> {
    let bytes = view.peek(at, 4)?;
    Ok(bytes.try_into().ok().map(u32::from_le_bytes))
}
