//! From the bytes of a file to its facts: what it is by content, its own tag structures by our readers,
//! lengths and the remaining tags by lofty, step by step less demanding.

use std::{cell::Cell, error::Error, fs::File, panic, sync::Once, time::Duration};

use lofty::{
    config::{GlobalOptions, ParseOptions, ParsingMode, apply_global_options},
    error::FileParseError,
    file::AudioFile as _,
    flac::FlacFile,
    iff::{aiff::AiffFile, wav::WavFile},
    mp4::{Mp4Codec, Mp4File},
    mpeg::MpegFile,
    ogg::{OpusFile, VorbisFile, tag::VorbisComments},
};

use super::{
    FileFacts, ape, chunks,
    chunks::Iff,
    flac,
    gathered::{Field, Gathered},
    id3, mp4,
    view::{Budget, View},
};
use crate::domain::AudioFormat;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Mpeg,
    Mp4,
    Flac,
    Wav,
    Aiff,
    Vorbis,
    Opus,
}

impl Kind {
    fn of_name(format: AudioFormat) -> Self {
        match format {
            AudioFormat::Mp3 => Self::Mpeg,
            AudioFormat::M4a | AudioFormat::Alac => Self::Mp4,
            AudioFormat::Flac => Self::Flac,
            AudioFormat::Wav => Self::Wav,
            AudioFormat::Aiff => Self::Aiff,
            AudioFormat::Ogg => Self::Vorbis,
            AudioFormat::Opus => Self::Opus,
        }
    }

    const fn format(self) -> AudioFormat {
        match self {
            Self::Mpeg => AudioFormat::Mp3,
            Self::Mp4 => AudioFormat::M4a,
            Self::Flac => AudioFormat::Flac,
            Self::Wav => AudioFormat::Wav,
            Self::Aiff => AudioFormat::Aiff,
            Self::Vorbis => AudioFormat::Ogg,
            Self::Opus => AudioFormat::Opus,
        }
    }

    /// Whether lofty reads the tags; the others are walked by our own readers.
    const fn has_tags_for_lofty(self) -> bool {
        match self {
            Self::Vorbis | Self::Opus => true,
            Self::Mpeg | Self::Mp4 | Self::Flac | Self::Wav | Self::Aiff => false,
        }
    }

    fn of_content(head: &[u8]) -> Option<Self> {
        match head {
            [b'f', b'L', b'a', b'C', ..] => Some(Self::Flac),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'A',
                b'V',
                b'E',
                ..,
            ] => Some(Self::Wav),
            [
                b'F',
                b'O',
                b'R',
                b'M',
                _,
                _,
                _,
                _,
                b'A',
                b'I',
                b'F',
                b'F' | b'C',
                ..,
            ] => Some(Self::Aiff),
            [_, _, _, _, b'f', b't', b'y', b'p', ..] => Some(Self::Mp4),
            [b'O', b'g', b'g', b'S', ..] => {
                let has = |mark: &[u8]| head.windows(mark.len()).any(|bytes| bytes == mark);
                if has(b"OpusHead") {
                    Some(Self::Opus)
                } else {
                    has(b"\x01vorbis").then_some(Self::Vorbis)
                }
            }
            // Frame sync, layer III, and neither reserved bit rate nor reserved sample rate.
            [0xff, second, third, ..]
                if second & 0xe6 == 0xe2 && third >> 4 != 0xf && third & 0x0c != 0x0c =>
            {
                Some(Self::Mpeg)
            }
            _ => None,
        }
    }
}

/// Enough of a file to see what it is.
const HEAD: usize = 64;

/// Reads an open file of `size` bytes whose name promises `named`. The flag says whether the disk failed,
/// so that the findings may be wrong.
pub(super) fn read(file: &File, size: u64, named: AudioFormat) -> (FileFacts, bool) {
    let mut facts = FileFacts::unknown(named);
    let mut view = View::new(file, size, Budget::FILE);
    let mut gathered = Gathered::default();
    if let Err(error) = read_into(&mut view, named, &mut facts, &mut gathered) {
        facts.note(format!("could not be read: {error}"));
    }
    facts.tags = gathered.into_tags();
    (facts, view.disk_failed())
}

