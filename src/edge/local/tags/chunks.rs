//! The chunks of WAV and AIFF: where their tags lie, and whether the audio is all there.

use std::io;

use super::{
    gathered::{Field, Gathered},
    id3,
    view::View,
};

/// More chunks than any honest file has.
const MAX_CHUNKS: usize = 1_000;
/// A text chunk or `LIST` that is longer is not read.
const MAX_TEXT: u64 = 64 << 10;

/// The two relatives.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Iff {
    /// `RIFF … WAVE`, little-endian.
    Wav,
    /// `FORM … AIFF` or `AIFC`, big-endian.
    Aiff,
}

/// A file that was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Its texts: `ID3v2` first, then the format's own.
    pub(super) gathered: Gathered,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
    /// Whether its `ID3v2` tag must be kept from a reader that trusts its input.
    pub(super) hostile: bool,
}

/// Reads the tags of a WAV or AIFF file.
pub(super) fn read(view: &mut View<'_>, iff: Iff) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut own = Gathered::default();
    let mut at = 12;
    for _ in 0..MAX_CHUNKS {
        let header = view.peek(at, 8)?;
        let &[a, b, c, d, ref size @ ..] = header.as_slice() else {
            break;
        };
        let size = match (iff, <[u8; 4]>::try_from(size)) {
            (Iff::Wav, Ok(size)) => u64::from(u32::from_le_bytes(size)),
            (Iff::Aiff, Ok(size)) => u64::from(u32::from_be_bytes(size)),
            (_, Err(_)) => break,
        };
        let content = at + 8;
        let id = [a, b, c, d];
        match &id {
            b"data" | b"SSND" if is_cut(view, content, size) => {
                walked.problem.get_or_insert("is cut off: audio is missing");
            }
            b"ID3 " | b"id3 " => {
                if let Some(tag) = id3::read(view, content)? {
                    walked.gathered.fill_from(tag.gathered);
                    walked.problem = walked.problem.or(tag.problem);
                    walked.hostile |= tag.hostile;
                }
            }
            b"LIST" if size <= MAX_TEXT => {
                let list = view.peek(content, usize::try_from(size).unwrap_or(0))?;
                gather_info(&list, &mut own);
            }
            _ => {
                if let Some(field) = text_chunk(iff, id).filter(|_| size <= MAX_TEXT) {
                    let text = view.peek(content, usize::try_from(size).unwrap_or(0))?;
                    own.put(field, &String::from_utf8_lossy(&text));
                }
            }
        }
        at = content + size + (size & 1);
    }
    walked.gathered.fill_from(own);
    Ok(walked)
}

/// A length of zero or all ones is what a writer leaves that could not seek back; it says nothing.
fn is_cut(view: &View<'_>, content: u64, size: u64) -> bool {
    size != 0 && size < 0xffff_fff0 && content + size > view.length()
}

fn text_chunk(iff: Iff, id: [u8; 4]) -> Option<Field> {
    match (iff, &id) {
        (Iff::Aiff, b"NAME") => Some(Field::Title),
        (Iff::Aiff, b"AUTH") => Some(Field::Artist),
        (Iff::Aiff, b"ANNO") => Some(Field::Link),
        _ => None,
    }
}

/// `LIST INFO`: `INAM`, `IART`…, each a chunk of its own.
fn gather_info(list: &[u8], gathered: &mut Gathered) {
    let Some(mut rest) = list.strip_prefix(b"INFO") else {
        return;
    };
    while let [a, b, c, d, w, x, y, z, tail @ ..] = rest {
        let size = u32::from_le_bytes([*w, *x, *y, *z]) as usize;
        let text = &tail[..size.min(tail.len())];
        let field = match &[*a, *b, *c, *d] {
            b"INAM" => Some(Field::Title),
            b"IART" => Some(Field::Artist),
            b"IPRD" => Some(Field::Album),
            b"ICRD" => Some(Field::Date),
            b"IGNR" => Some(Field::Genre),
            b"ISRC" => Some(Field::PerhapsIsrc),
            b"ICMT" => Some(Field::Link),
            _ => None,
        };
        if let Some(field) = field {
            gathered.put(field, &String::from_utf8_lossy(text));
        }
        rest = tail.get(size + (size & 1)..).unwrap_or_default();
    }
}
