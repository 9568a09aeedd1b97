//! The program as it is typed: one file a topic, with stdout, stderr and exit code.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod doctor;
mod ecosystem;
mod init;
mod report;
mod screens;
mod shapes;
mod usage;
mod watch;

use std::{
    path::Path,
    process::{Command, Output},
};

/// A home and a working folder of its own.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

/// What a command left behind. Paths of the home read `~`.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Runs the program without a terminal, with nothing of the caller's environment.
    pub(crate) fn run(&self, words: &[&str]) -> Ended {
        let output = self.command(words).output().unwrap();
        self.ended(&output)
    }

    /// The program with these words, to be run in the home.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        command
            .args(words)
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TZ", "UTC")
            .current_dir(self.path())
            .stdin(std::process::Stdio::null());
        command
    }

    fn ended(&self, output: &Output) -> Ended {
        let home = self.path().display().to_string();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home, "~");
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}
