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
use crate::{
    domain::{AudioFormat, Track},
    edge::local::{VERIFIED, tags, volume},
    policy::DownloadPolicy,
};

/// A delivered track may differ from TIDAL's length by this, whatever the policy says: TIDAL counts in
/// whole seconds, encoders pad.
const LEAST_TOLERANCE: Duration = Duration::from_secs(2);
/// How deep below its folder a command's files are looked for.
const DEPTH: usize = 16;
/// How many files a command may leave.
const FILES: usize = 10_000;

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

/// A folder's identity: a command may remove its own and put a link to another in its place.
#[derive(PartialEq, Eq)]
struct Own(u64, u64);

impl Own {
    fn of(dir: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(dir)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        let stat = volume::stat_of(&metadata);
        Ok(Self(stat.device, stat.inode))
    }
}

/// The bytes of all files below `dir`, as far as they can be seen while somebody writes there.
fn bytes_below(dir: &Path) -> u64 {
    walkdir::WalkDir::new(dir)
        .max_depth(DEPTH)
        .follow_links(false)
        .follow_root_links(false)
        .into_iter()
        .take(FILES)
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(fs::Metadata::is_file)
        .fold(0, |sum, metadata| sum + metadata.len())
}

/// More than a track can need: several copies of the finest stereo there is.
fn most_bytes(track: &Track) -> u64 {
    const FINEST: u64 = 4 << 20;
    let seconds = track
        .duration_s
        .filter(|seconds| *seconds > 0)
        .unwrap_or(3600);
    (256 << 20) + u64::from(seconds) * FINEST
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

/// What stands in for the placeholders of a command.
struct Fill {
    url: String,
    id: String,
    dir: OsString,
    name: String,
}

impl Fill {
    fn new(track: &Track, dir: &Path) -> Self {
        let id = track.id.as_str().to_owned();
        Self {
            url: format!("https://tidal.com/browse/track/{id}"),
            dir: dir.as_os_str().to_owned(),
            name: safe_stem(track),
            id,
        }
    }

    /// Whether the id is one: letters and digits, nothing that a program takes for an option or a path.
    fn is_safe(&self) -> bool {
        !self.id.is_empty()
            && self
                .id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
            && !self.id.starts_with('-')
    }

    /// One pass from left to right, so that nothing in a title is taken for a placeholder.
    fn argument(&self, template: &str) -> OsString {
        let mut out = OsString::new();
        let mut rest = template;
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            out.push(before);
            let known = [
                ("{url}", OsString::from(&self.url)),
                ("{id}", OsString::from(&self.id)),
                ("{dir}", self.dir.clone()),
                ("{name}", OsString::from(&self.name)),
            ];
            rest = match known.iter().find(|(key, _)| tail.starts_with(key)) {
                Some((key, value)) => {
                    out.push(value);
                    &tail[key.len()..]
                }
                None => {
                    out.push("{");
                    &tail[1..]
                }
            };
        }
        out.push(rest);
        out
    }

    fn text(&self, template: &str) -> String {
        self.argument(template).to_string_lossy().into_owned()
    }
}

/// `Artist - Title (Version)` as a file name that every platform takes and no program takes for an
/// option.
fn safe_stem(track: &Track) -> String {
    let artist = track.artist();
    let title = track.full_title();
    let text = if artist.is_empty() {
        title
    } else {
        format!("{artist} - {title}")
    };
    let mut name: String = text
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|' => '_',
            c if c.is_control() => '_',
            c => c,
        })
        .collect();
    while name.len() > 120 {
        name.pop();
    }
    let name = name.trim_matches([' ', '.']).trim_start_matches('-').trim();
    if name.is_empty() {
        track.id.as_str().to_owned()
    } else {
        name.to_owned()
    }
}

enum Search {
    Io(PathBuf, io::Error),
    /// Nothing, or nothing yet.
    Nothing(String),
    /// Too much.
    Wrong(String),
}

/// The one non-empty audio file below `dir`. Covers, lyrics and lists may lie beside it; links are not
/// followed.
fn only_audio_file(dir: &Path) -> Result<PathBuf, Search> {
    let (mut audio, mut empty, mut seen) = (Vec::new(), false, 0_usize);
    for entry in walkdir::WalkDir::new(dir)
        .max_depth(DEPTH)
        .follow_links(false)
        .follow_root_links(false)
        .sort_by_file_name()
    {
        let entry = entry.map_err(|error| {
            let path = error.path().unwrap_or(dir).to_owned();
            Search::Io(path, error.into())
        })?;
        seen += 1;
        if seen > FILES {
            return Err(Search::Wrong(format!("it left more than {FILES} files")));
        }
        let format = entry
            .path()
            .extension()
            .and_then(|extension| extension.to_str())
            .and_then(|extension| AudioFormat::from_extension(&extension.to_lowercase()));
        if !entry.file_type().is_file() || format.is_none() {
            continue;
        }
        let size = entry
            .metadata()
            .map_err(|error| Search::Io(entry.path().to_owned(), error.into()))?
            .len();
        if size == 0 {
            empty = true;
        } else {
            audio.push(entry.into_path());
        }
    }
    match (audio.as_slice(), empty) {
        ([path], _) => Ok(path.clone()),
        ([], true) => Err(Search::Nothing("the file that it left is empty".to_owned())),
        ([], false) => Err(Search::Nothing("it left no audio file".to_owned())),
        (several, _) => Err(Search::Wrong(format!(
            "it left {} audio files instead of one",
            several.len()
        ))),
    }
}

/// The file itself, or a copy of it when it is also known by another name: a downloader may link out of
/// a store of its own, which our tag must not change.
#[cfg(unix)]
fn own_copy(path: PathBuf) -> Result<PathBuf, FetchError> {
    use std::os::unix::fs::MetadataExt as _;
    let links = fs::symlink_metadata(&path)
        .map_err(|source| failed("look at", &path, source))?
        .nlink();
    if links < 2 {
        return Ok(path);
    }
    let mut copy = path.clone().into_os_string();
    copy.push(".copy");
    let copy = PathBuf::from(copy);
    fs::copy(&path, &copy)
        .and_then(|_| fs::rename(&copy, &path))
        .map_err(|source| failed("copy", &path, source))?;
    Ok(path)
}

#[cfg(not(unix))]
fn own_copy(path: PathBuf) -> Result<PathBuf, FetchError> {
    Ok(path)
}

#[cfg(all(test, unix))]
mod tests;
