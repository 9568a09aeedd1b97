//! A small real world for tests: a home, a library folder, a Rekordbox database, a stand-in for TIDAL's
//! service and a stand-in download command, driven through the real program.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its world has failed")]

pub mod audio;
pub mod tidal;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::SystemTime,
};

use sha2::Digest as _;
use tempfile::TempDir;

/// The whole world in a temporary folder.
pub struct World {
    dir: TempDir,
}

/// What a run of the program said.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A file as undo must give it back: content, mode and modification time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileState {
    pub sha256: String,
    pub mode: u32,
    pub modified: SystemTime,
}

impl World {
    /// A world without Rekordbox: a library, a cloud of downloads and a policy with `more` behind it.
    pub fn new(more: &str) -> Self {
        let world = Self { dir: TempDir::new().unwrap() };
        for folder in ["home", "library", "cloud", "rekordbox"] {
            fs::create_dir(world.path(folder)).unwrap();
        }
        world.write_downloader("cp \"$1\"/\"$2\".* \"$3\"/");
        world.write_policy(more);
        world
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub fn library(&self) -> PathBuf {
        self.path("library")
    }

    /// The download command: `sh fetch.sh CLOUD ID DIR` with this body.
    pub fn write_downloader(&self, body: &str) {
        fs::write(self.path("fetch.sh"), format!("#!/bin/sh\n{body}\n")).unwrap();
    }

    pub fn write_policy(&self, more: &str) {
        let cloud = self.path("cloud");
        let script = self.path("fetch.sh");
        let text = format!(
            "version = 1\n[library]\nroot = {:?}\n[tidal]\nsnapshot = \"tidal.json\"\n\
             [download]\ncommand = [\"sh\", {script:?}, {cloud:?}, \"{{id}}\", \"{{dir}}\"]\n{more}\n",
            self.library()
        );
        fs::write(self.path("tidal-cleanup.toml"), text).unwrap();
    }

    /// Puts a track where the download command finds it.
    pub fn offer(&self, id: &str, seconds: f32) {
        fs::write(self.path("cloud").join(format!("{id}.wav")), audio::tone(id, seconds)).unwrap();
    }

    /// Writes what TIDAL says.
    pub fn tidal(&self, snapshot: &tidal::Snapshot) {
        fs::write(self.path("tidal.json"), snapshot.json()).unwrap();
    }

    /// Runs the program in the world's folder.
    pub fn run(&self, args: &[&str]) -> Said {
        Said::from(self.command(args).output().unwrap())
    }

    /// Runs the program and expects this exit code.
    #[track_caller]
    pub fn expect(&self, code: i32, args: &[&str]) -> Said {
        let said = self.run(args);
        assert_eq!(said.code, code, "{args:?}\n--- stdout\n{}\n--- stderr\n{}", said.out, said.err);
        said
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command.env("HOME", self.path("home")).env("PATH", std::env::var_os("PATH").unwrap());
        command.env("LANG", "C.UTF-8").env("TZ", "UTC");
        command
    }

    /// Every file below the library but for our own folder, and every folder with `/` behind it.
    pub fn tree(&self) -> BTreeMap<String, Option<FileState>> {
        let mut tree = BTreeMap::new();
        visit(&self.library(), &self.library(), &mut tree);
        tree
    }

    /// The files of [`World::tree`] by name.
    pub fn files(&self) -> Vec<String> {
        self.tree().into_iter().filter_map(|(path, state)| state.map(|_| path)).collect()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn visit(root: &Path, folder: &Path, tree: &mut BTreeMap<String, Option<FileState>>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if name == ".tidal-cleanup" {
            continue;
        }
        if path.is_dir() {
            tree.insert(format!("{name}/"), None);
            visit(root, &path, tree);
        } else {
            tree.insert(name, Some(file_state(&path)));
        }
    }
}

/// The file as undo must give it back.
pub fn file_state(path: &Path) -> FileState {
    let meta = fs::metadata(path).unwrap();
    let hash = sha2::Sha256::digest(fs::read(path).unwrap());
    FileState {
        sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        mode: meta.permissions().mode() & 0o7777,
        modified: SystemTime::UNIX_EPOCH
            + std::time::Duration::new(meta.mtime().unsigned_abs(), meta.mtime_nsec() as u32),
    }
}
