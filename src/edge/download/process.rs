//! Runs a foreign program as a group of its own that cannot outlive us or its time.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    task::JoinHandle,
};

use super::FetchError;
use crate::edge::local::volume;

/// How much of a program's output is kept: its end.
const KEPT: usize = 4096;
/// How long output may still come once the program has ended and its children are killed.
const DRAIN: Duration = Duration::from_millis(500);

/// How often it is looked at what a program writes.
const WATCH: Duration = Duration::from_millis(50);
/// The variable by which processes are recognised that left the group of the program they come from.
const MARK: &str = "TIDAL_CLEANUP_RUN";
/// How often strays are looked for: who keeps forking is faster than one look.
const ROUNDS: usize = 10;

/// The groups that run at present, by their leaders.
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// Kills every program that this process runs at present, with its children: for leaving at once.
pub fn kill_all() {
    let leaders = std::mem::take(&mut *GROUPS.lock().unwrap_or_else(PoisonError::into_inner));
    #[cfg(unix)]
    for leader in &leaders {
        if let Some(leader) = rustix::process::Pid::from_raw(*leader) {
            // An error means that nobody of the group is left.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }
    if !leaders.is_empty() {
        kill_strays(&format!("{}:", std::process::id()), None);
    }
}

/// What a program left behind.
#[derive(Debug)]
pub(super) struct Ended {
    /// How it ended.
    pub status: ExitStatus,
    /// The end of its standard output.
    pub stdout: String,
    /// The end of its standard error.
    pub stderr: String,
}

impl Ended {
    /// The end of what it said, errors first.
    pub(super) fn tail(&self) -> String {
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        text.trim().to_owned()
    }
}

/// Runs `program` in `dir` without input, as the leader of a process group of its own. The whole group
/// is killed when the program has ended (nothing may go on writing), when `limit` has passed, and when
/// the future is dropped.
pub(super) async fn run(
    program: &str,
    args: &[OsString],
    dir: &Path,
    limit: Duration,
) -> Result<Ended, FetchError> {
    run_watched(program, args, dir, limit, None).await
}

/// Looks at what a program has written so far, and says why it must not go on.
pub(super) type Watch<'a> = &'a (dyn Fn() -> Result<(), FetchError> + Sync);

/// As [`run`], with an eye on what the program does. It is a stranger's then: what it starts is killed
/// with it even where that leaves its group, and it does not see our own settings and secrets.
pub(super) async fn run_watched(
    program: &str,
    args: &[OsString],
    dir: &Path,
    limit: Duration,
    watch: Option<Watch<'_>>,
) -> Result<Ended, FetchError> {
    let mut command = Command::new(resolved(program));
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mark = watch.map(|_| (mark(dir), dir.to_owned()));
    if let Some((mark, _)) = &mark {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("TIDAL_CLEANUP_") {
                command.env_remove(name);
            }
        }
        command.env(MARK, mark);
    }
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| FetchError::NotStarted {
        program: program.to_owned(),
        reason: not_started(&error),
    })?;
    let group = Group::of(&child, mark);
    let stdout = Tail::follow(child.stdout.take());
    let stderr = Tail::follow(child.stderr.take());
    let ended = tokio::select! {
        ended = tokio::time::timeout(limit, child.wait()) => Ok(ended),
        stopped = watched(watch) => Err(stopped),
    };
    group.kill();
    let status = match ended {
        Ok(Ok(status)) => status.map_err(|source| FetchError::Io {
            doing: "wait for",
            path: PathBuf::from(program),
            source,
        })?,
        Ok(Err(_)) => {
            drop(child.kill().await);
            return Err(FetchError::TimedOut {
                program: program.to_owned(),
                seconds: limit.as_secs(),
            });
        }
        Err(stopped) => {
            drop(child.kill().await);
            return Err(stopped);
        }
    };
    Ok(Ended {
        status,
        stdout: stdout.end().await,
        stderr: stderr.end().await,
    })
}

/// Ends when the watch objects; never without one.
async fn watched(watch: Option<Watch<'_>>) -> FetchError {
    let Some(watch) = watch else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(WATCH).await;
        if let Err(stopped) = watch() {
            return stopped;
        }
    }
}

/// What all processes of one run have in their environment.
fn mark(dir: &Path) -> String {
    format!("{}:{}", std::process::id(), dir.display())
}

