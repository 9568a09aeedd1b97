//! MPEG audio: where its frames are, how long they sound, and whether the last of them are missing.
//!
//! Format: ISO/IEC 11172-3 §2.4.2.3; the Xing and VBRI headers as their writers describe them
//! (<http://gabriel.mp3-tech.org/mp3infotag.html>).

use std::io;

use super::{
    sound::{Sound, left},
    view::View,
};

/// What is read at a time when frames are looked for; two frames of any rate fit.
const WINDOW: usize = 4 << 10;
/// What is read at a time where frames are looked for behind junk, in steps of half of it.
const WIDE_WINDOW: usize = 16 << 10;
/// Junk between a tag and the first frame, as far as it is searched.
const MAX_JUNK: u64 = 1 << 20;
/// So many frames in a row are no accident.
const CERTAIN: u32 = 4;
/// Places where a file without a header of its lengths is asked for its rate.
const SAMPLES: u64 = 8;

/// What was found of the audio.
pub(super) struct Heard {
    pub(super) sound: Sound,
    pub(super) problem: Option<&'static str>,
}

/// A frame's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Frame {
    /// Version, layer and sample rate: alike in all frames of one stream.
    stream: (u8, u8, u32),
    kbps: u32,
    is_mono: bool,
    /// Bytes with its header.
    length: u64,
    /// Of each channel.
    samples: u64,
}

const RATES_V1: [[u32; 15]; 3] = [
    [
        0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
    ],
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384,
    ],
    [
        0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
    ],
];
const RATES_V2: [[u32; 15]; 2] = [
    [
        0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256,
    ],
    [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
];

impl Frame {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, third, fourth, ..] = bytes else {
            return None;
        };
        if second & 0xe0 != 0xe0 {
            return None;
        }
        // 3 is MPEG 1, 2 is MPEG 2, 0 is MPEG 2.5.
        let version = (second >> 3) & 3;
        let layer = 4_u8
            .checked_sub((second >> 1) & 3)
            .filter(|&layer| layer < 4)?;
        let index = usize::from(third >> 4);
        let kbps = match (version, layer) {
            (1, _) => return None,
            (3, layer) => *RATES_V1[usize::from(layer) - 1].get(index)?,
            (_, 1) => *RATES_V2[0].get(index)?,
            (_, _) => *RATES_V2[1].get(index)?,
        };
        let hz = [44_100, 48_000, 32_000].get(usize::from((third >> 2) & 3))?
            >> match version {
                3 => 0,
                2 => 1,
                _ => 2,
            };
        let padding = u64::from((third >> 1) & 1);
        let (samples, length) = match (layer, version) {
            (1, _) => (
                384,
                (u64::from(kbps) * 12_000 / u64::from(hz) + padding) * 4,
            ),
            (3, 0 | 2) => (576, u64::from(kbps) * 72_000 / u64::from(hz) + padding),
            _ => (1152, u64::from(kbps) * 144_000 / u64::from(hz) + padding),
        };
        // A rate of zero leaves the length to the player; nobody writes such files.
        (kbps > 0).then_some(Self {
            stream: (version, layer, hz),
            kbps,
            is_mono: fourth >> 6 == 3,
            length,
            samples,
        })
    }
}

/// Frames in a row.
#[derive(Clone, Copy)]
struct Chain {
    /// Where in the bytes the first one begins.
    at: usize,
    first: Frame,
    frames: u32,
    /// Bytes of those that are whole.
    bytes: u64,
    is_constant: bool,
    /// How far the last one reaches beyond the bytes; `None` when something else follows the frames.
    beyond: Option<u64>,
}

/// The first place in `bytes` where two frames begin one after the other, or one fills the rest.
fn find(bytes: &[u8], like: Option<Frame>) -> Option<Chain> {
    let mut from = 0;
    while let Some(found) = bytes.get(from..)?.iter().position(|&byte| byte == 0xff) {
        let at = from + found;
        let chain = Frame::parse(&bytes[at..])
            .filter(|frame| like.is_none_or(|like| like.stream == frame.stream))
            .map(|first| follow(bytes, at, first))
            .filter(|chain| chain.frames > 1 || (chain.frames == 1 && chain.beyond.is_some()));
        if chain.is_some() {
            return chain;
        }
        from = at + 1;
    }
    None
}

