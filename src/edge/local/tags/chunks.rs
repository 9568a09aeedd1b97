//! The chunks of WAV and AIFF: where their tags lie, how long they sound, and whether the audio is all
//! there.
//!
//! Format: Microsoft's RIFF and `WAVEFORMATEX`, EBU Tech 3306 (RF64), Apple's AIFF-C draft.

use std::io;

use super::{
    gathered::{Field, Gathered},
    id3,
    sound::{Sound, left},
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
    /// How it sounds.
    pub(super) sound: Option<Sound>,
}

/// What the chunks tell of the audio.
#[derive(Default)]
struct Audio {
    format: Option<Format>,
    /// Bytes of sound that are there.
    bytes: Option<u64>,
    /// Bytes of sound that should be there.
    promised: u64,
    /// Samples, where a chunk counts them.
    samples: Option<u64>,
    /// The real size of `data` in a file that is longer than 32 bits can say.
    long_data: Option<u64>,
}

#[derive(Clone, Copy)]
struct Format {
    hz: u32,
    /// WAV only.
    bytes_a_second: u32,
    depth: u16,
    is_pcm: bool,
}

/// Reads the tags of a WAV or AIFF file.
pub(super) fn read(view: &mut View<'_>, iff: Iff) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut own = Gathered::default();
    let mut audio = Audio::default();
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
        let size = match audio.long_data {
            Some(long) if &id == b"data" && size == LONG => long,
            _ => size,
        };
        match &id {
            b"data" | b"SSND" if audio.bytes.is_none() => {
                let rest = view.length().saturating_sub(content);
                if is_cut(size, rest) {
                    walked.problem.get_or_insert("is cut off: audio is missing");
                }
                // A length of nothing comes from a writer that could not go back and fill it in.
                let is_open = size == 0 || size >= OPEN;
                audio.promised = if is_open { rest } else { size };
                audio.bytes = Some(if is_open { rest } else { size.min(rest) });
                if is_open {
                    break;
                }
            }
            b"fmt " if iff == Iff::Wav => audio.format = wave_format(&view.peek(content, 40)?),
            b"fact" if iff == Iff::Wav && size >= 4 => {
                audio.samples = little(&view.peek(content, 4)?, 0).map(u64::from);
            }
            b"ds64" if iff == Iff::Wav => {
                let bytes = view.peek(content + 8, 8)?;
                audio.long_data = bytes.try_into().ok().map(u64::from_le_bytes);
            }
            b"COMM" if iff == Iff::Aiff => {
                let bytes = view.peek(content, 18)?;
                (audio.format, audio.samples) = common(&bytes);
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
        at = match content.checked_add(size.saturating_add(size & 1)) {
            Some(next) => next,
            None => break,
        };
    }
    walked.gathered.fill_from(own);
    walked.sound = audio.sound(iff);
    Ok(walked)
}

/// A chunk's size that stands elsewhere.
const LONG: u64 = 0xffff_ffff;
/// Sizes from here on are what a writer leaves that could not seek back; they say nothing.
const OPEN: u64 = 0xffff_fff0;

fn is_cut(size: u64, rest: u64) -> bool {
    size != 0 && !(OPEN..=LONG).contains(&size) && size > rest
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn wave_format(bytes: &[u8]) -> Option<Format> {
    let kind = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    // An extensible format names the real one later.
    let kind = match kind {
        0xfffe => u16::from_le_bytes([*bytes.get(24)?, *bytes.get(25)?]),
        kind => kind,
    };
    Some(Format {
        hz: little(bytes, 4)?,
        bytes_a_second: little(bytes, 8)?,
        depth: u16::from_le_bytes([*bytes.get(14)?, *bytes.get(15)?]),
        // Whole numbers and floats.
        is_pcm: matches!(kind, 1 | 3),
    })
}

/// Channels, frames, bits a sample, and the rate as a float of 80 bits.
fn common(bytes: &[u8]) -> (Option<Format>, Option<u64>) {
    let &[_, _, a, b, c, d, x, y, e, f, ref mantissa @ ..] = bytes else {
        return (None, None);
    };
    let exponent = i32::from(u16::from_be_bytes([e, f]) & 0x7fff) - 16_383;
    let mantissa = mantissa.try_into().map_or(0, u64::from_be_bytes);
    let shift = u32::try_from(63 - exponent)
        .ok()
        .filter(|shift| *shift < 64);
    let hz = shift.and_then(|shift| u32::try_from(mantissa >> shift).ok());
    let format = hz.filter(|&hz| hz > 0).map(|hz| Format {
        hz,
        bytes_a_second: 0,
        depth: u16::from_be_bytes([x, y]),
        is_pcm: true,
    });
    (format, Some(u64::from(u32::from_be_bytes([a, b, c, d]))))
}

impl Audio {
    /// So many samples are promised.
    fn counted(&self, samples: u64, hz: u32, bytes: u64) -> Sound {
        let sound = Sound::of_samples(samples, hz, bytes);
        Sound {
            left_ms: left(sound.duration_ms, bytes, self.promised)
                .filter(|_| bytes < self.promised),
            ..sound
        }
    }

    fn sound(self, iff: Iff) -> Option<Sound> {
        let (format, bytes) = (self.format?, self.bytes?);
        let depth = u8::try_from(format.depth).ok().filter(|&depth| depth > 0);
        let rate = u64::from(format.bytes_a_second);
        let sound = match (iff, self.samples) {
            (Iff::Aiff, samples) => self.counted(samples?, format.hz, bytes),
            (Iff::Wav, Some(samples)) if !format.is_pcm && samples > 0 => {
                self.counted(samples, format.hz, bytes)
            }
            (Iff::Wav, _) => Sound {
                duration_ms: bytes
                    .saturating_mul(1000)
                    .checked_div(rate)
                    .filter(|&ms| ms > 0),
                bitrate_kbps: u32::try_from(rate * 8 / 1000).ok().filter(|&kbps| kbps > 0),
                sample_rate_hz: Some(format.hz).filter(|&hz| hz > 0),
                ..Sound::default()
            },
        };
        Some(Sound {
            bit_depth: depth,
            ..sound
        })
    }
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
