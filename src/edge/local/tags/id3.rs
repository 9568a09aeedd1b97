//! ID3 tags, read with bounds: frames are walked one after the other, never nested, and only the few
//! that matter are read.
//!
//! Format: <https://id3.org/id3v2.4.0-structure>, <https://id3.org/id3v2.3.0>, <https://id3.org/id3v2-00>.

use std::io::{self, Read as _};

use lofty::id3::v1::GENRES;

use super::{
    gathered::{Field, Gathered},
    view::View,
};

/// More frames than any honest tag has; readers that sort or compare them take minutes beyond it.
pub(super) const MAX_FRAMES: usize = 2_000;
/// Bytes of a tag's header.
pub(super) const HEADER: u64 = 10;
/// A text frame that is longer is not read.
const MAX_TEXT: u64 = 64 << 10;
/// A tag that is stored with inserted zero bytes must be undone as a whole; a longer one only in part.
const MAX_UNSYNCHRONISED: usize = 1 << 20;
/// How deep frames may lie in one another before a recursive reader is kept away from them.
const MAX_DEPTH: usize = 4;

/// A tag that was walked.
#[derive(Debug, Default)]
pub(super) struct Walked {
    /// Its texts.
    pub(super) gathered: Gathered,
    /// What is wrong with it.
    pub(super) problem: Option<&'static str>,
    /// Whether a reader that trusts its input may be let loose on it.
    pub(super) hostile: bool,
}

struct Header {
    major: u8,
    unsynchronised: bool,
    extended: bool,
    /// Bytes after the ten of the header, without the footer.
    size: u64,
    footer: bool,
}

/// The length of the tag at `at`, header and footer included; `None` when there is none.
pub(super) fn length(view: &mut View<'_>, at: u64) -> io::Result<Option<u64>> {
    let header = parse_header(&view.peek(at, 10)?);
    Ok(header.map(|header| 10 + header.size + if header.footer { 10 } else { 0 }))
}

fn parse_header(bytes: &[u8]) -> Option<Header> {
    let &[b'I', b'D', b'3', major, _, flags, a, b, c, d] = bytes else {
        return None;
    };
    let size = synchsafe([a, b, c, d])?;
    (2..=4).contains(&major).then_some(Header {
        major,
        unsynchronised: flags & 0x80 != 0 && major < 4,
        extended: flags & 0x40 != 0 && major > 2,
        size,
        footer: flags & 0x10 != 0 && major == 4,
    })
}

fn synchsafe(bytes: [u8; 4]) -> Option<u64> {
    bytes.iter().try_fold(0, |number, &byte| {
        (byte < 0x80).then(|| (number << 7) | u64::from(byte))
    })
}

/// Where a tag's frames come from: the file, or memory once inserted bytes were taken out.
enum Source<'v, 'f> {
    File { view: &'v mut View<'f>, at: u64 },
    Memory(Vec<u8>),
}

impl Source<'_, '_> {
    fn peek(&mut self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        match self {
            Self::File { view, at: base } => view.peek(*base + at, count),
            Self::Memory(bytes) => {
                let from = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
                let to = from.saturating_add(count).min(bytes.len());
                Ok(bytes[from..to].to_vec())
            }
        }
    }
}

/// Reads the `ID3v2` tag at `at`.
pub(super) fn read(view: &mut View<'_>, at: u64) -> io::Result<Option<Walked>> {
    let Some(header) = parse_header(&view.peek(at, 10)?) else {
        return Ok(None);
    };
    let mut walked = Walked::default();
    let room = view.length().saturating_sub(at + 10);
    if header.size > room {
        walked.problem = Some("its tag is cut off");
    }
    let mut size = header.size.min(room);
    let mut source = if header.unsynchronised {
        let raw = view.peek(
            at + 10,
            usize::try_from(size).unwrap_or(0).min(MAX_UNSYNCHRONISED),
        )?;
        let bytes = resynchronise(&raw);
        size = bytes.len() as u64;
        Source::Memory(bytes)
    } else {
        Source::File { view, at: at + 10 }
    };
    let start = if header.extended {
        extended_header(header.major, &source.peek(0, 4)?)
    } else {
        0
    };
    walk(&mut source, header.major, start, size, &mut walked)?;
    Ok(Some(walked))
}

