//! The `ilst` tag of MP4 files, read with bounds: pictures are stepped over unread.
//!
//! Format: ISO/IEC 14496-12 and Apple's `QuickTime` File Format, "Metadata item list".

use std::io;

use lofty::id3::v1::GENRES;

use super::{
    gathered::{Field, Gathered},
    view::View,
};

/// More atoms in one place than any honest file has.
const MAX_ATOMS: usize = 2_000;
/// A text that is longer is not read.
const MAX_TEXT: u64 = 64 << 10;

/// A file that was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Its texts.
    pub(super) gathered: Gathered,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
}

#[derive(Clone, Copy)]
struct Atom {
    id: [u8; 4],
    start: u64,
    end: u64,
}

/// Reads the tags of an MP4 file, and looks whether all of it is there.
pub(super) fn read(view: &mut View<'_>) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let end = view.length();
    let top = atoms(view, 0, u64::MAX)?;
    if top.iter().any(|atom| atom.end > end) {
        walked.problem = Some("is cut off: audio is missing");
    }
    for movie in top.iter().filter(|atom| &atom.id == b"moov") {
        let inner = atoms(view, movie.start, movie.end)?;
        for atom in inner {
            match &atom.id {
                b"meta" => read_meta(view, atom, &mut walked)?,
                b"udta" => {
                    for atom in atoms(view, atom.start, atom.end)? {
                        if &atom.id == b"meta" {
                            read_meta(view, atom, &mut walked)?;
                        }
                    }
                }
                _ => {}
            }
        }
    }
    Ok(walked)
}

/// The atoms between two places; what does not fit ends the list.
fn atoms(view: &mut View<'_>, start: u64, end: u64) -> io::Result<Vec<Atom>> {
    let mut found = Vec::new();
    let mut at = start;
    while found.len() < MAX_ATOMS && at < end {
        let header = view.peek(at, 16)?;
        let &[a, b, c, d, e, f, g, h, ref rest @ ..] = header.as_slice() else {
            break;
        };
        let (size, head) = match (u32::from_be_bytes([a, b, c, d]), rest.try_into()) {
            (0, _) => (view.length().saturating_sub(at), 8),
            (1, Ok(long)) => (u64::from_be_bytes(long), 16),
            (size, _) => (u64::from(size), 8),
        };
        if size < head {
            break;
        }
        let atom = Atom {
            id: [e, f, g, h],
            start: at + head,
            end: at.saturating_add(size),
        };
        if atom.end > end {
            break;
        }
        found.push(atom);
        at = atom.end;
    }
    Ok(found)
}

fn read_meta(view: &mut View<'_>, meta: Atom, walked: &mut Walked) -> io::Result<()> {
    // A version stands before the atoms, but not in what QuickTime writes.
    let is_quicktime = view.peek(meta.start, 8)?.get(4..8) == Some(b"hdlr");
    let start = if is_quicktime {
        meta.start
    } else {
        meta.start + 4
    };
    for list in atoms(view, start, meta.end)? {
        if &list.id != b"ilst" {
            continue;
        }
        let items = atoms(view, list.start, list.end)?;
        if items.len() == MAX_ATOMS {
            walked
                .problem
                .get_or_insert("its tag has more than 2000 items");
        }
        for item in items {
            read_item(view, item, &mut walked.gathered)?;
        }
    }
    Ok(())
}

fn read_item(view: &mut View<'_>, item: Atom, gathered: &mut Gathered) -> io::Result<()> {
    let known = match &item.id {
        b"\xa9nam" => Some(Field::Title),
        b"\xa9ART" => Some(Field::Artist),
        b"\xa9alb" => Some(Field::Album),
        b"\xa9day" => Some(Field::Date),
        b"\xa9gen" | b"gnre" => Some(Field::Genre),
        // One downloader writes an atom of its own; Apple keeps `label:isrc:CODE` in `xid `.
        b"isrc" => Some(Field::Isrc),
        b"xid " => Some(Field::PerhapsIsrc),
        b"\xa9url" | b"\xa9cmt" | b"desc" | b"purl" => Some(Field::Link),
        b"----" => None,
        _ => return Ok(()),
    };
    let mut field = known;
    for part in atoms(view, item.start, item.end)? {
        match &part.id {
            b"name" if known.is_none() => {
                let name = text(view, part, 4)?;
                field = Field::of_extra_key(&String::from_utf8_lossy(&name));
            }
            b"data" => {
                let Some(field) = field else {
                    continue;
                };
                let kind = view.peek(part.start, 4)?.get(3).copied();
                let bytes = text(view, part, 8)?;
                gathered.put(field, &decode(item.id, kind, &bytes));
            }
            _ => {}
        }
    }
    Ok(())
}

/// An atom's content after `skip` bytes; empty when it is too long to be a text.
fn text(view: &mut View<'_>, atom: Atom, skip: u64) -> io::Result<Vec<u8>> {
    let size = atom.end.saturating_sub(atom.start + skip);
    if size > MAX_TEXT {
        return Ok(Vec::new());
    }
    view.peek(atom.start + skip, usize::try_from(size).unwrap_or(0))
}

fn decode(id: [u8; 4], kind: Option<u8>, bytes: &[u8]) -> String {
    if &id == b"gnre" {
        let number = bytes.last().map_or(0, |&number| usize::from(number));
        let name = number.checked_sub(1).and_then(|number| GENRES.get(number));
        return name.map_or_else(String::new, |name| (*name).to_owned());
    }
    let text = match kind {
        Some(2) => {
            let units = bytes.chunks_exact(2);
            let units: Vec<u16> = units.map(|b| u16::from_be_bytes([b[0], b[1]])).collect();
            String::from_utf16_lossy(&units)
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    match &id {
        b"xid " => text.rsplit(':').next().unwrap_or_default().to_owned(),
        _ => text,
    }
}
