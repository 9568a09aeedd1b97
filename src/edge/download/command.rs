//! The user's own download command, and the ffmpeg that converts what it delivers.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use super::{
    Downloader, FetchError, Fetched, OnStep, Step, convert, process,
    verify::{self, AudioInfo},
};
use fill::Fill;
use left::{Own, Search, bytes_below, most_bytes, only_audio_file, own_copy};

use crate::{
    domain::{AudioFormat, Track},
    edge::local::{VERIFIED, tags},
    policy::DownloadPolicy,
};

/// A delivered track may differ from TIDAL's length by this, whatever the policy says: TIDAL counts in
/// whole seconds, encoders pad.
const LEAST_TOLERANCE: Duration = Duration::from_secs(2);
/// Runs `[download] command` once for each track.
#[derive(Clone, Debug)]
pub struct CommandDownloader {
    command: Option<Vec<String>>,
    timeout: Duration,
    ffmpeg: String,
    tolerance: Duration,
    delays: Vec<Duration>,
    told: Told,
}

/// Whom to tell of the steps, if anybody.
#[derive(Clone, Default)]
struct Told(Option<OnStep>);

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Told" } else { "Nobody" })
    }
}

impl CommandDownloader {
    /// The downloader that the policy describes. `tolerance`: how far a delivered file's length may be
    /// from TIDAL's; never less than two seconds.
    #[must_use]
    pub fn new(policy: &DownloadPolicy, tolerance: Duration) -> Self {
        Self {
            command: policy.command.clone().filter(|command| !command.is_empty()),
            timeout: policy.timeout,
            ffmpeg: policy.ffmpeg.clone(),
            tolerance: tolerance.max(LEAST_TOLERANCE),
            delays: vec![Duration::from_secs(2), Duration::from_secs(8)],
            told: Told::default(),
        }
    }

    /// The same, telling `told` what goes on.
    #[must_use]
    pub fn telling(mut self, told: OnStep) -> Self {
        self.told = Told(Some(told));
        self
    }

    fn tell(&self, step: impl FnOnce() -> Step) {
        if let Some(told) = &self.told.0 {
            told(&step());
        }
    }

    /// The same with other pauses before the second, third… try; none: one try.
    #[must_use]
    pub fn with_delays(mut self, delays: Vec<Duration>) -> Self {
        self.delays = delays;
        self
    }

    async fn attempt(
        &self,
        command: &[String],
        track: &Track,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        let dir = tempfile::Builder::new()
            .prefix("fetch-")
            .tempdir_in(workspace)
            .map_err(|source| failed("make a folder in", workspace, source))?;
        if process::lacks_room(dir.path()) {
            return Err(failed("download to", dir.path(), full_disk()));
        }
        let (path, format) = match self.deliver(command, track, dir.path()).await {
            Err(error) if error.is_transient() && process::is_full(dir.path()) => {
                return Err(failed("download to", dir.path(), full_disk()));
            }
            other => other?,
        };
        keep(&path, format, workspace)
    }

    /// What an earlier run had fetched and verified, if it is whole and this track. Nothing else is left.
    async fn kept(&self, track: &Track, workspace: &Path) -> Option<Fetched> {
        for path in AudioFormat::ALL.map(|format| verified(workspace, format)) {
            if !fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            if let Ok(info) = verify::check(&path, &self.ffmpeg, self.timeout).await
                && self.compare(&info, track).is_ok()
                && tags::read_file(&path).tags.tidal_id.as_ref() == Some(&track.id)
            {
                let format = info.format;
                return Some(Fetched { path, format });
            }
            // It lies in a folder of ours; one that cannot be removed is replaced.
            drop(fs::remove_file(&path));
        }
        None
    }

    async fn copied(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        let dir = tempfile::Builder::new()
            .prefix("copy-")
            .tempdir_in(workspace)
            .map_err(|source| failed("make a folder in", workspace, source))?;
        let format = tags::read_file(source).format;
        let path = dir.path().join(format!("copy.{}", format.extension()));
        fs::copy(source, &path).map_err(|error| failed("copy", source, error))?;
        let wrong = |reason: String| FetchError::NotDelivered {
            program: "copy".to_owned(),
            reason,
        };
        let info = verify::check(&path, &self.ffmpeg, self.timeout)
            .await
            .map_err(|error| wrong(describe(&error)))?;
        self.compare(&info, track)
            .map_err(|differs| match differs {
                Differs::Short(reason) | Differs::Other(reason) => wrong(reason),
            })?;
        tags::stamp_anew(&path, info.format, track)
            .map_err(|error| failed("tag", &path, io::Error::other(error)))?;
        synced(&path)?;
        keep(&path, info.format, workspace)
    }