fn resynchronise(bytes: &[u8]) -> Vec<u8> {
    let mut clean = Vec::with_capacity(bytes.len());
    let mut last = 0;
    for &byte in bytes {
        if !(last == 0xff && byte == 0) {
            clean.push(byte);
        }
        last = byte;
    }
    clean
}

fn extended_header(major: u8, bytes: &[u8]) -> u64 {
    let Ok(bytes) = <[u8; 4]>::try_from(bytes) else {
        return 0;
    };
    match major {
        4 => synchsafe(bytes).unwrap_or(0),
        _ => u64::from(u32::from_be_bytes(bytes)) + 4,
    }
}

#[derive(Clone, Copy)]
struct Frame {
    id: [u8; 4],
    content: u64,
    size: u64,
    flags: u16,
}

fn walk(
    source: &mut Source<'_, '_>,
    major: u8,
    start: u64,
    end: u64,
    walked: &mut Walked,
) -> io::Result<()> {
    let mut at = start;
    let mut frames = 0;
    while let Some(frame) = frame_at(source, major, at, end)? {
        frames += 1;
        if frames > MAX_FRAMES {
            walked.problem = Some("its tag has more than 2000 frames");
            walked.hostile = true;
            break;
        }
        if frame.content + frame.size > end {
            walked
                .problem
                .get_or_insert("a frame of its tag is cut off");
            break;
        }
        at = frame.content + frame.size;
        walked.hostile |= is_packed(major, frame.flags);
        if matches!(&frame.id, b"CHAP" | b"CTOC") {
            walked.hostile |= is_deep(source, major, frame)?;
        }
        if let Some(kind) = Kind::of(frame.id).filter(|_| frame.size <= MAX_TEXT) {
            let length = usize::try_from(frame.size).unwrap_or(0);
            let raw = source.peek(frame.content, length)?;
            if let Some(bytes) = unpack(major, frame.flags, &raw) {
                kind.gather(&bytes, &mut walked.gathered);
            }
        }
    }
    Ok(())
}

/// The frame whose header stands at `at`; `None` at the padding or the end.
fn frame_at(
    source: &mut Source<'_, '_>,
    major: u8,
    at: u64,
    end: u64,
) -> io::Result<Option<Frame>> {
    let header = if major == 2 { 6 } else { 10 };
    if at + header > end {
        return Ok(None);
    }
    let bytes = source.peek(at, usize::from(header as u8))?;
    let (id, size, flags) = match *bytes.as_slice() {
        [a, b, c, x, y, z] => ([a, b, c, b' '], [0, x, y, z], 0),
        // A known bug of one writer: names of v2.2, with a zero behind them.
        [a, b, c, 0, w, x, y, z, f, g] => {
            ([a, b, c, b' '], [w, x, y, z], u16::from_be_bytes([f, g]))
        }
        [a, b, c, d, w, x, y, z, f, g] => ([a, b, c, d], [w, x, y, z], u16::from_be_bytes([f, g])),
        _ => return Ok(None),
    };
    if id[0] == 0 {
        return Ok(None);
    }
    let content = at + header;
    let plain = u64::from(u32::from_be_bytes(size));
    let size = match (major, synchsafe(size)) {
        (4, Some(safe)) if safe == plain => safe,
        // iTunes wrote plain sizes into v2.4; the right reading is the one that another frame follows.
        (4, Some(safe)) => {
            if follows(source, content + safe, end)? || !follows(source, content + plain, end)? {
                safe
            } else {
                plain
            }
        }
        _ => plain,
    };
    // A name with a broken byte is stepped over where its length leads to another frame.
    if !is_id(&id[..3]) {
        let next = content + size;
        if size == 0 || next >= end || !follows(source, next, end)? {
            return Ok(None);
        }
    }
    Ok(Some(Frame {
        id,
        content,
        size,
        flags,
    }))
}

