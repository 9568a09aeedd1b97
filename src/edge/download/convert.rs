//! Conversion by ffmpeg: into a fresh file, verified, with tags, cover and id.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions},
    io,
    path::Path,
    time::Duration,
};

use super::{
    FetchError,
    command::{describe, failed, finish, full_disk},
    process,
    verify::{self, AudioInfo, file_argument},
};
use crate::{
    domain::{AudioFormat, Track},
    edge::local::tags,
};

/// How much the lengths of source and result may differ: encoders delay and pad.
const SLACK: Duration = Duration::from_millis(500);

/// One conversion.
pub(super) struct Order<'a> {
    pub ffmpeg: &'a str,
    pub limit: Duration,
    pub track: &'a Track,
    pub source: &'a Path,
    pub target: &'a Path,
    pub format: AudioFormat,
    pub quality: &'a str,
}

/// Makes `target`, which must not be there; it is gone again after a failure.
pub(super) async fn convert(order: &Order<'_>) -> Result<(), FetchError> {
    // Taking the name first means that whatever is removed after a failure was made by us.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(order.target)
        .map_err(|source| failed("make", order.target, source))?;
    let unfinished = Unfinished(Some(order.target));
    let made = make(order).await;
    match made {
        Ok(()) => unfinished.keep(),
        Err(error)
            if error.is_transient()
                && process::is_full(order.target.parent().unwrap_or(order.target)) =>
        {
            return Err(failed("write", order.target, full_disk()));
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Removes the target unless it is kept, also when the conversion is dropped midway.
struct Unfinished<'a>(Option<&'a Path>);

impl Unfinished<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // Nothing can be done about what cannot be removed; it is in our own workspace.
            drop(fs::remove_file(path));
        }
    }
}

async fn make(order: &Order<'_>) -> Result<(), FetchError> {
    let wrong = |reason: String| FetchError::NotDelivered {
        program: order.ffmpeg.to_owned(),
        reason,
    };
    let source = verify::check(order.source, order.ffmpeg, order.limit)
        .await
        .map_err(|error| wrong(format!("the source: {}", describe(&error))))?;
    if source.format == order.format {
        fs::copy(order.source, order.target)
            .map_err(|error| failed("copy", order.source, error))?;
    } else if order.format.is_lossless() && !source.format.is_lossless() {
        return Err(FetchError::Lossy {
            came: source.format.extension(),
            wanted: order.format.extension(),
        });
    } else {
        encode(order, &source).await?;
        let made = verify::check(order.target, order.ffmpeg, order.limit)
            .await
            .map_err(|error| wrong(describe(&error)))?;
        if made.format != order.format {
            return Err(wrong(format!("the result is {:?}", made.format)));
        }
        if made.duration.abs_diff(source.duration) > SLACK {
            return Err(wrong(format!(
                "the result lasts {:.1} s and the source {:.1} s",
                made.duration.as_secs_f64(),
                source.duration.as_secs_f64()
            )));
        }
        tags::carry(order.source, order.target, order.format, order.track)
            .map_err(|error| failed("tag", order.target, io::Error::other(error)))?;
    }
    finish(order.target, order.format, order.track)
}

async fn encode(order: &Order<'_>, source: &AudioInfo) -> Result<(), FetchError> {
    let args = arguments(order, source);
    let dir = order.target.parent().unwrap_or(order.target);
    let ended = match process::run(order.ffmpeg, &args, dir, order.limit).await {
        Err(FetchError::NotStarted { program, reason }) => {
            return Err(FetchError::NotStarted {
                program,
                reason: format!(
                    "{reason}; install ffmpeg, or name it with ffmpeg = \"…\" in [download]"
                ),
            });
        }
        other => other?,
    };
    if ended.status.success() {
        return Ok(());
    }
    let tail = ended.tail();
    if process::says_disk_full(&tail) {
        return Err(failed("write", order.target, full_disk()));
    }
    Err(FetchError::Failed {
        program: order.ffmpeg.to_owned(),
        status: ended.status.to_string(),
        tail,
    })
}