    async fn deliver(
        &self,
        command: &[String],
        track: &Track,
        dir: &Path,
    ) -> Result<(PathBuf, AudioFormat), FetchError> {
        let (program, args) = command.split_first().ok_or(FetchError::NoCommand)?;
        let fill = Fill::new(track, dir);
        if !fill.is_safe() {
            return Err(FetchError::NotStarted {
                program: program.clone(),
                reason: format!("{:?} is no track id that may be given to it", fill.id),
            });
        }
        let program = fill.text(program);
        let args: Vec<OsString> = args.iter().map(|arg| fill.argument(arg)).collect();
        let own = Own::of(dir).map_err(|source| failed("look at", dir, source))?;
        let watch = || self.look_at(&program, track, dir);
        let is_measured = track.duration_s.is_some_and(|s| s > 0);
        let ended =
            match process::run_watched(&program, &args, dir, self.timeout, Some(&watch)).await {
                // It was stopped with its children; a whole file that it had left by then is no worse for it.
                Err(error @ FetchError::TimedOut { .. }) if is_measured => {
                    let taken = self.take(&program, track, dir, &own, "").await;
                    return taken.map_err(|_| error);
                }
                other => other?,
            };
        let taken = self.take(&program, track, dir, &own, &ended.tail()).await;
        // An exit code proves nothing: what was delivered and verified counts, whatever it says. Only
        // where TIDAL tells no length to hold the file against, a failure is believed.
        let is_sure = ended.status.success() || is_measured;
        match taken {
            Ok(taken) if is_sure => Ok(taken),
            Err(error @ FetchError::Io { .. }) => Err(error),
            Ok(_) | Err(_) if !ended.status.success() => Err(failure(program, dir, &ended)),
            Err(FetchError::NotDelivered { program, .. }) if says_unavailable(&ended) => {
                let said = last_line(&ended.tail());
                Err(FetchError::Unavailable { program, said })
            }
            other => other,
        }
    }

    /// Stops a command that fills the disk.
    fn look_at(&self, program: &str, track: &Track, dir: &Path) -> Result<(), FetchError> {
        let bytes = bytes_below(dir);
        self.tell(|| Step::Bytes {
            track: track.id.clone(),
            bytes,
        });
        let most = most_bytes(track);
        if bytes > most {
            return Err(FetchError::Wrong {
                program: program.to_owned(),
                reason: format!("it wrote more than {} MB for one track", most >> 20),
            });
        }
        if process::lacks_room(dir) {
            return Err(failed("download to", dir, full_disk()));
        }
        Ok(())
    }

    /// The one file that the command left, verified and with its id; `said`: the end of its output.
    async fn take(
        &self,
        program: &str,
        track: &Track,
        dir: &Path,
        own: &Own,
        said: &str,
    ) -> Result<(PathBuf, AudioFormat), FetchError> {
        let wrong = |reason: String| FetchError::Wrong {
            program: program.to_owned(),
            reason,
        };
        let lacking = |reason: String| FetchError::NotDelivered {
            program: program.to_owned(),
            reason,
        };
        if !Own::of(dir).is_ok_and(|now| now == *own) {
            return Err(wrong(
                "it put something else in its folder's place".to_owned(),
            ));
        }
        let path = only_audio_file(dir).map_err(|error| match error {
            Search::Io(path, source) => failed("look into", &path, source),
            Search::Nothing(reason) => lacking(with_tail(reason, said)),
            Search::Wrong(reason) => wrong(reason),
        })?;
        let path = own_copy(path)?;
        let info = verify::check(&path, &self.ffmpeg, self.timeout)
            .await
            .map_err(|error| lacking(describe(&error)))?;
        self.compare(&info, track)
            .map_err(|differs| match differs {
                Differs::Short(reason) => lacking(reason),
                Differs::Other(reason) => wrong(reason),
            })?;
        finish(&path, info.format, track)?;
        Ok((path, info.format))
    }

    fn compare(&self, info: &AudioInfo, track: &Track) -> Result<(), Differs> {
        if let (Some(own), Some(wanted)) = (&info.isrc, &track.isrc)
            && own != wanted
        {
            let reason = format!("its ISRC is {own} and the track's {wanted}");
            return Err(Differs::Other(reason));
        }
        let Some(seconds) = track.duration_s.filter(|seconds| *seconds > 0) else {
            return match info.duration <= Duration::from_secs(1) {
                true => Err(Differs::Short("it lasts a second at the most".to_owned())),
                false => Ok(()),
            };
        };
        let wanted = Duration::from_secs(seconds.into());
        if info.duration.abs_diff(wanted) <= self.tolerance {
            return Ok(());
        }
        let reason = format!(
            "it lasts {:.1} s and the track {seconds} s",
            info.duration.as_secs_f64()
        );
        Err(match info.duration < wanted {
            true => Differs::Short(reason),
            false => Differs::Other(reason),
        })
    }
}

/// How a whole file is not the track.
enum Differs {
    /// It may be its beginning.
    Short(String),
    /// It is another recording.
    Other(String),
}