fn is_id(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn follows(source: &mut Source<'_, '_>, at: u64, end: u64) -> io::Result<bool> {
    if at >= end {
        return Ok(at == end);
    }
    let bytes = source.peek(at, 4)?;
    Ok(bytes.iter().all(|&byte| byte == 0) || (bytes.len() == 4 && is_id(&bytes)))
}

const fn is_packed(major: u8, flags: u16) -> bool {
    match major {
        4 => flags & 0x000c != 0,
        3 => flags & 0x00c0 != 0,
        _ => false,
    }
}

/// Whether chapters lie in chapters deeper than anyone means it. The frames inside begin after the
/// element's name and 16 bytes of times (`CHAP`), or two bytes and the children's names (`CTOC`); it is
/// enough to look for the innermost chain, so only the first chapter of each level is followed.
fn is_deep(source: &mut Source<'_, '_>, major: u8, frame: Frame) -> io::Result<bool> {
    let mut bytes = source.peek(
        frame.content,
        usize::try_from(frame.size.min(MAX_TEXT)).unwrap_or(0),
    )?;
    for _ in 0..MAX_DEPTH {
        let inner = bytes
            .windows(4)
            .position(|id| id == b"CHAP" || id == b"CTOC");
        let Some(inner) = inner else {
            return Ok(false);
        };
        let header = if major == 2 { 6 } else { 10 };
        bytes = bytes.split_off((inner + header).min(bytes.len()));
    }
    Ok(true)
}

/// A frame's content as it was before it was grouped, packed or interleaved; `None` for an encrypted one.
fn unpack(major: u8, flags: u16, raw: &[u8]) -> Option<Vec<u8>> {
    let (compressed, encrypted, grouped, unsynchronised, prefix) = match major {
        4 => (
            flags & 0x08 != 0,
            flags & 0x04 != 0,
            flags & 0x40 != 0,
            flags & 0x02 != 0,
            if flags & 0x01 != 0 { 4 } else { 0 },
        ),
        3 => (
            flags & 0x80 != 0,
            flags & 0x40 != 0,
            flags & 0x20 != 0,
            false,
            if flags & 0x80 != 0 { 4 } else { 0 },
        ),
        _ => (false, false, false, false, 0),
    };
    let body = raw
        .get(prefix + usize::from(grouped)..)
        .filter(|_| !encrypted)?;
    let body = if unsynchronised {
        resynchronise(body)
    } else {
        body.to_vec()
    };
    if !compressed {
        return Some(body);
    }
    let mut plain = Vec::new();
    flate2::read::ZlibDecoder::new(body.as_slice())
        .take(MAX_TEXT)
        .read_to_end(&mut plain)
        .ok()?;
    Some(plain)
}

/// How a frame that matters is laid out.
#[derive(Clone, Copy)]
enum Kind {
    /// Encoding, texts.
    Text(Field),
    /// Encoding, description, text.
    Described,
    /// Encoding, language, description, text.
    Comment,
    /// A URL in Latin-1.
    Url(Field),
    /// Encoding, description, URL in Latin-1.
    DescribedUrl,
}

impl Kind {
    fn of(id: [u8; 4]) -> Option<Self> {
        Some(match &id {
            b"TIT2" | b"TT2 " => Self::Text(Field::Title),
            b"TPE1" | b"TP1 " => Self::Text(Field::Artist),
            b"TALB" | b"TAL " => Self::Text(Field::Album),
            b"TDRC" | b"TYER" | b"TYE " | b"TDRL" => Self::Text(Field::Date),
            b"TCON" | b"TCO " => Self::Text(Field::Genre),
            b"TSRC" | b"TRC " => Self::Text(Field::Isrc),
            b"TXXX" | b"TXX " => Self::Described,
            b"COMM" | b"COM " => Self::Comment,
            // A known bug of one downloader puts the ISRC here.
            b"WOAS" | b"WAS " => Self::Url(Field::PerhapsIsrc),
            b"WOAF" | b"WAF " | b"WCOM" | b"WCM " | b"WPUB" | b"WPB " => Self::Url(Field::Link),
            b"WXXX" | b"WXX " => Self::DescribedUrl,
            _ => return None,
        })
    }

    fn gather(self, bytes: &[u8], gathered: &mut Gathered) {
        match self {
            Self::Url(field) => gathered.put(field, &latin1(bytes)),
            Self::Text(field) => {
                let Some((&encoding, rest)) = bytes.split_first() else {
                    return;
                };
                for text in decode(encoding, rest).split('\0') {
                    match field {
                        Field::Genre => gathered.put(field, &genre(text)),
                        _ => gathered.put(field, text),
                    }
                }
            }
            Self::Described => {
                if let Some((key, value)) = described(bytes, 0)
                    && let Some(field) = Field::of_extra_key(&key)
                {
                    gathered.put(field, &value);
                }
            }
            Self::Comment => {
                if let Some((_, text)) = described(bytes, 3) {
                    gathered.put(Field::Link, &text);
                }
            }
            Self::DescribedUrl => {
                if let Some((&encoding, rest)) = bytes.split_first() {
                    let url = split_text(encoding, rest).1;
                    gathered.put(Field::Link, &latin1(url));
                }
            }
        }
    }
}

/// The description and the text of a frame, `skip` bytes after the encoding.
fn described(bytes: &[u8], skip: usize) -> Option<(String, String)> {
    let (&encoding, rest) = bytes.split_first()?;
    let (key, value) = split_text(encoding, rest.get(skip..)?);
    Some((decode(encoding, key), decode(encoding, value)))
}

/// Splits at the first terminator of the encoding.
fn split_text(encoding: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    let (at, width) = match encoding {
        1 | 2 => (
            bytes
                .chunks_exact(2)
                .position(|pair| pair == [0, 0])
                .map(|at| at * 2),
            2,
        ),
        _ => (bytes.iter().position(|&byte| byte == 0), 1),
    };
    match at {
        Some(at) => (&bytes[..at], &bytes[at + width..]),
        None => (bytes, &[]),
    }
}

fn decode(encoding: u8, bytes: &[u8]) -> String {
    match encoding {
        1 => match bytes {
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
            _ => utf16(bytes, u16::from_le_bytes),
        },
        2 => utf16(bytes, u16::from_be_bytes),
        3 => String::from_utf8_lossy(bytes).into_owned(),
        _ => latin1(bytes),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        // Each of several values may begin with a byte order mark of its own.
        .filter(|&c| c != '\u{feff}' && c != '\u{fffe}')
        .collect()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// `(17)` and `17` are `Rock`; `(17)Rock` is `Rock` too.
fn genre(text: &str) -> String {
    let text = text.trim().trim_matches('\0');
    let (number, rest) = match text.strip_prefix('(').and_then(|t| t.split_once(')')) {
        Some((number, rest)) => (number, rest),
        None => (text, ""),
    };
    match number.parse::<usize>().ok().and_then(|n| GENRES.get(n)) {
        Some(_) if !rest.is_empty() => rest.to_owned(),
        Some(name) => (*name).to_owned(),
        None => text.to_owned(),
    }
}

/// The `ID3v1` tag in the last 128 bytes of a file.
pub(super) fn read_v1(bytes: &[u8]) -> Option<Gathered> {
    let tag = bytes.strip_prefix(b"TAG").filter(|tag| tag.len() == 125)?;
    let mut gathered = Gathered::default();
    for (field, range) in [
        (Field::Title, 0..30),
        (Field::Artist, 30..60),
        (Field::Album, 60..90),
        (Field::Date, 90..94),
    ] {
        gathered.put(field, &latin1(split_text(0, &tag[range]).0));
    }
    if let Some(name) = GENRES.get(usize::from(tag[124])).filter(|_| tag[124] > 0) {
        gathered.put(Field::Genre, name);
    }
    Some(gathered)
}