fn arguments(order: &Order<'_>, source: &AudioInfo) -> Vec<OsString> {
    let mut args: Vec<OsString> = Vec::new();
    let mut add = |texts: &[&str]| args.extend(texts.iter().map(OsString::from));
    add(&[
        "-nostdin",
        "-hide_banner",
        "-v",
        "error",
        "-xerror",
        "-y",
        "-i",
    ]);
    args.push(file_argument(order.source));
    let mut add = |texts: &[&str]| args.extend(texts.iter().map(OsString::from));
    // Tags and pictures are carried over afterwards: what ffmpeg takes from one container to the other
    // differs from pair to pair. Only of a WAV's own small list it is the writer; Ogg keeps its tags in
    // the stream, the others in the container.
    let from = match (order.format, source.format) {
        (AudioFormat::Wav, AudioFormat::Ogg | AudioFormat::Opus) => "0:s:a:0",
        (AudioFormat::Wav, _) => "0",
        _ => "-1",
    };
    add(&[
        "-map",
        "0:a:0",
        "-map_metadata",
        from,
        "-map_chapters",
        "-1",
    ]);
    for text in codec(order.format, order.quality, source) {
        args.push(text.into());
    }
    args.push(file_argument(order.target));
    args
}

fn codec(format: AudioFormat, quality: &str, source: &AudioInfo) -> Vec<String> {
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let deep = source.format.is_lossless() && source.bit_depth.is_some_and(|bits| bits > 16);
    let pcm = |end: &str| match source.bit_depth.filter(|_| deep) {
        Some(25..) => format!("pcm_s32{end}"),
        Some(_) => format!("pcm_s24{end}"),
        None => format!("pcm_s16{end}"),
    };
    match format {
        AudioFormat::Mp3 => {
            let rate = match Quality::parse(quality) {
                Some(Quality::Variable(level)) => format!("-q:a {level}"),
                Some(Quality::Kbps(kbps)) => format!("-b:a {}k", kbps.min(320)),
                None => "-q:a 0".to_owned(),
            };
            words(&format!(
                "-c:a libmp3lame {rate} -id3v2_version 3 -write_xing 1 -f mp3"
            ))
        }
        AudioFormat::M4a => words(&format!("-c:a aac -b:a {}k -f ipod", kbps(quality, 256))),
        AudioFormat::Alac => words("-c:a alac -f ipod"),
        AudioFormat::Flac => {
            let depth = if deep { "s32" } else { "s16" };
            words(&format!("-c:a flac -sample_fmt {depth} -f flac"))
        }
        AudioFormat::Wav => words(&format!("-c:a {} -f wav", pcm("le"))),
        AudioFormat::Aiff => words(&format!(
            "-c:a {} -write_id3v2 1 -id3v2_version 3 -f aiff",
            pcm("be")
        )),
        // Vorbis refuses rates that a mono or low-rate source cannot fill; its quality scale does not.
        AudioFormat::Ogg => {
            let level = match kbps(quality, 256) {
                0..=128 => 4,
                129..=192 => 6,
                193..=256 => 8,
                257.. => 9,
            };
            words(&format!("-c:a libvorbis -q:a {level} -f ogg"))
        }
        AudioFormat::Opus => words(&format!(
            "-c:a libopus -b:a {}k -f opus",
            kbps(quality, 192)
        )),
    }
}

/// `[library] quality`.
enum Quality {
    /// `V0` (best) to `V9`.
    Variable(u8),
    /// `320k`.
    Kbps(u32),
}

impl Quality {
    /// `None` for `lossless` and anything that is neither: the format's best.
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_lowercase();
        if let Some(level) = text.strip_prefix('v') {
            return level
                .parse()
                .ok()
                .filter(|level| *level <= 9)
                .map(Self::Variable);
        }
        text.trim_end_matches("bps")
            .trim_end_matches('k')
            .parse()
            .ok()
            .filter(|kbps| (32..=512).contains(kbps))
            .map(Self::Kbps)
    }
}

fn kbps(quality: &str, best: u32) -> u32 {
    match Quality::parse(quality) {
        Some(Quality::Kbps(kbps)) => kbps,
        Some(Quality::Variable(_)) | None => best,
    }
}
