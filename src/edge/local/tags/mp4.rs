//! MP4: the `ilst` tag, read with bounds (pictures are stepped over unread), and how the file sounds.
//!
//! Format: ISO/IEC 14496-12, Apple's `QuickTime` File Format ("Metadata item list") and its Apple
//! Lossless magic cookie.

use std::io;

use lofty::id3::v1::GENRES;

use super::{
    gathered::{Field, Gathered},
    sound::{Sound, kbps, left},
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
    /// How it sounds.
    pub(super) sound: Option<Sound>,
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
    let media = top.iter().filter(|atom| &atom.id == b"mdat");
    let (mut bytes, mut promised) = (0_u64, 0_u64);
    for atom in media {
        bytes += atom.end.min(end).saturating_sub(atom.start);
        promised = promised.saturating_add(atom.end - atom.start);
    }
    for movie in top.iter().filter(|atom| &atom.id == b"moov") {
        let inner = atoms(view, movie.start, movie.end)?;
        if walked.sound.is_none() {
            walked.sound = sound(view, &inner, &top, bytes)?.map(|sound| Sound {
                left_ms: left(sound.duration_ms, bytes, promised).filter(|_| bytes < promised),
                ..sound
            });
        }
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

/// The atoms between two places; what does not fit is cut there.
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
        if atom.start > end {
            break;
        }
        // One that reaches out of the one around it ends with that.
        found.push(Atom {
            end: atom.end.min(end),
            ..atom
        });
        at = atom.end;
    }
    Ok(found)
}

/// The first of `atoms` with a name.
fn first(atoms: &[Atom], id: [u8; 4]) -> Option<Atom> {
    atoms.iter().find(|atom| atom.id == id).copied()
}

/// The atom inside atoms inside atoms.
fn descend(view: &mut View<'_>, mut atom: Atom, path: &[[u8; 4]]) -> io::Result<Option<Atom>> {
    for &id in path {
        let inner = atoms(view, atom.start, atom.end)?;
        let Some(next) = first(&inner, id) else {
            return Ok(None);
        };
        atom = next;
    }
    Ok(Some(atom))
}

/// An atom that its neighbours' broken sizes hide, by its name.
fn look_for(view: &mut View<'_>, around: Atom, id: [u8; 4]) -> io::Result<Option<Atom>> {
    let length = around.end.saturating_sub(around.start).min(MAX_TEXT);
    let bytes = view.peek(around.start, usize::try_from(length).unwrap_or(0))?;
    let found = bytes.windows(4).position(|name| *name == id);
    Ok(found.and_then(|at| {
        let size = word(&bytes, at.checked_sub(4)?)?;
        let start = around.start + at as u64 + 4;
        let end = (start - 8).saturating_add(size.into()).min(around.end);
        (end > start).then_some(Atom { id, start, end })
    }))
}

/// The length of a track by its table of samples, in its own units.
fn counted_length(view: &mut View<'_>, table: Atom) -> io::Result<u64> {
    /// Runs of samples of one length; audio has a few.
    const RUNS: usize = 512;
    let Some(times) = descend(view, table, &[*b"stts"])? else {
        return Ok(0);
    };
    let length = times.end.saturating_sub(times.start + 8);
    let length = usize::try_from(length).unwrap_or(0).min(RUNS * 8);
    let runs = view.peek(times.start + 8, length)?;
    Ok(runs.chunks_exact(8).fold(0_u64, |sum, run| {
        let (count, each) = (word(run, 0).unwrap_or(0), word(run, 4).unwrap_or(0));
        sum.saturating_add(u64::from(count) * u64::from(each))
    }))
}

