//! FLAC: its Vorbis comments, read with bounds (pictures are stepped over unread), its length, and
//! whether all of it is there.
//!
//! Format: RFC 9639 §8, §8.6 and §9.1.

use std::io;

use super::{
    comments,
    gathered::Gathered,
    sound::{Sound, left},
    view::View,
};

/// More blocks than any honest file has.
const MAX_BLOCKS: usize = 1_000;
/// The kinds of blocks that matter.
const STREAM_INFO: u8 = 0;
const COMMENTS: u8 = 4;
/// The end of a file, as far as its last frame is searched; few frames are longer.
const TAIL: u64 = 20 << 10;

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

/// Reads the blocks of the FLAC stream that begins at `base`, and looks at its end.
pub(super) fn read(view: &mut View<'_>, base: u64) -> io::Result<Walked> {
    let mut walked = Walked::default();
    let mut info = None;
    let mut at = base + 4;
    for _ in 0..MAX_BLOCKS {
        let header = view.peek(at, 4)?;
        let &[kind, a, b, c] = header.as_slice() else {
            walked.problem.get_or_insert("its tags are cut off");
            break;
        };
        let size = u64::from(u32::from_be_bytes([0, a, b, c]));
        let end = at + 4 + size;
        match kind & 0x7f {
            STREAM_INFO if info.is_none() => info = StreamInfo::parse(&view.peek(at + 4, 34)?),
            COMMENTS => {
                let end = end.min(view.length());
                walked.problem = walked.problem.or(comments::read(
                    &mut comments::InFile::new(view, at + 4, end),
                    &mut walked.gathered,
                )?);
            }
            _ => {}
        }
        at = end;
        if kind & 0x80 != 0 {
            if let Some(info) = info {
                judge(view, info, at, &mut walked)?;
            }
            break;
        }
    }
    Ok(walked)
}

/// What the first block tells of the stream.
#[derive(Clone, Copy)]
pub(super) struct StreamInfo {
    /// Samples in a block, where all blocks have the same number.
    block: Option<u64>,
    /// Bytes of the smallest frame; 0 when unknown.
    smallest: u64,
    hz: u32,
    depth: u8,
    /// Samples of each channel; 0 when unknown.
    pub(super) samples: u64,
}

impl StreamInfo {
    /// Takes the block's 34 bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<10>()?;
        let packed = u64::from_be_bytes(*rest.first_chunk()?);
        let short = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
        Some(Self {
            block: (short(0) == short(2)).then(|| u64::from(short(0))),
            smallest: u64::from(u32::from_be_bytes([0, head[4], head[5], head[6]])),
            hz: u32::try_from(packed >> 44).ok().filter(|&hz| hz > 0)?,
            depth: u8::try_from((packed >> 36) & 31).ok()? + 1,
            samples: packed & 0xf_ffff_ffff,
        })
    }

    /// The sound of `samples` of such a stream in `bytes`.
    pub(super) fn sound(self, samples: u64, bytes: u64) -> Sound {
        Sound {
            bit_depth: Some(self.depth),
            ..Sound::of_samples(samples, self.hz, bytes)
        }
    }
}

/// Tells the length, and compares it with how far the last frame reaches.
fn judge(view: &mut View<'_>, info: StreamInfo, start: u64, walked: &mut Walked) -> io::Result<()> {
    let there = view.length().saturating_sub(start);
    let reached = last_sample(view, info, start)?;
    let samples = match info.samples {
        0 => reached.unwrap_or(0),
        samples => samples,
    };
    let blocks = info.block.and_then(|block| samples.checked_div(block));
    // Below a fiftieth nobody hears it, and writers round.
    let ends_early = reached.is_some_and(|reached| reached < samples - samples / 50);
    if ends_early
        || there == 0
        || blocks.is_some_and(|blocks| blocks.saturating_mul(info.smallest) > there)
    {
        walked.problem.get_or_insert("is cut off: audio is missing");
    }
    if samples > 0 {
        let sound = info.sound(samples, there);
        walked.sound = Some(Sound {
            left_ms: reached
                .filter(|_| ends_early)
                .and_then(|reached| left(sound.duration_ms, reached, samples)),
            ..sound
        });
    }
    Ok(())
}

/// The sample after the last frame whose header can be found near the end.
fn last_sample(view: &mut View<'_>, info: StreamInfo, start: u64) -> io::Result<Option<u64>> {
    let from = view.length().saturating_sub(TAIL).max(start);
    let tail = view.peek(from, usize::try_from(TAIL).unwrap_or(0))?;
    let ends = (0..tail.len()).filter_map(|at| {
        let frame = tail.get(at..at + 4)?;
        let is_sync = frame[0] == 0xff && frame[1] & 0xfe == 0xf8;
        is_sync.then(|| frame_end(&tail[at..], info))?
    });
    Ok(ends
        .filter(|&end| info.samples == 0 || end <= info.samples)
        .max())
}

/// The sample after the frame whose header these bytes begin with.
fn frame_end(bytes: &[u8], info: StreamInfo) -> Option<u64> {
    let is_variable = bytes.get(1)? & 1 == 1;
    let (sizes, third) = (*bytes.get(2)?, *bytes.get(3)?);
    if third & 1 != 0 || third >> 4 > 10 || sizes & 15 == 15 {
        return None;
    }
    let (number, mut at) = coded_number(bytes.get(4..)?)?;
    at += 4;
    let block = match sizes >> 4 {
        0 => return None,
        1 => 192,
        code @ 2..=5 => 144 << code,
        6 => {
            at += 1;
            u64::from(*bytes.get(at - 1)?) + 1
        }
        7 => {
            at += 2;
            u64::from(u16::from_be_bytes([
                *bytes.get(at - 2)?,
                *bytes.get(at - 1)?,
            ])) + 1
        }
        code => 1 << code,
    };
    at += match sizes & 15 {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    if *bytes.get(at)? != crc8(bytes.get(..at)?) {
        return None;
    }
    let first = if is_variable {
        number
    } else {
        number.checked_mul(info.block?)?
    };
    first.checked_add(block)
}

/// A number written as UTF-8 would write it, of up to 36 bits, and the bytes that it took.
fn coded_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let &first = bytes.first()?;
    let more = match first.leading_ones() {
        0 => return Some((u64::from(first), 1)),
        ones @ 2..=7 => ones as usize - 1,
        _ => return None,
    };
    let start = u64::from(first & (0x7f_u8 >> (more + 1).min(7)));
    let number = bytes
        .get(1..=more)?
        .iter()
        .try_fold(start, |number, &byte| {
            (byte & 0xc0 == 0x80).then(|| (number << 6) | u64::from(byte & 0x3f))
        })?;
    Some((number, more + 1))
}

fn crc8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| {
        (0..8).fold(sum ^ byte, |sum, _| {
            if sum & 0x80 == 0 {
                sum << 1
            } else {
                (sum << 1) ^ 7
            }
        })
    })
}
