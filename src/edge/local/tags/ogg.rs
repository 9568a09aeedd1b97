//! Vorbis, Opus, Speex and FLAC in Ogg: pages are walked one by one, the comments read with bounds, and
//! the length taken from the last page.
//!
//! Format: RFC 3533, RFC 7845, <https://xiph.org/vorbis/doc/Vorbis_I_spec.html> §4.2,
//! <https://xiph.org/flac/ogg_mapping.html>.

use std::io;

use super::{
    comments::{self, Flow},
    flac::StreamInfo,
    gathered::Gathered,
    sound::Sound,
    view::View,
};

/// Pages that the comments may span: a picture of 16 MiB.
const MAX_PAGES: usize = 300;
/// The longest page: 27 bytes of header, 255 of lengths, 255 segments of 255.
const LONGEST_PAGE: u64 = 27 + 255 + 255 * 255;
/// The end is looked at in growing pieces: most last pages are short.
const TAILS: [u64; 5] = [6 << 10, 20 << 10, 32 << 10, 44 << 10, LONGEST_PAGE];

/// A file that was walked.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) gathered: Gathered,
    pub(super) problem: Option<&'static str>,
    pub(super) sound: Option<Sound>,
}

/// A page's header.
#[derive(Clone, Debug)]
struct Page {
    is_continued: bool,
    is_last: bool,
    /// The sample that it ends with; `None` where no packet ends in it.
    position: Option<u64>,
    serial: u32,
    lengths: Vec<u8>,
    /// Where its content begins.
    content: u64,
}

impl Page {
    /// The page whose first bytes these are, at `at` in the file.
    fn parse(bytes: &[u8], at: u64) -> Option<Self> {
        let head = bytes.strip_prefix(b"OggS\0")?;
        let count = usize::from(*head.get(21)?);
        let position = u64::from_le_bytes(head.get(1..9)?.try_into().ok()?);
        Some(Self {
            is_continued: head[0] & 1 != 0,
            is_last: head[0] & 4 != 0,
            position: (position != u64::MAX).then_some(position),
            serial: u32::from_le_bytes(head.get(9..13)?.try_into().ok()?),
            lengths: head.get(22..22 + count)?.to_vec(),
            content: at + 27 + count as u64,
        })
    }

    fn end(&self) -> u64 {
        self.content
            + self
                .lengths
                .iter()
                .map(|&length| u64::from(length))
                .sum::<u64>()
    }
}

/// One packet of one stream, across its pages.
struct Packet<'v, 'f> {
    view: &'v mut View<'f>,
    page: Page,
    /// The next of the page's segments.
    segment: usize,
    /// Where the unread bytes begin.
    at: u64,
    /// Bytes until the next segment that is not counted yet.
    ready: u64,
    has_ended: bool,
    pages: usize,
}

impl<'v, 'f> Packet<'v, 'f> {
    /// The packet that begins with a page's segment.
    fn new(view: &'v mut View<'f>, page: Page, segment: usize) -> Self {
        let before: u64 = page.lengths[..segment]
            .iter()
            .map(|&length| u64::from(length))
            .sum();
        let at = page.content + before;
        Self {
            view,
            page,
            segment,
            at,
            ready: 0,
            has_ended: false,
            pages: 0,
        }
    }

    /// Counts further segments in until some bytes are ready; whether there are any.
    fn advance(&mut self) -> io::Result<bool> {
        while self.ready == 0 && !self.has_ended {
            if let Some(&length) = self.page.lengths.get(self.segment) {
                self.segment += 1;
                self.ready += u64::from(length);
                self.has_ended = length < 255;
                continue;
            }
            let serial = self.page.serial;
            loop {
                self.pages += 1;
                let at = self.page.end();
                let next = Page::parse(&self.view.peek(at, 27 + 255)?, at);
                let Some(next) = next.filter(|_| self.pages <= MAX_PAGES) else {
                    self.has_ended = true;
                    return Ok(false);
                };
                self.page = next;
                if self.page.serial == serial {
                    break;
                }
            }
            if !self.page.is_continued {
                self.has_ended = true;
                return Ok(false);
            }
            self.segment = 0;
            self.at = self.page.content;
        }
        Ok(self.ready > 0)
    }
}

impl Flow for Packet<'_, '_> {
    fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut taken = Vec::new();
        while taken.len() < count && self.advance()? {
            let want = (count - taken.len()).min(usize::try_from(self.ready).unwrap_or(usize::MAX));
            let bytes = self.view.peek(self.at, want)?;
            if bytes.is_empty() {
                break;
            }
            self.at += bytes.len() as u64;
            self.ready -= bytes.len() as u64;
            taken.extend(bytes);
        }
        Ok(taken)
    }

    fn skip(&mut self, mut count: u64) -> io::Result<bool> {
        while count > 0 {
            if !self.advance()? {
                return Ok(false);
            }
            let step = count.min(self.ready);
            self.at += step;
            self.ready -= step;
            count -= step;
        }
        Ok(self.at <= self.view.length())
    }
}

/// What the first packet says of the stream.
#[derive(Clone, Copy)]
enum Codec {
    Vorbis {
        hz: u32,
        nominal_kbps: Option<u32>,
    },
    /// Positions count 48,000 a second, and so many samples are skipped at the start.
    Opus {
        hz: u32,
        skipped: u64,
    },
    Speex {
        hz: u32,
    },
    Flac(StreamInfo),
}