/// The sound of the first audio track of a movie, whose media takes so many bytes.
fn sound(
    view: &mut View<'_>,
    movie: &[Atom],
    top: &[Atom],
    bytes: u64,
) -> io::Result<Option<Sound>> {
    for track in movie.iter().filter(|atom| &atom.id == b"trak") {
        let media = match descend(view, *track, &[*b"mdia"])? {
            Some(media) => Some(media),
            None => look_for(view, *track, *b"mdia")?,
        };
        let Some(media) = media else {
            continue;
        };
        let inner = atoms(view, media.start, media.end)?;
        let (Some(header), Some(handler)) = (first(&inner, *b"mdhd"), first(&inner, *b"hdlr"))
        else {
            continue;
        };
        if view.peek(handler.start + 8, 4)? != b"soun" {
            continue;
        }
        let (scale, mut length) = scale_and_length(view, header)?;
        let mut scale_of_length = scale;
        if length == 0 {
            // Its parts come one by one, and the whole is told elsewhere.
            (scale_of_length, length) = fragmented_length(view, movie, top)?;
        }
        if length == 0 {
            scale_of_length = scale;
            length = length_of_fragments(view, *track, movie, top)?;
        }
        let table = match first(&inner, *b"minf") {
            Some(table) => descend(view, table, &[*b"stbl"])?,
            None => None,
        };
        if let Some(table) = table.filter(|_| length == 0) {
            scale_of_length = scale;
            length = counted_length(view, table)?;
        }
        let mut sound = Sound::of_samples(length, scale_of_length, bytes);
        sound.sample_rate_hz = Some(scale).filter(|&hz| hz > 0);
        sound.bitrate_kbps = sound.duration_ms.and_then(|ms| kbps(bytes, ms));
        if let Some(table) = table
            && let Some(entries) = descend(view, table, &[*b"stsd"])?
        {
            describe(view, entries, &mut sound)?;
        }
        return Ok(Some(sound));
    }
    Ok(None)
}

/// Units a second and their number, in `mdhd` and `mvhd`.
fn scale_and_length(view: &mut View<'_>, header: Atom) -> io::Result<(u32, u64)> {
    let bytes = view.peek(header.start, 32)?;
    let long = bytes.first() == Some(&1);
    let (scale, length) = if long {
        (
            word(&bytes, 20),
            bytes
                .get(24..32)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_be_bytes),
        )
    } else {
        (word(&bytes, 12), word(&bytes, 16).map(u64::from))
    };
    // All ones: unknown.
    let length =
        length.filter(|&length| length != u64::MAX && (long || length != u64::from(u32::MAX)));
    Ok((scale.unwrap_or(0), length.unwrap_or(0)))
}

/// The length of a file in fragments: the movie's header tells it, or an extension of it, or an index.
fn fragmented_length(view: &mut View<'_>, movie: &[Atom], top: &[Atom]) -> io::Result<(u32, u64)> {
    let Some(header) = first(movie, *b"mvhd") else {
        return Ok((0, 0));
    };
    let (scale, length) = scale_and_length(view, header)?;
    if length > 0 {
        return Ok((scale, length));
    }
    if let Some(extension) = first(movie, *b"mvex")
        && let Some(header) = descend(view, extension, &[*b"mehd"])?
    {
        let bytes = view.peek(header.start, 12)?;
        let length = match bytes.first() {
            Some(1) => bytes
                .get(4..12)
                .and_then(|bytes| bytes.try_into().ok())
                .map(u64::from_be_bytes),
            _ => word(&bytes, 4).map(u64::from),
        };
        return Ok((scale, length.unwrap_or(0)));
    }
    let mut total = 0;
    let mut scale = 0;
    for index in top.iter().filter(|atom| &atom.id == b"sidx") {
        let long = view.peek(index.start, 1)?.first() == Some(&1);
        let count_at = index.start + if long { 30 } else { 22 };
        scale = word(&view.peek(index.start + 8, 4)?, 0).unwrap_or(0);
        let count = view.peek(count_at, 2)?;
        let count = count.try_into().map_or(0, u16::from_be_bytes);
        for entry in 0..u64::from(count) {
            total += word(&view.peek(count_at + 2 + entry * 12 + 4, 4)?, 0).map_or(0, u64::from);
        }
    }
    Ok((scale, total))
}