/// Kills processes of this user whose mark begins so, and those that work below `dir`: one that shook
/// off its environment is still where it was started.
fn kill_strays(mark: &str, dir: Option<&Path>) {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};
    let wanted = format!("{MARK}={mark}");
    let what = ProcessRefreshKind::nothing()
        .with_environ(UpdateKind::Always)
        .with_cwd(UpdateKind::Always);
    let own = sysinfo::Pid::from_u32(std::process::id());
    for _ in 0..ROUNDS {
        // Where processes cannot be listed, the group is all that can be killed.
        let Ok(mut system) = System::new() else {
            return;
        };
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        let is_stray = |process: &sysinfo::Process| {
            let marked = |variable: &OsString| variable.to_string_lossy().starts_with(&wanted);
            let inside = |cwd: &Path| dir.is_some_and(|dir| cwd.starts_with(dir));
            process.environ().iter().any(marked) || process.cwd().is_some_and(inside)
        };
        let strays: Vec<_> = system
            .processes()
            .values()
            .filter(|process| process.pid() != own && is_stray(process))
            .collect();
        if strays.is_empty() {
            return;
        }
        for stray in strays {
            stray.kill();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program named by a relative path is meant from where we run, not from the download's folder.
fn resolved(program: &str) -> PathBuf {
    let path = Path::new(program);
    if path.components().count() > 1 && path.is_relative() {
        std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
    } else {
        path.to_owned()
    }
}

fn not_started(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such program on this machine".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be run".to_owned(),
        _ => error.to_string(),
    }
}

/// Whether a program's words say that the disk is full.
pub(super) fn says_disk_full(tail: &str) -> bool {
    let tail = tail.to_lowercase();
    tail.contains("no space left on device") || tail.contains("disk quota exceeded")
}

/// Whether nothing can be written below `dir` any more.
pub(super) fn is_full(dir: &Path) -> bool {
    /// Less than this, and a write that failed most likely failed for it.
    const LEAST: u64 = 64 * 1024;
    volume::free_bytes(dir).is_ok_and(|free| free < LEAST)
}

/// Whether what must stay free on the volume of `dir` (256 MiB, or a twentieth of a small volume) is
/// used up: the system, Rekordbox and our own journal need to write as well.
pub(super) fn lacks_room(dir: &Path) -> bool {
    const KEPT_FREE: u64 = 256 << 20;
    let kept = total_bytes(dir).map_or(KEPT_FREE, |total| KEPT_FREE.min(total / 20));
    volume::free_bytes(dir).is_ok_and(|free| free < kept)
}

#[cfg(unix)]
fn total_bytes(dir: &Path) -> Option<u64> {
    let volume = rustix::fs::statvfs(dir).ok()?;
    Some(volume.f_blocks.saturating_mul(volume.f_frsize))
}

#[cfg(not(unix))]
fn total_bytes(_dir: &Path) -> Option<u64> {
    None
}

/// Kills a process group at the end of its life, whichever way that comes.
struct Group {
    leader: Option<i32>,
    /// Its mark and its folder; `None`: it is trusted.
    mark: Option<(String, PathBuf)>,
}

impl Group {
    fn of(child: &Child, mark: Option<(String, PathBuf)>) -> Self {
        let leader = child.id().and_then(|id| i32::try_from(id).ok());
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.extend(leader);
        Self { leader, mark }
    }

    fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(leader) = self.leader.take() else {
            return;
        };
        let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
        groups.remove(&leader);
        drop(groups);
        #[cfg(unix)]
        if let Some(leader) = rustix::process::Pid::from_raw(leader) {
            // An error means that nobody of the group is left.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
        if let Some((mark, dir)) = self.mark.take() {
            kill_strays(&mark, Some(&dir));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Reads a stream to its end and keeps its last bytes.
struct Tail {
    kept: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Tail {
    fn follow(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let reader = stream.map(|mut stream| {
            let kept = Arc::clone(&kept);
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.extend_from_slice(&buffer[..count]);
                    let surplus = kept.len().saturating_sub(KEPT);
                    kept.drain(..surplus);
                }
            })
        });
        Self { kept, reader }
    }

    async fn end(mut self) -> String {
        if let Some(mut reader) = self.reader.take()
            && tokio::time::timeout(DRAIN, &mut reader).await.is_err()
        {
            // Somebody outside the group holds the pipe open.
            reader.abort();
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.abort();
        }
    }
}
