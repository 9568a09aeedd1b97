//! A throw-away PostgreSQL server from the system's package: on a socket in a short folder of its own, no
//! TCP, stopped when dropped. Used by unit tests, integration tests and benches.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    dead_code,
    reason = "a test without its server has failed; not every user of this file needs all of it"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

/// A running server.
pub(crate) struct Server {
    folder: tempfile::TempDir,
    bin: PathBuf,
}

impl Server {
    /// Starts one; `None`, said loudly, where the package is not installed. With
    /// `TIDAL_CLEANUP_REQUIRE_PG=1` that is a failure.
    pub(crate) fn start() -> Option<Self> {
        let Some(bin) = binaries() else {
            let required = std::env::var_os("TIDAL_CLEANUP_REQUIRE_PG").is_some_and(|it| it == "1");
            assert!(!required, "PostgreSQL is required and not installed");
            eprintln!(
                "SKIPPED: no PostgreSQL (Debian: apt-get install postgresql); nothing was tested"
            );
            return None;
        };
        // A socket's path must be shorter than 107 bytes, whatever TMPDIR says.
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .unwrap();
        let server = Self { folder, bin };
        Self::own(server.path());
        server.run(
            "initdb",
            &[
                "-A",
                "trust",
                "-U",
                "dj",
                "--no-sync",
                "-E",
                "UTF8",
                "--locale",
                "C",
                "-D",
            ],
        );
        server.up();
        Some(server)
    }

    /// Its folder, which is its socket's.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Starts it again after [`Server::down`].
    pub(crate) fn up(&self) {
        self.up_with("-c listen_addresses=''");
    }

    /// Starts it with these settings.
    pub(crate) fn up_with(&self, settings: &str) {
        let socket = self.path().display();
        let options = format!("-k {socket} {settings} -c fsync=off -c max_connections=60");
        let log = self.path().join("log").display().to_string();
        self.run("pg_ctl", &["start", "-w", "-o", &options, "-l", &log, "-D"]);
    }

    /// Stops it at once, as a restart of the machine would: every connection is cut.
    pub(crate) fn down(&self) {
        self.run("pg_ctl", &["stop", "-m", "immediate", "-D"]);
    }

    /// A new, empty database; its address for the user who owns it.
    pub(crate) fn database(&self) -> String {
        database_at(self.path())
    }

    /// Where a database is.
    pub(crate) fn address(&self, user: &str, name: &str) -> String {
        address_at(self.path(), user, name)
    }

    /// What `psql` answers.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        sql_at(self.path(), database, sql)
    }

    /// Makes a file the server's own, and private.
    pub(crate) fn own(path: &Path) {
        if is_root() {
            let done = Command::new("chown").arg("postgres").arg(path).status();
            assert!(done.unwrap().success());
        }
        let mode = if path.is_dir() { "700" } else { "600" };
        let done = Command::new("chmod").arg(mode).arg(path).status();
        assert!(done.unwrap().success());
    }

    /// Runs a program as whoever may run a server: it must not be root.
    pub(crate) fn command(program: &Path) -> Command {
        match is_root() {
            true => {
                let mut command = Command::new("runuser");
                command.args(["-u", "postgres", "--"]).arg(program);
                command
            }
            false => Command::new(program),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Self::command(&self.bin.join(program));
        command
            .args(arguments)
            .arg(self.path().join("data"))
            .current_dir("/");
        let done = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(done.success(), "{arguments:?}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("pg_ctl", &["stop", "-m", "immediate", "-D"]);
    }
}

/// A new, empty database of the server whose socket is in `folder`; its address for the user who owns it.
pub(crate) fn database_at(folder: &Path) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("state{}_{number}", std::process::id());
    sql_at(folder, "postgres", &format!("CREATE DATABASE {name}"));
    address_at(folder, "dj", &name)
}

fn address_at(folder: &Path, user: &str, name: &str) -> String {
    let socket = folder.display().to_string().replace('/', "%2F");
    format!("postgres://{user}@{socket}/{name}")
}

/// The name of the database that an address ends with.
pub(crate) fn name_of(url: &str) -> &str {
    let path = url.rsplit('/').next().unwrap();
    path.split('?').next().unwrap()
}

fn sql_at(folder: &Path, database: &str, sql: &str) -> String {
    let mut psql = Command::new(binaries().unwrap().join("psql"));
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "dj"]);
    psql.args(["-d", database, "-c", sql, "-h"]).arg(folder);
    let done = psql.output().unwrap();
    assert!(
        done.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout).unwrap()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The newest version's programs.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut versions: Vec<PathBuf> = versions
        .filter_map(|it| Some(it.ok()?.path().join("bin")))
        .collect();
    versions.retain(|bin| bin.join("pg_ctl").is_file());
    versions.sort();
    versions.pop()
}
