//! What an audio file says of itself, read without trusting a byte of it, and the few tags we write.
//!
//! Files come from strangers: tags nest until a reader's stack overflows, swell from kilobytes to
//! gigabytes, or hold a hundred thousand frames. So files are walked by bounded readers of our own, one
//! for each structure, which step over pictures unread and find the ISRC wherever a downloader put it.
//! lofty writes, and is asked for the lengths of oddly made files; it sees a file through a `view::View`
//! that stops it when it asks for too much.

mod ape;
mod audio;
mod carried;
mod chunks;
mod comments;
mod flac;
mod gathered;
mod id3;
mod lost;
mod mp4;
mod mpeg;
mod ogg;
mod sound;
mod view;
mod write;

use std::{io, path::Path};

use crate::{
    domain::{AudioFormat, FileStat, Tags},
    edge::local::volume,
};

pub use write::{TagError, carry, stamp, stamp_anew, write_tidal_id};

/// What one audio file says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// By content; by the name's extension when the content says nothing.
    pub format: AudioFormat,
    /// The texts.
    pub tags: Tags,
    /// Length in milliseconds.
    pub duration_ms: Option<u64>,
    /// Milliseconds of sound that are there, where the file is cut off and its length is a promise.
    pub left_ms: Option<u64>,
    /// Kilobits a second.
    pub bitrate_kbps: Option<u32>,
    /// Hertz.
    pub sample_rate_hz: Option<u32>,
    /// Bits a sample, of lossless formats.
    pub bit_depth: Option<u8>,
    /// Why it could not be read fully, in lower case and without a period.
    pub problem: Option<String>,
}

impl FileFacts {
    pub(super) fn unknown(format: AudioFormat) -> Self {
        Self {
            format,
            tags: Tags::default(),
            duration_ms: None,
            left_ms: None,
            bitrate_kbps: None,
            sample_rate_hz: None,
            bit_depth: None,
            problem: None,
        }
    }

    fn failed(format: AudioFormat, problem: String) -> Self {
        Self {
            problem: Some(problem),
            ..Self::unknown(format)
        }
    }

    /// Adds what is wrong; the first finding stays.
    fn note(&mut self, problem: impl Into<String>) {
        self.problem.get_or_insert(problem.into());
    }
}

/// Reads one file. Whatever is wrong with it becomes [`FileFacts::problem`]; a pipe or device is never
/// opened for reading.
#[must_use]
pub fn read_file(path: &Path) -> FileFacts {
    let regular = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    if path.exists() && !regular {
        return FileFacts::failed(promised(path), "is no regular file".to_owned());
    }
    let real = std::fs::canonicalize(path);
    match read_stable(real.as_deref().unwrap_or(path), promised(path)) {
        Reading::Certain(facts, _) | Reading::Doubtful(facts) => facts,
        Reading::Gone => FileFacts::failed(promised(path), "is not there".to_owned()),
    }
}

/// How a reading went.
pub(super) enum Reading {
    /// The facts, and the file system's facts that they belong to.
    Certain(FileFacts, FileStat),
    /// It could not be opened or read, or kept changing: nothing of this may be remembered.
    Doubtful(FileFacts),
    /// Nothing is there.
    Gone,
}

/// How often a file that changes under our eyes is read again.
const TRIES: usize = 3;

/// Reads one file, whose name promises `named` and which a walk saw as a regular one, until it holds
/// still.
pub(super) fn read_stable(path: &Path, named: AudioFormat) -> Reading {
    for _ in 0..TRIES {
        let (file, before) = match volume::open_seen(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Reading::Gone,
            Err(error) => {
                let problem = format!("could not be opened: {error}");
                return Reading::Doubtful(FileFacts::failed(named, problem));
            }
        };
        volume::expect_random_reads(&file);
        if before.size == 0 {
            let facts = FileFacts::failed(named, "is empty".to_owned());
            return Reading::Certain(facts, before);
        }
        let (facts, disk_failed) = audio::read(&file, before.size, named);
        if disk_failed {
            return Reading::Doubtful(facts);
        }
        match file.metadata().map(|metadata| volume::stat_of(&metadata)) {
            Ok(after) if after == before => return Reading::Certain(facts, before),
            Ok(_) | Err(_) => {}
        }
    }
    let problem = "kept changing while it was read".to_owned();
    Reading::Doubtful(FileFacts::failed(named, problem))
}

fn promised(path: &Path) -> AudioFormat {
    format_of_name(path).unwrap_or(AudioFormat::Mp3)
}

/// The format that the file's name promises.
pub(super) fn format_of_name(path: &Path) -> Option<AudioFormat> {
    let extension = path.extension()?.as_encoded_bytes();
    let mut lower = [0; 5];
    let lower = lower.get_mut(..extension.len())?;
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    match std::str::from_utf8(lower).ok()? {
        // Raw ADTS; what Apple and Rekordbox call AAC lies in MP4.
        "aac" => None,
        other => AudioFormat::from_extension(other),
    }
}

#[cfg(test)]
mod tests;
