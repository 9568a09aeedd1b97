//! From the bytes of a file to its facts: what it is by content, its texts and its length by our readers;
//! where they find no length, lofty is asked, step by step less demanding.

use std::{cell::Cell, error::Error, fs::File, panic, sync::Once, time::Duration};

use lofty::{
    config::{GlobalOptions, ParseOptions, ParsingMode, apply_global_options},
    error::FileParseError,
    file::AudioFile as _,
    flac::FlacFile,
    iff::{aiff::AiffFile, wav::WavFile},
    mp4::{Mp4Codec, Mp4File},
    mpeg::MpegFile,
    ogg::{OpusFile, VorbisFile},
};

use super::{
    FileFacts, ape, chunks,
    chunks::Iff,
    flac,
    gathered::Gathered,
    id3, lost, mp4, mpeg, ogg,
    sound::Sound,
    view::{Budget, View},
};
use crate::domain::AudioFormat;

/// What a file is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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

    pub(super) fn of_content(head: &[u8]) -> Option<Self> {
        match head {
            [b'f', b'L', b'a', b'C', ..] => Some(Self::Flac),
            [a, b, c, d, _, _, _, _, b'W', b'A', b'V', b'E', ..]
                if matches!(&[*a, *b, *c, *d], b"RIFF" | b"RF64" | b"BW64") =>
            {
                Some(Self::Wav)
            }
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
                    let others: [&[u8]; 3] = [b"\x01vorbis", b"Speex   ", b"\x7fFLAC"];
                    others.into_iter().any(has).then_some(Self::Vorbis)
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
pub(super) const HEAD: usize = 64;

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
    let (kind, start) = match (Kind::of_content(&head), other_kind(&head)) {
        (Some(kind), _) => (kind, base),
        (None, Some(what)) => {
            facts.note(format!("holds {what} and no audio that is read here"));
            return Ok(());
        }
        // Junk before the audio. Frames of MPEG audio are found by their own reader.
        (None, None) if by_name == Kind::Mpeg => (by_name, base),
        (None, None) => lost::beginning(view, base)?.unwrap_or((by_name, base)),
    };
    found_as(facts, kind, named);
    let sound = listen(view, kind, start, facts, gathered)?;
    let (kind, start, sound) = match sound {
        Some(sound) => (kind, start, Some(sound)),
        None => elsewhere(view, kind, base, facts, gathered)?.unwrap_or((kind, start, None)),
    };
    found_as(facts, kind, named);
    match sound {
        Some(sound) => put(facts, sound),
        None => {
            view.rebase(start);
            match climb(view, kind) {
                Ok(sound) => put(facts, sound),
                Err(reason) => facts.note(format!("its length is unknown: {reason}")),
            }
        }
    }
    Ok(())
}

/// What the content is counts, whatever the name says.
fn found_as(facts: &mut FileFacts, kind: Kind, named: AudioFormat) {
    if kind != Kind::of_name(named) {
        facts.format = kind.format();
        let (is, says) = (kind.format(), named.extension());
        facts.note(format!("holds {is:?}, although its name says {says}"));
    }
}

/// Asks our reader of a format, from where the audio begins; `None` when it finds no length.
fn listen(
    view: &mut View<'_>,
    kind: Kind,
    start: u64,
    facts: &mut FileFacts,
    gathered: &mut Gathered,
) -> std::io::Result<Option<Sound>> {
    let sound = match kind {
        Kind::Mpeg => {
            let end = trailing_tags(view, facts, gathered)?;
            view.limit(end);
            mpeg::read(view, start)?.map(|heard| {
                note(facts, heard.problem);
                heard.sound
            })
        }
        Kind::Wav | Kind::Aiff => {
            let iff = if kind == Kind::Wav {
                Iff::Wav
            } else {
                Iff::Aiff
            };
            view.rebase(start);
            let walked = chunks::read(view, iff)?;
            gathered.fill_from(walked.gathered);
            note(facts, walked.problem);
            walked.sound
        }
        Kind::Mp4 => {
            view.rebase(start);
            let walked = mp4::read(view)?;
            gathered.fill_from(walked.gathered);
            note(facts, walked.problem);
            walked.sound
        }
        Kind::Flac => {
            let walked = flac::read(view, start)?;
            gathered.fill_from(walked.gathered);
            note(facts, walked.problem);
            walked.sound
        }
        Kind::Vorbis | Kind::Opus => {
            let walked = ogg::read(view, start)?;
            gathered.fill_from(walked.gathered);
            note(facts, walked.problem);
            walked.sound
        }
    };
    view.rebase(0);
    Ok(sound.filter(|sound| sound.duration_ms.is_some()))
}

/// Audio of another kind than it seemed, or behind a tag that lies about its length.
fn elsewhere(
    view: &mut View<'_>,
    kind: Kind,
    base: u64,
    facts: &mut FileFacts,
    gathered: &mut Gathered,
) -> std::io::Result<Option<(Kind, u64, Option<Sound>)>> {
    // Right after the header of a tag that may be shorter than it says.
    let inside = (base > 0).then_some(id3::HEADER);
    if kind == Kind::Mpeg {
        if let Some(inside) = inside
            && let Some(heard) = mpeg::read_behind_junk(view, inside)?
        {
            note(facts, heard.problem);
            return Ok(Some((kind, inside, Some(heard.sound))));
        }
        for from in [Some(base), inside].into_iter().flatten() {
            if let Some((kind, start)) = lost::beginning(view, from)? {
                let sound = listen(view, kind, start, facts, gathered)?;
                return Ok(Some((kind, start, sound)));
            }
        }
        return Ok(None);
    }
    if let Some(inside) = inside
        && let Some((kind, start)) = lost::beginning(view, inside)?
        && let Some(sound) = listen(view, kind, start, facts, gathered)?
    {
        return Ok(Some((kind, start, Some(sound))));
    }
    for from in [Some(base), inside].into_iter().flatten() {
        if let Some(heard) = mpeg::read_behind_junk(view, from)? {
            note(facts, heard.problem);
            return Ok(Some((Kind::Mpeg, from, Some(heard.sound))));
        }
    }
    Ok(None)
}

fn note(facts: &mut FileFacts, problem: Option<&'static str>) {
    if let Some(problem) = problem {
        facts.note(problem);
    }
}

fn put(facts: &mut FileFacts, sound: Sound) {
    if sound.is_alac {
        facts.format = AudioFormat::Alac;
    } else if facts.format == AudioFormat::Alac {
        facts.format = AudioFormat::M4a;
    }
    facts.duration_ms = sound.duration_ms;
    facts.left_ms = sound.left_ms;
    facts.bitrate_kbps = sound.bitrate_kbps;
    facts.sample_rate_hz = sound.sample_rate_hz;
    facts.bit_depth = sound.bit_depth.filter(|_| facts.format.is_lossless());
}

/// What a file is that is not what its name says, where its first bytes tell.
fn other_kind(head: &[u8]) -> Option<&'static str> {
    let is_text =
        head.starts_with(b"<!DOCTYPE") || head.starts_with(b"<html") || head.starts_with(b"<?xml");
    Some(match head {
        _ if is_text => "a web page",
        [0xff, 0xd8, 0xff, ..] => "a JPEG picture",
        [0x89, b'P', b'N', b'G', ..] => "a PNG picture",
        [b'P', b'K', 3, 4, ..] => "a ZIP archive",
        [b'%', b'P', b'D', b'F', ..] => "a PDF document",
        [0x30, 0x26, 0xb2, 0x75, ..] => "Windows Media",
        [b'M', b'A', b'C', b' ', ..] => "Monkey's Audio",
        [b'w', b'v', b'p', b'k', ..] => "WavPack",
        [b'M', b'P', b'+', ..] | [b'M', b'P', b'C', b'K', ..] => "Musepack",
        [b'D', b'S', b'D', b' ', ..] => "DSD",
        [0x1a, 0x45, 0xdf, 0xa3, ..] => "Matroska",
        [0xff, second, ..] if second & 0xf6 == 0xf0 => "raw AAC",
        _ => return None,
    })
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

/// One demand on the file after the other: as most players read it, and forgiving.
fn climb(view: &mut View<'_>, kind: Kind) -> Result<Sound, String> {
    let usual = ParseOptions::new().read_cover_art(false).read_tags(false);
    let forgiving = usual.clone().parsing_mode(ParsingMode::Relaxed);
    let reason = match guarded(view, kind, usual) {
        Ok(sound) if sound.duration_ms.is_some() => return Ok(sound),
        Ok(_) => "it holds no audio".to_owned(),
        Err(reason) => reason,
    };
    guarded(view, kind, forgiving)
        .ok()
        .filter(|sound| sound.duration_ms.is_some())
        .ok_or(reason)
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

fn guarded(view: &mut View<'_>, kind: Kind, options: ParseOptions) -> Result<Sound, String> {
    quiet_panics();
    // Kept by thread. Pictures are stepped over, so nothing large is needed.
    apply_global_options(GlobalOptions::new().allocation_limit(16 << 20));
    view.restart();
    GUARDED.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(|| hear(view, kind, options)));
    GUARDED.set(false);
    match result {
        Ok(Ok(sound)) => Ok(sound),
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

fn hear(view: &mut View<'_>, kind: Kind, options: ParseOptions) -> Result<Sound, FileParseError> {
    Ok(match kind {
        Kind::Mpeg => {
            let file = MpegFile::read_from(view, options)?;
            let heard = file.properties();
            sound(heard.duration(), heard.audio_bitrate(), heard.sample_rate())
        }
        Kind::Mp4 => {
            let file = Mp4File::read_from(view, options)?;
            let heard = file.properties();
            let rates = (heard.audio_bitrate(), heard.sample_rate());
            Sound {
                bit_depth: heard.bit_depth(),
                is_alac: heard.codec() == Some(Mp4Codec::ALAC),
                ..sound(heard.duration(), rates.0.unwrap_or(0), rates.1.unwrap_or(0))
            }
        }
        Kind::Flac => {
            let file = FlacFile::read_from(view, options)?;
            let heard = file.properties();
            let sound = sound(heard.duration(), heard.audio_bitrate(), heard.sample_rate());
            Sound {
                bit_depth: Some(heard.bit_depth()),
                ..sound
            }
        }
        Kind::Wav => {
            let file = WavFile::read_from(view, options)?;
            let heard = file.properties();
            let sound = sound(heard.duration(), heard.bitrate(), heard.sample_rate());
            Sound {
                bit_depth: Some(heard.bit_depth()),
                ..sound
            }
        }
        Kind::Aiff => {
            let file = AiffFile::read_from(view, options)?;
            let heard = file.properties();
            let sound = sound(heard.duration(), heard.audio_bitrate(), heard.sample_rate());
            Sound {
                bit_depth: u8::try_from(heard.sample_size()).ok(),
                ..sound
            }
        }
        Kind::Vorbis => {
            let file = VorbisFile::read_from(view, options)?;
            let heard = file.properties();
            sound(heard.duration(), heard.audio_bitrate(), heard.sample_rate())
        }
        Kind::Opus => {
            let file = OpusFile::read_from(view, options)?;
            let heard = file.properties();
            sound(
                heard.duration(),
                heard.audio_bitrate(),
                heard.input_sample_rate(),
            )
        }
    })
}

fn sound(duration: Duration, kbps: u32, hz: u32) -> Sound {
    Sound {
        duration_ms: u64::try_from(duration.as_millis())
            .ok()
            .filter(|&ms| ms > 0),
        bitrate_kbps: Some(kbps).filter(|&kbps| kbps > 0),
        sample_rate_hz: Some(hz).filter(|&hz| hz > 0),
        ..Sound::default()
    }
}
