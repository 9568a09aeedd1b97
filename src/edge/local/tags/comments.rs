//! Vorbis comments, as FLAC and Ogg hold them, read with bounds.
//!
//! Format: RFC 9639 §8.6, <https://xiph.org/vorbis/doc/v-comment.html>.

use std::io;

use super::{
    gathered::{Field, Gathered},
    view::View,
};

/// More comments than any honest file has.
const MAX_COMMENTS: u32 = 2_000;
/// A comment that is longer is not read.
const MAX_TEXT: u64 = 64 << 10;
/// Longer than any key that matters, and the sign after it.
const KEY: u64 = 64;

/// Bytes that come one after the other, or are stepped over.
pub(super) trait Flow {
    /// Up to `count` bytes, fewer at the end.
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>>;

    /// Steps over `count` bytes; whether there are so many.
    fn skip(&mut self, count: u64) -> io::Result<bool>;
}

/// A stretch of a file.
pub(super) struct InFile<'v, 'f> {
    view: &'v mut View<'f>,
    at: u64,
    end: u64,
}

impl<'v, 'f> InFile<'v, 'f> {
    pub(super) const fn new(view: &'v mut View<'f>, at: u64, end: u64) -> Self {
        Self { view, at, end }
    }
}

impl Flow for InFile<'_, '_> {
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let rest = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let bytes = self.view.peek(self.at, count.min(rest))?;
        self.at += bytes.len() as u64;
        Ok(bytes)
    }

    fn skip(&mut self, count: u64) -> io::Result<bool> {
        self.at = self.at.saturating_add(count);
        Ok(self.at <= self.end)
    }
}

/// Reads the vendor and the comments; returns what is wrong with them.
pub(super) fn read(
    flow: &mut impl Flow,
    gathered: &mut Gathered,
) -> io::Result<Option<&'static str>> {
    const CUT: Option<&str> = Some("a comment of its tag is cut off");
    let Some(vendor) = number(flow)? else {
        return Ok(CUT);
    };
    if !flow.skip(u64::from(vendor))? {
        return Ok(CUT);
    }
    let Some(count) = number(flow)? else {
        return Ok(CUT);
    };
    for _ in 0..count.min(MAX_COMMENTS) {
        let Some(size) = number(flow)?.map(u64::from) else {
            return Ok(CUT);
        };
        let head = flow.take(usize::try_from(size.min(KEY)).unwrap_or(0))?;
        let rest = size - (head.len() as u64).min(size);
        let sign = head.iter().position(|&byte| byte == b'=');
        let field = sign.and_then(|sign| Field::of_key(&String::from_utf8_lossy(&head[..sign])));
        let (Some(field), Some(sign)) = (field.filter(|_| size <= MAX_TEXT), sign) else {
            if !flow.skip(rest)? {
                return Ok(CUT);
            }
            continue;
        };
        let more = flow.take(usize::try_from(rest).unwrap_or(0))?;
        if (more.len() as u64) < rest {
            return Ok(CUT);
        }
        let value = [&head[sign + 1..], &more].concat();
        gathered.put(field, &String::from_utf8_lossy(&value));
    }
    let is_flooded = count > MAX_COMMENTS;
    Ok(is_flooded.then_some("its tag has more than 2000 comments"))
}

fn number(flow: &mut impl Flow) -> io::Result<Option<u32>> {
    Ok(flow.take(4)?.try_into().ok().map(u32::from_le_bytes))
}