impl Downloader for CommandDownloader {
    async fn fetch(&self, track: &Track, workspace: &Path) -> Result<Fetched, FetchError> {
        let command = self.command.as_deref().ok_or(FetchError::NoCommand)?;
        let workspace =
            std::path::absolute(workspace).map_err(|source| failed("find", workspace, source))?;
        fs::create_dir_all(&workspace).map_err(|source| failed("make", &workspace, source))?;
        if let Some(kept) = self.kept(track, &workspace).await {
            return Ok(kept);
        }
        let mut delays = self.delays.iter();
        loop {
            self.tell(|| Step::Began {
                track: track.id.clone(),
            });
            let attempt = self.attempt(command, track, &workspace).await;
            self.tell(|| Step::Ended {
                track: track.id.clone(),
            });
            let error = match attempt {
                Ok(fetched) => return Ok(fetched),
                Err(error) => error,
            };
            // Who has used up his time once is not given it twice in one run.
            let again = error.is_transient() && !matches!(error, FetchError::TimedOut { .. });
            match delays.next() {
                Some(delay) if again => {
                    tracing::debug!(track.id = %track.id, error = %error, "download failed, trying again");
                    self.tell(|| Step::Retries {
                        track: track.id.clone(),
                        label: track.label(),
                        pause: *delay,
                        error: error.to_string(),
                    });
                    tokio::time::sleep(*delay).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn copy(
        &self,
        track: &Track,
        source: &Path,
        workspace: &Path,
    ) -> Result<Fetched, FetchError> {
        if let Some(kept) = self.kept(track, workspace).await {
            return Ok(kept);
        }
        self.copied(track, source, workspace).await
    }

    async fn convert(
        &self,
        track: &Track,
        source: &Path,
        target: &Path,
        format: AudioFormat,
        quality: &str,
    ) -> Result<(), FetchError> {
        let order = convert::Order {
            ffmpeg: &self.ffmpeg,
            limit: self.timeout,
            track,
            source,
            target,
            format,
            quality,
        };
        convert::convert(&order).await
    }
}

fn failure(program: String, dir: &Path, ended: &process::Ended) -> FetchError {
    let tail = ended.tail();
    if process::says_disk_full(&tail) {
        return failed("download to", dir, full_disk());
    }
    if says_unavailable(ended) {
        let said = last_line(&tail);
        return FetchError::Unavailable { program, said };
    }
    FetchError::Failed {
        program,
        status: ended.status.to_string(),
        tail,
    }
}

/// Whether a command says that TIDAL does not stream the track, as tidal-dl-ng, tiddl and others put it.
/// Nobody is asked again at once then; when, says `retry_unavailable`.
fn says_unavailable(ended: &process::Ended) -> bool {
    let text = format!("{}\n{}", ended.stdout, ended.stderr).to_lowercase();
    [
        "not available for",
        "is not available",
        "isn't available",
        "no longer available",
        "not available anymore",
        "track is unavailable",
        "can't stream",
        "cannot be streamed",
        "not streamable",
        "not allow streaming",
        "asset is not ready",
    ]
    .iter()
    .any(|words| text.contains(words))
}

fn last_line(tail: &str) -> String {
    let line = tail.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().chars().take(200).collect()
}

/// Writes the id into the file, and file and folder to the disk.
pub(super) fn finish(path: &Path, format: AudioFormat, track: &Track) -> Result<(), FetchError> {
    tags::stamp(path, format, track)
        .map_err(|error| failed("tag", path, io::Error::other(error)))?;
    synced(path)
}

/// The name under which a verified download lies in its workspace.
fn verified(workspace: &Path, format: AudioFormat) -> PathBuf {
    workspace.join(format!("{VERIFIED}.{}", format.extension()))
}

/// Brings a verified file out of its command's folder, so that it outlives an interruption.
fn keep(path: &Path, format: AudioFormat, workspace: &Path) -> Result<Fetched, FetchError> {
    let kept = verified(workspace, format);
    fs::rename(path, &kept).map_err(|source| failed("keep", path, source))?;
    sync_folder(workspace).map_err(|source| failed("sync", workspace, source))?;
    Ok(Fetched { path: kept, format })
}

fn synced(path: &Path) -> Result<(), FetchError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| failed("sync", path, source))?;
    if let Some(dir) = path.parent() {
        sync_folder(dir).map_err(|source| failed("sync", dir, source))?;
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_dir: &Path) -> io::Result<()> {
    Ok(())
}

pub(super) fn failed(doing: &'static str, path: &Path, source: io::Error) -> FetchError {
    FetchError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

pub(super) fn full_disk() -> io::Error {
    io::Error::new(io::ErrorKind::StorageFull, "no space left on the disk")
}

pub(super) fn describe(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

fn with_tail(reason: String, tail: &str) -> String {
    match tail.lines().next_back() {
        Some(last) if !last.trim().is_empty() => {
            format!("{reason}; it said last: {}", last.trim())
        }
        _ => reason,
    }
}

mod fill;
mod left;
#[cfg(all(test, unix))]
mod tests;