/// The length of a track by the samples of its fragments, in its own units: what is left where nothing
/// else tells it.
fn length_of_fragments(
    view: &mut View<'_>,
    track: Atom,
    movie: &[Atom],
    top: &[Atom],
) -> io::Result<u64> {
    let Some(header) = descend(view, track, &[*b"tkhd"])? else {
        return Ok(0);
    };
    let bytes = view.peek(header.start, 24)?;
    let own = word(&bytes, if bytes.first() == Some(&1) { 20 } else { 12 });
    let mut usual = 0;
    if let Some(extension) = first(movie, *b"mvex") {
        for defaults in atoms(view, extension.start, extension.end)? {
            let bytes = view.peek(defaults.start, 16)?;
            if &defaults.id == b"trex" && word(&bytes, 4) == own {
                usual = word(&bytes, 12).unwrap_or(0);
            }
        }
    }
    let mut total = 0_u64;
    for fragment in top.iter().filter(|atom| &atom.id == b"moof") {
        for part in atoms(view, fragment.start, fragment.end)? {
            let inner = atoms(view, part.start, part.end)?;
            let Some(header) = first(&inner, *b"tfhd").filter(|_| &part.id == b"traf") else {
                continue;
            };
            let bytes = view.peek(header.start, 24)?;
            if word(&bytes, 4) != own {
                continue;
            }
            let flags = word(&bytes, 0).unwrap_or(0);
            // A place in the file and a description may stand before the length of a sample.
            let at = 8 + if flags & 1 == 0 { 0 } else { 8 } + if flags & 2 == 0 { 0 } else { 4 };
            let each = match flags & 8 {
                0 => usual,
                _ => word(&bytes, at).unwrap_or(0),
            };
            for run in inner.iter().filter(|atom| &atom.id == b"trun") {
                total = total.saturating_add(length_of_run(view, *run, each)?);
            }
        }
    }
    Ok(total)
}

/// The length of one run of samples, each of which may bring its own.
fn length_of_run(view: &mut View<'_>, run: Atom, each: u32) -> io::Result<u64> {
    let bytes = view.peek(run.start, 8)?;
    let (flags, count) = (word(&bytes, 0).unwrap_or(0), word(&bytes, 4).unwrap_or(0));
    if flags & 0x100 == 0 {
        return Ok(u64::from(count) * u64::from(each));
    }
    let skip = 8 + if flags & 1 == 0 { 0 } else { 4 } + if flags & 4 == 0 { 0 } else { 4 };
    let size = 4 * u64::from((flags & 0xf00).count_ones());
    let table = run
        .end
        .saturating_sub(run.start + skip)
        .min(u64::from(count) * size);
    let samples = view.peek(
        run.start + skip,
        usize::try_from(table.min(MAX_TEXT)).unwrap_or(0),
    )?;
    let entries = samples.chunks_exact(usize::try_from(size).unwrap_or(4));
    Ok(entries
        .filter_map(|entry| word(entry, 0))
        .map(u64::from)
        .sum())
}

/// What the first entry of `stsd` adds: codec, rate and depth.
fn describe(view: &mut View<'_>, entries: Atom, sound: &mut Sound) -> io::Result<()> {
    let bytes = view.peek(entries.start + 8, 128)?;
    let id = bytes.get(4..8);
    // The whole part of a fixed-point number; rates beyond it stand elsewhere.
    let rate = word(&bytes, 32).map(|rate| rate >> 16).filter(|&hz| hz > 0);
    if let Some(rate) = rate {
        sound.sample_rate_hz = Some(rate);
    }
    sound.is_alac = id == Some(b"alac");
    if sound.is_alac && bytes.get(40..44) == Some(b"alac") {
        sound.bit_depth = bytes.get(53).copied().filter(|&depth| depth > 0);
        if let Some(hz) = word(&bytes, 68).filter(|&hz| hz > 0) {
            sound.sample_rate_hz = Some(hz);
        }
    }
    Ok(())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
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
