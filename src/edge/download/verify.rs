//! Decodes audio files to their end, since neither an exit code nor a header says that one is whole.

use std::{
    ffi::OsString,
    fs::File,
    io,
    panic::AssertUnwindSafe,
    path::{Path, PathBuf},
    time::Duration,
};

use symphonia::core::{
    codecs::{CODEC_TYPE_NULL, DecoderOptions},
    errors::Error as SymphoniaError,
    formats::FormatOptions,
    io::MediaSourceStream,
    meta::MetadataOptions,
    probe::Hint,
};

use super::{FetchError, process};
use crate::{
    domain::{AudioFormat, Isrc},
    edge::local::tags,
};

/// An audio file that was decoded to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioInfo {
    /// By content.
    pub format: AudioFormat,
    /// What was decoded, not what the header says.
    pub duration: Duration,
    /// Bits a sample, of lossless formats.
    pub bit_depth: Option<u8>,
    /// From its tags.
    pub isrc: Option<Isrc>,
}

/// Why a file is not whole audio.
#[derive(Debug, thiserror::Error)]
pub enum NotAudio {
    /// It cannot be read.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
    /// We have no decoder for it.
    #[error("its codec cannot be decoded here: {0}")]
    Unsupported(String),
    /// It breaks off, or is damaged.
    #[error("it is damaged or cut short: {0}")]
    Damaged(String),
}

/// Frames that may be missing at the end without a file being cut short: encoders round and pad.
const SLACK: Duration = Duration::from_millis(500);

/// Decodes the whole of `path` and says what it holds. Blocking: for a thread of its own.
///
/// # Errors
/// [`NotAudio`].
pub fn audio_info(path: &Path) -> Result<AudioInfo, NotAudio> {
    let facts = tags::read_file(path);
    // A decoder that trips over a hostile file must not take the program with it.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| decode(path)))
        .unwrap_or_else(|_| Err(NotAudio::Damaged("the decoder gave up".to_owned())))?;
    Ok(AudioInfo {
        format: facts.format,
        duration: decoded,
        bit_depth: facts.bit_depth,
        isrc: facts.tags.isrc,
    })
}

/// As [`audio_info`], with ffmpeg as the second opinion on what the built-in decoders cannot read
/// (Opus, some kinds of AAC).
pub(super) async fn check(
    path: &Path,
    ffmpeg: &str,
    limit: Duration,
) -> Result<AudioInfo, NotAudio> {
    let own = path.to_owned();
    let result = tokio::task::spawn_blocking(move || audio_info(&own))
        .await
        .unwrap_or_else(|_| Err(NotAudio::Damaged("the decoder gave up".to_owned())));
    let error = match result {
        Err(NotAudio::Unreadable(error)) => return Err(NotAudio::Unreadable(error)),
        Err(error) => error,
        Ok(info) => return Ok(info),
    };
    let facts = tags::read_file(path);
    let doubted = match error {
        NotAudio::Unsupported(_) => true,
        // Kinds of AAC that are beyond the built-in decoder look damaged to it.
        NotAudio::Damaged(_) => facts.format == AudioFormat::M4a,
        NotAudio::Unreadable(_) => false,
    };
    if !doubted {
        return Err(error);
    }
    let duration = by_ffmpeg(path, ffmpeg, limit, error).await?;
    if facts
        .duration_ms
        .is_some_and(|promised| duration + SLACK < Duration::from_millis(promised))
    {
        return Err(NotAudio::Damaged(
            "it holds less than it promises".to_owned(),
        ));
    }
    Ok(AudioInfo {
        format: facts.format,
        duration,
        bit_depth: facts.bit_depth,
        isrc: facts.tags.isrc,
    })
}

async fn by_ffmpeg(
    path: &Path,
    ffmpeg: &str,
    limit: Duration,
    first: NotAudio,
) -> Result<Duration, NotAudio> {
    let mut args: Vec<OsString> = ["-nostdin", "-v", "error", "-xerror", "-i"]
        .map(OsString::from)
        .to_vec();
    args.push(file_argument(path));
    args.extend(["-map", "0:a:0", "-f", "null", "-progress", "pipe:1", "-"].map(OsString::from));
    let dir = path.parent().unwrap_or(Path::new("."));
    match process::run(ffmpeg, &args, dir, limit).await {
        Ok(ended) if ended.status.success() => progress(&ended.stdout)
            .ok_or_else(|| NotAudio::Damaged("ffmpeg decoded nothing".to_owned())),
        Ok(ended) => Err(NotAudio::Damaged(ended.tail())),
        Err(FetchError::NotStarted { .. }) => Err(match first {
            NotAudio::Unsupported(codec) => {
                NotAudio::Unsupported(format!("{codec}; with ffmpeg installed it could be"))
            }
            other => other,
        }),
        Err(error) => Err(NotAudio::Damaged(error.to_string())),
    }
}

