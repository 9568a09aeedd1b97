//! `fault.c`, built once, and what it is told.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

/// What happens at a call that changes a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing; calls are counted.
    Count,
    /// SIGKILL, before the call.
    Kill,
    /// SIGKILL in the middle of it, where it is a write.
    Tear,
    /// SIGSTOP, before the call.
    Stop,
    /// So many calls in a row say this error, and do nothing.
    Fail(i32, u32),
    /// What was not synced is lost, pages of data by that seed (0: all of them); then SIGKILL.
    Power(u64),
    /// Data that was not synced is lost and names are kept, as some file systems do; then SIGKILL.
    Data,
    /// It aborts when it runs what libraries registered for the end of a process.
    Farewell,
}

/// A fault, and at which call it comes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) fault: Fault,
    /// From 1.
    pub(crate) at: usize,
    /// The letters of the calls that count, as in `fault.c`; empty: all.
    pub(crate) calls: &'static str,
}

impl Plan {
    pub(crate) const fn new(fault: Fault, at: usize) -> Self {
        let calls = "";
        Self { fault, at, calls }
    }

    /// Puts the shim in front of the program.
    pub(crate) fn arm(&self, command: &mut Command, roots: &Path, log: &Path, shadow: &Path) {
        command
            .env("LD_PRELOAD", library())
            .env("FAULT_PROGRAM", "tidal-cleanup")
            .env("FAULT_ROOTS", roots)
            .env("FAULT_LOG", log)
            .env("FAULT_SHADOW", shadow)
            .env("FAULT_AT", self.at.to_string());
        if !self.calls.is_empty() {
            command.env("FAULT_CALLS", self.calls);
        }
        match self.fault {
            Fault::Count => command,
            Fault::Kill => command.env("FAULT_DO", "kill"),
            Fault::Tear => command.env("FAULT_DO", "tear"),
            Fault::Stop => command.env("FAULT_DO", "stop"),
            Fault::Fail(errno, times) => command
                .env("FAULT_DO", "fail")
                .env("FAULT_ERRNO", errno.to_string())
                .env("FAULT_TIMES", times.to_string()),
            Fault::Power(seed) => command
                .env("FAULT_DO", "power")
                .env("FAULT_SEED", seed.to_string()),
            Fault::Data => command.env("FAULT_DO", "data"),
            Fault::Farewell => command.env("FAULT_DO", "farewell"),
        };
    }
}

/// Lets the program see these processes instead of the machine's: the folder stands where `/proc` does.
pub(crate) fn see_processes(command: &mut Command, folder: &Path) {
    command
        .env("LD_PRELOAD", library())
        .env("FAULT_PROGRAM", "tidal-cleanup")
        .env("FAULT_PROCESSES", folder);
}

/// The shared library.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/crash/fault.c");
        let name = format!("fault-{}.so", std::process::id());
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&target, &source])
            .args(["-ldl", "-lpthread"])
            .stdin(Stdio::null())
            .status();
        assert!(
            built.is_ok_and(|status| status.success()),
            "cc is needed to build {}",
            source.display()
        );
        target
    })
}