fn follow(bytes: &[u8], at: usize, first: Frame) -> Chain {
    let mut chain = Chain {
        at,
        first,
        frames: 0,
        bytes: 0,
        is_constant: true,
        beyond: Some(0),
    };
    let end = bytes.len() as u64;
    let mut next = at as u64;
    while next < end {
        let rest = usize::try_from(next)
            .ok()
            .and_then(|next| bytes.get(next..))
            .unwrap_or_default();
        let Some(frame) = Frame::parse(rest).filter(|frame| frame.stream == first.stream) else {
            chain.beyond = (rest.len() < 4 && first_bytes_fit(rest)).then_some(4);
            break;
        };
        chain.is_constant &= frame.kbps == first.kbps;
        next += frame.length;
        if next > end {
            chain.beyond = Some(next - end);
            break;
        }
        chain.frames += 1;
        chain.bytes += frame.length;
    }
    chain
}

/// Whether fewer bytes than a header may be the beginning of one.
fn first_bytes_fit(bytes: &[u8]) -> bool {
    matches!(bytes, [0xff] | [0xff, 0xe0..=0xff, ..])
}

/// Reads the audio between `base` and the end of what `view` shows; `None` when there is none.
pub(super) fn read(view: &mut View<'_>, base: u64) -> io::Result<Option<Heard>> {
    let weak = first_frames(view, base)?;
    if let Some((start, chain)) = weak.filter(|(start, _)| *start == base) {
        return heard(view, start, chain).map(Some);
    }
    // After junk two headers in a row may be an accident, so that longer rows are looked for first.
    match certain_frames(view, base)?.or(weak) {
        Some((start, chain)) => heard(view, start, chain).map(Some),
        None => Ok(None),
    }
}

/// As [`read`], in a file that seemed to be something else: only what is no accident counts.
pub(super) fn read_behind_junk(view: &mut View<'_>, from: u64) -> io::Result<Option<Heard>> {
    match certain_frames(view, from)? {
        Some((start, chain)) => heard(view, start, chain).map(Some),
        None => Ok(None),
    }
}

fn heard(view: &mut View<'_>, start: u64, chain: Chain) -> io::Result<Heard> {
    let first = chain.first;
    let there = view.length() - start;
    let counted = lengths_header(&view.peek(start, 64)?, first);
    let is_torn = ends_torn(view, first)?;
    let mut problem = None;
    let sound = match counted {
        Counted {
            frames: Some(frames),
            bytes,
        } if !goes_on(view, start, bytes, first)? => {
            // Some writers count a little differently, so only a torn end, or a part that can be heard,
            // says that something is missing.
            let missing = bytes.unwrap_or(0).saturating_sub(there);
            if missing > there / 20 || (is_torn && missing > first.length) {
                problem = Some("is cut off: audio is missing");
            }
            let promised = bytes.unwrap_or(there);
            let sound = Sound::of_samples(frames * first.samples, first.stream.2, promised);
            match problem {
                Some(_) => Sound {
                    left_ms: left(sound.duration_ms, there, promised),
                    ..sound
                },
                None => sound,
            }
        }
        Counted { .. } => {
            if is_torn {
                problem = Some("is cut off: its last frame is not whole");
            }
            by_samples(view, start, chain)?
        }
    };
    Ok(Heard { sound, problem })
}