/// A path that no program takes for an option or a protocol.
pub(super) fn file_argument(path: &Path) -> OsString {
    let mut text = OsString::from("file:");
    text.push(std::path::absolute(path).unwrap_or_else(|_| PathBuf::from(path)));
    text
}

/// The decoded length from the last `out_time_us=` of ffmpeg's progress lines.
fn progress(output: &str) -> Option<Duration> {
    output
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("out_time_us=")?.trim().parse().ok())
        .map(Duration::from_micros)
}

fn decode(path: &Path) -> Result<Duration, NotAudio> {
    let file = File::open(path).map_err(NotAudio::Unreadable)?;
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let mut hint = Hint::new();
    if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
        hint.with_extension(extension);
    }
    let probed = symphonia::default::get_probe()
        .format(
            &hint,
            stream,
            &FormatOptions::default(),
            &MetadataOptions::default(),
        )
        .map_err(not_audio)?;
    let mut format = probed.format;
    let track = format
        .tracks()
        .iter()
        .find(|track| {
            track.codec_params.codec != CODEC_TYPE_NULL && track.codec_params.sample_rate.is_some()
        })
        .ok_or_else(|| NotAudio::Unsupported("no audio track".to_owned()))?;
    let (id, params) = (track.id, track.codec_params.clone());
    let mut decoder = symphonia::default::get_codecs()
        .make(&params, &DecoderOptions { verify: true })
        .map_err(not_audio)?;
    let mut heard = Heard::default();
    loop {
        let packet = match format.next_packet() {
            Ok(packet) => packet,
            Err(SymphoniaError::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                break;
            }
            Err(SymphoniaError::ResetRequired) => break,
            Err(error) => return Err(not_audio(error)),
        };
        if packet.track_id() != id {
            continue;
        }
        match decoder.decode(&packet) {
            Ok(buffer) => heard.add(buffer.frames(), buffer.spec().rate),
            // One bad packet may be rubbish before or after the music; several are damage.
            Err(SymphoniaError::DecodeError(reason)) => heard.stumble(reason)?,
            Err(error) => return Err(not_audio(error)),
        }
    }
    if decoder.finalize().verify_ok == Some(false) {
        return Err(NotAudio::Damaged(
            "its own checksum does not agree".to_owned(),
        ));
    }
    let promised = params
        .n_frames
        .zip(params.sample_rate.filter(|rate| *rate > 0))
        .map(|(frames, rate)| Duration::from_secs_f64(frames as f64 / f64::from(rate)));
    heard.agree(promised)
}

/// What a decoder has put out so far.
#[derive(Default)]
struct Heard {
    length: f64,
    bad: u32,
}

impl Heard {
    fn add(&mut self, frames: usize, rate: u32) {
        if rate > 0 {
            self.length += frames as f64 / f64::from(rate);
        }
    }

    fn stumble(&mut self, reason: &str) -> Result<(), NotAudio> {
        self.bad += 1;
        if self.bad > 3 {
            return Err(NotAudio::Damaged(reason.to_owned()));
        }
        Ok(())
    }

    fn agree(&self, promised: Option<Duration>) -> Result<Duration, NotAudio> {
        let heard = Duration::from_secs_f64(self.length);
        match promised {
            Some(promised) if heard + SLACK < promised => Err(NotAudio::Damaged(format!(
                "it promises {:.1} s and holds {:.1} s",
                promised.as_secs_f64(),
                self.length
            ))),
            _ if heard.is_zero() => Err(NotAudio::Damaged("it holds no sound".to_owned())),
            _ => Ok(heard),
        }
    }
}

fn not_audio(error: SymphoniaError) -> NotAudio {
    match error {
        SymphoniaError::IoError(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            NotAudio::Unreadable(error)
        }
        SymphoniaError::Unsupported(what) => NotAudio::Unsupported(what.to_owned()),
        other => NotAudio::Damaged(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::local::fixture;

    fn file(name: &str, content: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        (dir, path)
    }

    #[test]
    fn the_decoded_length_counts() {
        let (_dir, path) = file("a.wav", &fixture::wav(3));
        let info = audio_info(&path).unwrap();
        assert_eq!(
            (info.format, info.duration.as_secs()),
            (AudioFormat::Wav, 3)
        );
    }

    #[test]
    fn half_a_file_and_no_audio_are_refused() {
        let whole = fixture::wav(4);
        for (name, content) in [
            ("half.wav", &whole[..whole.len() / 2]),
            ("head.wav", &whole[..44]),
            ("text.mp3", &b"<html>not found</html>"[..]),
            ("empty.flac", &[]),
        ] {
            let (_dir, path) = file(name, content);
            assert!(audio_info(&path).is_err(), "{name}");
        }
    }

    #[test]
    fn progress_is_read_from_its_last_line() {
        let lines = "out_time_us=100\nprogress=continue\nout_time_us=2500000\nprogress=end\n";
        assert_eq!(progress(lines), Some(Duration::from_millis(2500)));
        assert_eq!(progress("out_time_us=N/A\n"), None);
    }
}
