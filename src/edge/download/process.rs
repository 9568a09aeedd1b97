//! Runs a foreign program as a group of its own that cannot outlive us or its time.

use std::{
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

/// How much of a program's output is kept: its end.
const KEPT: usize = 4096;
/// How long output may still come once the program has ended and its children are killed.
const DRAIN: Duration = Duration::from_millis(500);

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
    let mut command = Command::new(resolved(program));
    command
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| FetchError::NotStarted {
        program: program.to_owned(),
        reason: not_started(&error),
    })?;
    let group = Group::of(&child);
    let stdout = Tail::follow(child.stdout.take());
    let stderr = Tail::follow(child.stderr.take());
    let ended = tokio::time::timeout(limit, child.wait()).await;
    group.kill();
    let status = match ended {
        Ok(status) => status.map_err(|source| FetchError::Io {
            doing: "wait for",
            path: PathBuf::from(program),
            source,
        })?,
        Err(_) => {
            drop(child.kill().await);
            return Err(FetchError::TimedOut {
                program: program.to_owned(),
                seconds: limit.as_secs(),
            });
        }
    };
    Ok(Ended {
        status,
        stdout: stdout.end().await,
        stderr: stderr.end().await,
    })
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
#[cfg(unix)]
pub(super) fn is_full(dir: &Path) -> bool {
    /// Less than this, and a write that failed most likely failed for it.
    const LEAST: u64 = 64 * 1024;
    rustix::fs::statvfs(dir).is_ok_and(|stat| stat.f_bavail.saturating_mul(stat.f_frsize) < LEAST)
}

/// Whether nothing can be written below `dir` any more.
#[cfg(not(unix))]
pub(super) fn is_full(_dir: &Path) -> bool {
    false
}

/// Kills a process group at the end of its life, whichever way that comes.
struct Group {
    #[cfg(unix)]
    leader: Option<rustix::process::Pid>,
}

impl Group {
    #[cfg(unix)]
    fn of(child: &Child) -> Self {
        let leader = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        Self { leader }
    }

    #[cfg(not(unix))]
    fn of(_child: &Child) -> Self {
        Self {}
    }

    fn kill(mut self) {
        self.end();
    }

    #[cfg(unix)]
    fn end(&mut self) {
        if let Some(leader) = self.leader.take() {
            // An error means that nobody of the group is left.
            let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn end(&mut self) {}
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