/// Whether frames of the same kind follow where the header says that the last one ends: two files were
/// joined to one.
fn goes_on(view: &mut View<'_>, start: u64, bytes: Option<u64>, first: Frame) -> io::Result<bool> {
    let there = view.length() - start;
    let Some(promised) = bytes.filter(|bytes| there > bytes + bytes / 16 + WINDOW as u64) else {
        return Ok(false);
    };
    // A tag of the second file may stand between.
    for skipped in [0, WINDOW as u64, (there - promised) / 2] {
        let window = view.peek(start + promised + skipped, WINDOW)?;
        if find(&window, Some(first)).is_some_and(|chain| chain.frames > 1) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where the first frames begin, and they: two in a row, close to where they should be.
fn first_frames(view: &mut View<'_>, base: u64) -> io::Result<Option<(u64, Chain)>> {
    let bytes = view.peek(base, WINDOW)?;
    Ok(find(&bytes, None).map(|chain| (base + chain.at as u64, chain)))
}

/// Where a longer row of frames begins, or one that fills the rest of the file.
fn certain_frames(view: &mut View<'_>, from: u64) -> io::Result<Option<(u64, Chain)>> {
    let length = view.length();
    let end = length.min(from.saturating_add(MAX_JUNK));
    let mut at = from;
    while at < end {
        let bytes = view.peek(at, WIDE_WINDOW)?;
        let is_last = at + bytes.len() as u64 >= length;
        let mut rest = 0;
        while let Some(chain) = bytes.get(rest..).and_then(|bytes| find(bytes, None)) {
            let begins = rest + chain.at;
            if chain.frames >= CERTAIN || (is_last && chain.frames > 1 && chain.beyond.is_some()) {
                return Ok(Some((at + begins as u64, chain)));
            }
            rest = begins + 1;
        }
        // A row may lie across the border.
        at += (WIDE_WINDOW / 2) as u64;
    }
    Ok(None)
}

/// What a Xing, Info or VBRI header in the first frame counts.
#[derive(Default)]
struct Counted {
    frames: Option<u64>,
    bytes: Option<u64>,
}

fn lengths_header(frame: &[u8], first: Frame) -> Counted {
    let number = |at: usize| {
        let bytes: Option<[u8; 4]> = frame
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    let counted = |number: u32| Some(u64::from(number)).filter(|&number| number > 0);
    if frame.get(36..40) == Some(b"VBRI") {
        return Counted {
            frames: counted(number(50)),
            bytes: counted(number(46)),
        };
    }
    let side = match (first.stream.0, first.is_mono) {
        (3, false) => 32,
        (3, true) | (_, false) => 17,
        (_, true) => 9,
    };
    // A checksum of two bytes may stand before; some writers forget about it, or about mono.
    let usual = [4 + side, 6 + side, 36, 21, 13];
    let is_mark = |at: &usize| matches!(frame.get(*at..*at + 4), Some(b"Xing" | b"Info"));
    let Some(at) = usual.into_iter().find(is_mark) else {
        return Counted::default();
    };
    let flags = number(at + 4);
    let has_frames = flags & 1 != 0;
    Counted {
        frames: has_frames.then(|| counted(number(at + 8))).flatten(),
        bytes: (flags & 2 != 0)
            .then(|| counted(number(at + if has_frames { 12 } else { 8 })))
            .flatten(),
    }
}

/// Whether the file ends in the middle of a frame.
fn ends_torn(view: &mut View<'_>, like: Frame) -> io::Result<bool> {
    let from = view.length().saturating_sub(WINDOW as u64);
    let tail = view.peek(from, WINDOW)?;
    Ok(find(&tail, Some(like)).is_some_and(|chain| chain.beyond.is_some_and(|bytes| bytes > 0)))
}

/// The length of a stream that does not tell it: by its rate if that is constant, by a mean of places
/// spread over the file if not.
fn by_samples(view: &mut View<'_>, start: u64, chain: Chain) -> io::Result<Sound> {
    let first = chain.first;
    let there = view.length() - start;
    let mut rate = Rate::of(chain);
    // The middle first: a stream that is constant up to there is taken for constant.
    for part in [4, 7, 6, 5, 3, 2, 1] {
        let window = view.peek(start + there / SAMPLES * part, WINDOW)?;
        if let Some(chain) = find(&window, Some(first)) {
            rate.add(chain, first);
        }
        if rate.is_constant {
            return Ok(Sound {
                duration_ms: Some(there.saturating_mul(8) / u64::from(first.kbps))
                    .filter(|&ms| ms > 0),
                bitrate_kbps: Some(first.kbps),
                sample_rate_hz: Some(first.stream.2),
                ..Sound::default()
            });
        }
    }
    let samples = u128::from(there) * u128::from(rate.frames * first.samples);
    let samples = u64::try_from(samples / u128::from(rate.bytes.max(1))).unwrap_or(0);
    Ok(Sound::of_samples(samples, first.stream.2, there))
}

/// How densely the frames lie that were looked at.
struct Rate {
    frames: u64,
    bytes: u64,
    is_constant: bool,
}

impl Rate {
    fn of(chain: Chain) -> Self {
        Self {
            frames: u64::from(chain.frames),
            bytes: chain.bytes,
            is_constant: chain.is_constant,
        }
    }

    fn add(&mut self, chain: Chain, first: Frame) {
        self.frames += u64::from(chain.frames);
        self.bytes += chain.bytes;
        self.is_constant &= chain.is_constant && chain.first.kbps == first.kbps;
    }
}
