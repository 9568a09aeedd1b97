//! `--log-file`: what was said and done, one JSON object a line, for whoever looks into it later.
//!
//! Lines are appended whole, so several runs may share a file. Secrets do not get here: questions and
//! their answers are not written down, and of addresses neither log-in nor query is.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use serde_json::{Value, json};

/// Above this size a file is put away and a new one begun.
const MAX_BYTES: u64 = 5_000_000;
/// So many older files are kept: `NAME.1` is the newest of them.
const KEPT: usize = 5;
/// How every line of a log begins.
const BEGINNING: &[u8] = b"{\"at\":";

/// An open log.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    /// Tells the lines of one run from those of another.
    run: String,
    file: Mutex<File>,
}

impl LogFile {
    /// Opens it, to write behind what is there.
    ///
    /// # Errors
    /// When it cannot be written, or is some other file.
    pub fn open(path: &Path) -> io::Result<Self> {
        refuse_other(path)?;
        let log = Self {
            path: path.to_owned(),
            run: uuid::Uuid::new_v4().simple().to_string()[..8].to_owned(),
            file: Mutex::new(append_to(path)?),
        };
        Ok(log)
    }

    /// Writes a line: what happened, and in which words.
    pub fn say(&self, level: &str, text: &str) {
        let text = without_secrets(&console::strip_ansi_codes(text));
        self.write(level, "text", text.into());
    }

    /// Writes a line with what a program was told.
    pub fn event(&self, event: &Value) {
        self.write("event", "event", event.clone());
    }

    fn write(&self, level: &str, name: &str, value: Value) {
        let mut line =
            json!({ "at": Timestamp::now().to_string(), "level": level, "run": self.run });
        if let Some(fields) = line.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // A log that cannot be written is no reason to stop the work.
        let _ = file.write_all(format!("{line}\n").as_bytes());
        if file.metadata().is_ok_and(|facts| facts.len() > MAX_BYTES)
            && let Ok(new) = rotate(&self.path)
        {
            *file = new;
        }
    }
}

/// A file that is something else must not get lines of ours.
fn refuse_other(path: &Path) -> io::Result<()> {
    // A pipe or a terminal is not opened: reading from it could wait for ever.
    match std::fs::metadata(path) {
        Ok(facts) if facts.is_file() => {}
        Ok(_) => return Err(io::Error::other("it is no file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    let mut head = Vec::new();
    File::open(path)?
        .take(BEGINNING.len() as u64)
        .read_to_end(&mut head)?;
    match head.is_empty() || head == BEGINNING {
        true => Ok(()),
        false => Err(io::Error::other(
            "it is there already, and is no log of this program",
        )),
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    // It names playlists and paths.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Puts the file away and begins a new one. The oldest makes room; where one of the names is that of
/// another file, nothing is put away.
fn rotate(path: &Path) -> io::Result<File> {
    let numbered = |number: usize| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    for number in 1..=KEPT {
        refuse_other(&numbered(number))?;
    }
    for number in (1..KEPT).rev() {
        // Not all of them need be there.
        let _ = std::fs::rename(numbered(number), numbered(number + 1));
    }
    std::fs::rename(path, numbered(1))?;
    append_to(path)
}

/// The text, with log-in and query taken out of every address.
fn without_secrets(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let ends = |c: char| c.is_whitespace() || "\"'`<>".contains(c);
        let address = &after[..after.find(ends).unwrap_or(after.len())];
        rest = &after[address.len()..];
        let (place, more) = match address.find(['?', '#']) {
            Some(query) => (&address[..query], "?…"),
            None => (address, ""),
        };
        match place.rsplit_once('@') {
            Some((_, host)) => shown.push_str(&format!("…@{host}{more}")),
            None => shown.push_str(&format!("{place}{more}")),
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_no_secret() {
        let shown = without_secrets(
            "open https://login.example/a?code=1&state=2 or \"postgres://dj:pw@db/x?sslmode=no\", \
             see http://127.0.0.1:8765/callback.",
        );
        assert_eq!(
            shown,
            "open https://login.example/a?… or \"postgres://…@db/x?…\", see http://127.0.0.1:8765/callback."
        );
    }

    #[test]
    fn lines_are_appended_and_files_put_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        LogFile::open(&path)
            .unwrap()
            .say("status", "one\u{1b}[31m\n");
        let log = LogFile::open(&path).unwrap();
        log.event(&json!({"event": "begun"}));
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["text"], "one\n");
        assert_eq!(lines[1]["event"]["event"], "begun");
        assert_ne!(lines[0]["run"], lines[1]["run"]);

        let long = "x".repeat(1_000_000);
        for _ in 0..40 {
            log.say("status", &long);
        }
        let names = |n: usize| dir.path().join(format!("log.{n}"));
        assert!((1..=KEPT).all(|n| names(n).is_file()) && !names(KEPT + 1).exists());
        let sizes = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len());
        assert!(sizes.max().unwrap() < MAX_BYTES + 1_100_000);
    }

    #[test]
    fn a_file_that_has_the_next_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (path, other) = (dir.path().join("log"), dir.path().join("log.3"));
        std::fs::write(&other, "mine").unwrap();
        let log = LogFile::open(&path).unwrap();
        for _ in 0..7 {
            log.say("status", &"x".repeat(1_000_000));
        }
        assert_eq!(std::fs::read(&other).unwrap(), b"mine");
        assert!(std::fs::metadata(&path).unwrap().len() > MAX_BYTES);
        assert!(LogFile::open(dir.path()).is_err());
    }

    #[test]
    fn another_file_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("plan.json");
        std::fs::write(&path, "{\"format\": 1}").unwrap();
        assert!(LogFile::open(&path).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"format\": 1}");
    }
}