impl Codec {
    fn of(head: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
        if head.starts_with(b"\x01vorbis") {
            let nominal = number(20)? / 1000;
            return Some(Self::Vorbis {
                hz: number(12)?,
                nominal_kbps: Some(nominal).filter(|kbps| (1..10_000).contains(kbps)),
            });
        }
        if head.starts_with(b"OpusHead") {
            let skipped = u16::from_le_bytes([*head.get(10)?, *head.get(11)?]);
            return Some(Self::Opus {
                hz: number(12)?,
                skipped: u64::from(skipped),
            });
        }
        if head.starts_with(b"Speex   ") {
            return Some(Self::Speex { hz: number(36)? });
        }
        let native = head.strip_prefix(b"\x7fFLAC")?.get(4..)?;
        StreamInfo::parse(native.strip_prefix(b"fLaC")?.get(4..)?).map(Self::Flac)
    }

    /// Bytes before the comments in the second packet.
    const fn comments_after(self) -> u64 {
        match self {
            Self::Vorbis { .. } => 7,
            Self::Opus { .. } => 8,
            Self::Speex { .. } => 0,
            Self::Flac(_) => 4,
        }
    }

    fn sound(self, position: u64, bytes: u64) -> Sound {
        match self {
            Self::Vorbis { hz, nominal_kbps } => {
                let sound = Sound::of_samples(position, hz, bytes);
                Sound {
                    bitrate_kbps: nominal_kbps.or(sound.bitrate_kbps),
                    ..sound
                }
            }
            Self::Opus { hz, skipped } => Sound {
                sample_rate_hz: Some(hz).filter(|&hz| hz > 0),
                ..Sound::of_samples(position.saturating_sub(skipped), 48_000, bytes)
            },
            Self::Speex { hz } => Sound::of_samples(position, hz, bytes),
            Self::Flac(info) => info.sound(position.max(info.samples), bytes),
        }
    }
}

/// Reads the first stream of an Ogg file that we know.
pub(super) fn read(view: &mut View<'_>, base: u64) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let Some((first, codec)) = first_stream(view, base)? else {
        return Ok(walked);
    };
    // The first packet fills the first page, so the second one begins with the next page.
    if let Some(page) = next_page(view, &first)? {
        let mut packet = Packet::new(view, page, 0);
        if packet.skip(codec.comments_after())? {
            walked.problem = comments::read(&mut packet, &mut walked.gathered)?;
        }
    } else {
        walked.problem = Some("is cut off: audio is missing");
    }
    let bytes = view.length().saturating_sub(base);
    let (position, problem) = last_position(view, first.end(), first.serial)?;
    walked.problem = walked.problem.or(problem);
    if let Some(position) = position {
        let start = first_position(view, &first)?;
        walked.sound = Some(codec.sound(position.saturating_sub(start), bytes));
    }
    Ok(walked)
}

/// The first page of a stream that we know, among those that begin side by side.
fn first_stream(view: &mut View<'_>, base: u64) -> io::Result<Option<(Page, Codec)>> {
    let mut at = base;
    for _ in 0..8 {
        let Some(page) = Page::parse(&view.peek(at, 27 + 255)?, at) else {
            return Ok(None);
        };
        if let Some(codec) = Codec::of(&view.peek(page.content, 80)?) {
            return Ok(Some((page, codec)));
        }
        at = page.end();
    }
    Ok(None)
}

/// The next page of the same stream.
fn next_page(view: &mut View<'_>, page: &Page) -> io::Result<Option<Page>> {
    let serial = page.serial;
    let mut at = page.end();
    for _ in 0..MAX_PAGES {
        let Some(page) = Page::parse(&view.peek(at, 27 + 255)?, at) else {
            return Ok(None);
        };
        if page.serial == serial {
            return Ok(Some(page));
        }
        at = page.end();
    }
    Ok(None)
}

/// A recording of a live stream begins somewhere; a file from the start begins near zero. The position
/// that counts is that of the first page with audio, less what that page may hold.
fn first_position(view: &mut View<'_>, first: &Page) -> io::Result<u64> {
    let mut page = first.clone();
    for _ in 0..4 {
        let Some(next) = next_page(view, &page)? else {
            return Ok(0);
        };
        if let Some(position) = next.position.filter(|&position| position > 0) {
            // Ten seconds at 192 kHz: no page holds more.
            return Ok(if position > 1_920_000 { position } else { 0 });
        }
        page = next;
    }
    Ok(0)
}

/// The position at the end of the stream, and what is wrong with that end.
fn last_position(
    view: &mut View<'_>,
    start: u64,
    serial: u32,
) -> io::Result<(Option<u64>, Option<&'static str>)> {
    let length = view.length();
    let mut bytes = Vec::new();
    let mut known_from = length;
    for tail in TAILS {
        let from = length.saturating_sub(tail).max(start.min(length));
        let more = usize::try_from(known_from - from).unwrap_or(0);
        bytes = [view.peek(from, more)?, bytes].concat();
        known_from = from;
        let mut is_torn = false;
        for at in (0..bytes.len()).rev().filter(|&at| bytes[at] == b'O') {
            let Some(page) = Page::parse(&bytes[at..], from + at as u64) else {
                is_torn |= bytes[at..].starts_with(b"OggS") && bytes.len() - at < 27 + 255;
                continue;
            };
            if page.serial != serial {
                continue;
            }
            if page.end() > length {
                is_torn = true;
                continue;
            }
            if page.position.is_some() {
                let problem = if is_torn {
                    Some("is cut off: its last page is not whole")
                } else {
                    (!page.is_last).then_some("is cut off: its last page is missing")
                };
                return Ok((page.position, problem));
            }
        }
        if from <= start {
            break;
        }
    }
    Ok((None, None))
}