fn read_into(
    view: &mut View<'_>,
    named: AudioFormat,
    facts: &mut FileFacts,
    gathered: &mut Gathered,
) -> std::io::Result<()> {
    let base = leading_tags(view, facts, gathered)?;
    let head = view.peek(base, HEAD)?;
    let by_name = Kind::of_name(named);
    let kind = Kind::of_content(&head).unwrap_or(by_name);
    if kind != by_name {
        facts.format = kind.format();
        let (is, says) = (kind.format(), named.extension());
        facts.note(format!("holds {is:?}, although its name says {says}"));
    }
    match kind {
        Kind::Mpeg => {
            let end = trailing_tags(view, facts, gathered)?;
            view.limit(end);
            if misses_frames(view, base)? {
                facts.note("is cut off: audio is missing");
            }
        }
        Kind::Wav | Kind::Aiff => {
            let iff = if kind == Kind::Wav {
                Iff::Wav
            } else {
                Iff::Aiff
            };
            let walked = chunks::read(view, iff)?;
            gathered.fill_from(walked.gathered);
            facts.problem = facts.problem.take().or(walked.problem.map(str::to_owned));
        }
        Kind::Mp4 => {
            let walked = mp4::read(view)?;
            gathered.fill_from(walked.gathered);
            facts.problem = facts.problem.take().or(walked.problem.map(str::to_owned));
        }
        Kind::Flac => {
            let walked = flac::read(view, base)?;
            gathered.fill_from(walked.gathered);
            facts.problem = facts.problem.take().or(walked.problem.map(str::to_owned));
        }
        Kind::Vorbis | Kind::Opus => {}
    }
    view.rebase(base);
    match climb(view, kind) {
        Ok(heard) => heard.into_facts(facts, gathered),
        Err(reason) => facts.note(reason),
    }
    Ok(())
}

/// Reads the `ID3v2` tags at the front, and returns where they end.
fn leading_tags(
    view: &mut View<'_>,
    facts: &mut FileFacts,
    gathered: &mut Gathered,
) -> std::io::Result<u64> {
    let mut at = 0;
    // Two tags in a row happen; more are an attack.
    for _ in 0..4 {
        let Some(length) = id3::length(view, at)? else {
            break;
        };
        if let Some(walked) = id3::read(view, at)? {
            gathered.fill_from(walked.gathered);
            if let Some(problem) = walked.problem {
                facts.note(problem);
            }
        }
        at = (at + length).min(view.length());
    }
    Ok(at)
}

/// Reads the APE and `ID3v1` tags at the back, and returns where they begin.
fn trailing_tags(
    view: &mut View<'_>,
    facts: &mut FileFacts,
    gathered: &mut Gathered,
) -> std::io::Result<u64> {
    let mut end = view.length();
    let tail = view.peek(end.saturating_sub(128), 128)?;
    let v1 = id3::read_v1(&tail);
    if v1.is_some() {
        end -= 128;
    }
    if let Some(walked) = ape::read(view, end)? {
        end = walked.start;
        gathered.fill_from(walked.gathered);
        if let Some(problem) = walked.problem {
            facts.note(problem);
        }
    }
    if let Some(v1) = v1 {
        gathered.fill_from(v1);
    }
    Ok(end)
}

/// Whether the Xing header of the frame at `base` counts more bytes than there are. Some writers count
/// a little differently, so only a part that can be heard matters.
fn misses_frames(view: &mut View<'_>, base: u64) -> std::io::Result<bool> {
    let frame = view.peek(base, 64)?;
    let mark = frame
        .windows(4)
        .position(|bytes| bytes == b"Xing" || bytes == b"Info");
    let Some(fields) = mark.and_then(|at| frame.get(at + 4..at + 16)) else {
        return Ok(false);
    };
    let number = |at: usize| {
        let bytes = fields
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_be_bytes)
    };
    let has_both_counts = number(0) & 0b11 == 0b11;
    let there = view.length().saturating_sub(base);
    Ok(has_both_counts && u64::from(number(8)) > there + there / 20)
}

/// What lofty found.
#[derive(Default)]
struct Heard {
    gathered: Gathered,
    duration: Duration,
    bitrate_kbps: Option<u32>,
    sample_rate_hz: Option<u32>,
    bit_depth: Option<u8>,
    is_alac: bool,
    problem: Option<String>,
}

impl Heard {
    fn into_facts(self, facts: &mut FileFacts, gathered: &mut Gathered) {
        gathered.fill_from(self.gathered);
        if self.is_alac {
            facts.format = AudioFormat::Alac;
        } else if facts.format == AudioFormat::Alac {
            facts.format = AudioFormat::M4a;
        }
        facts.duration_ms = u64::try_from(self.duration.as_millis())
            .ok()
            .filter(|&ms| ms > 0);
        facts.bitrate_kbps = self.bitrate_kbps.filter(|&rate| rate > 0);
        facts.sample_rate_hz = self.sample_rate_hz.filter(|&rate| rate > 0);
        facts.bit_depth = self
            .bit_depth
            .filter(|&depth| depth > 0 && facts.format.is_lossless());
        if let Some(problem) = self.problem {
            facts.note(problem);
        }
    }
}

/// One demand on the file after the other: as most players read it, forgiving, and tags alone.
fn climb(view: &mut View<'_>, kind: Kind) -> Result<Heard, String> {
    let usual = ParseOptions::new()
        .read_cover_art(false)
        .read_tags(kind.has_tags_for_lofty());
    let forgiving = usual.clone().parsing_mode(ParsingMode::Relaxed);
    let reason = match guarded(view, kind, usual) {
        Ok(heard) => return Ok(heard),
        Err(reason) => reason,
    };
    if let Ok(heard) = guarded(view, kind, forgiving) {
        return Ok(heard);
    }
    let reason = format!("its length is unknown: {reason}");
    if !kind.has_tags_for_lofty() {
        return Err(reason);
    }
    let tags_alone = forgiving.clone().read_properties(false);
    let mut heard = guarded(view, kind, tags_alone).map_err(|_| reason.clone())?;
    heard.problem = Some(reason);
    Ok(heard)
}

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// A panic of lofty's is a finding about the file and not ours to show.
fn quiet_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                before(info);
            }
        }));
    });
}

fn guarded(view: &mut View<'_>, kind: Kind, options: ParseOptions) -> Result<Heard, String> {
    quiet_panics();
    // Kept by thread. Pictures are stepped over, so nothing large is needed.
    apply_global_options(GlobalOptions::new().allocation_limit(16 << 20));
    view.restart();
    GUARDED.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| hear(view, kind, options)));
    GUARDED.set(false);
    match result {
        Ok(Ok(heard)) => Ok(heard),
        Ok(Err(error)) => Err(innermost(&error)),
        Err(_) => Err("its structure is broken".to_owned()),
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string().to_lowercase()
}

fn hear(view: &mut View<'_>, kind: Kind, options: ParseOptions) -> Result<Heard, FileParseError> {
    Ok(match kind {
        Kind::Mpeg => {
            let file = MpegFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                duration: properties.duration(),
                bitrate_kbps: Some(properties.audio_bitrate()),
                sample_rate_hz: Some(properties.sample_rate()),
                ..Heard::default()
            }
        }
        Kind::Mp4 => hear_mp4(&Mp4File::read_from(view, options)?),
        Kind::Flac => {
            let file = FlacFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                duration: properties.duration(),
                bitrate_kbps: Some(properties.audio_bitrate()),
                sample_rate_hz: Some(properties.sample_rate()),
                bit_depth: Some(properties.bit_depth()),
                ..Heard::default()
            }
        }
        Kind::Wav => {
            let file = WavFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                duration: properties.duration(),
                bitrate_kbps: Some(properties.bitrate()),
                sample_rate_hz: Some(properties.sample_rate()),
                bit_depth: Some(properties.bit_depth()),
                ..Heard::default()
            }
        }
        Kind::Aiff => {
            let file = AiffFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                duration: properties.duration(),
                bitrate_kbps: Some(properties.audio_bitrate()),
                sample_rate_hz: Some(properties.sample_rate()),
                bit_depth: u8::try_from(properties.sample_size()).ok(),
                ..Heard::default()
            }
        }
        Kind::Vorbis => {
            let file = VorbisFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                gathered: gather_comments(file.vorbis_comments()),
                duration: properties.duration(),
                bitrate_kbps: Some(properties.audio_bitrate()),
                sample_rate_hz: Some(properties.sample_rate()),
                ..Heard::default()
            }
        }
        Kind::Opus => {
            let file = OpusFile::read_from(view, options)?;
            let properties = file.properties();
            Heard {
                gathered: gather_comments(file.vorbis_comments()),
                duration: properties.duration(),
                bitrate_kbps: Some(properties.audio_bitrate()),
                sample_rate_hz: Some(properties.input_sample_rate()),
                ..Heard::default()
            }
        }
    })
}

fn hear_mp4(file: &Mp4File) -> Heard {
    let properties = file.properties();
    Heard {
        gathered: Gathered::default(),
        duration: properties.duration(),
        bitrate_kbps: properties.audio_bitrate(),
        sample_rate_hz: properties.sample_rate(),
        bit_depth: properties.bit_depth(),
        is_alac: properties.codec() == Some(Mp4Codec::ALAC),
        problem: None,
    }
}

fn gather_comments(comments: &VorbisComments) -> Gathered {
    let mut gathered = Gathered::default();
    for (key, value) in comments.items() {
        if let Some(field) = Field::of_key(key) {
            gathered.put(field, value);
        }
    }
    gathered
}
