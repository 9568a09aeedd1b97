//! `tidal-cleanup.decisions.toml`: what a person answered, beside the policy and committed with it.
//!
//! An entry says which file a TIDAL track is, or that none of the library's files is it. It is found by
//! the track's TIDAL id, so it holds for every plan and on every machine. Another kind says which of
//! several rows of Rekordbox stands for a recording; it is found by their ids, so it holds for one
//! Rekordbox database. Changing the file keeps its
//! comments and the order of its entries.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use toml_edit::{DocumentMut, Item, Table as EditTable, value};

use super::{
    Diagnostic, Place,
    diagnostic::{Code, Severity},
    document::{Document, Table},
};
use crate::domain::{ContentId, MediaPath, TrackId};

/// The file's name; it lies beside the policy.
pub const FILE_NAME: &str = "tidal-cleanup.decisions.toml";

/// Larger files are none of ours.
const MOST_BYTES: u64 = 16 << 20;

const HEAD: &str = "\
# What you answered to `tidal-cleanup decide`. It belongs to the policy: commit both.
# Take an entry away and the question is asked again.
version = 1
";

/// An answer that is remembered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// The file that is the track; `None`: none of the library's files is.
    pub file: Option<MediaPath>,
    /// The track in words, for whoever reads the file.
    pub label: String,
    /// Where it stands.
    pub at: Place,
}

/// All answers, by track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decisions {
    /// Which file each track is.
    pub matches: BTreeMap<TrackId, Remembered>,
    /// Which row stands for several, by their ids: `11+12`.
    pub duplicates: BTreeMap<String, RememberedRow>,
}

/// An answer about rows of Rekordbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RememberedRow {
    /// The row that stands for all; `None`: they stay apart.
    pub keep: Option<ContentId>,
    /// The recording in words, for whoever reads the file.
    pub label: String,
    /// Where it stands.
    pub at: Place,
}

/// What is answered, and how.
#[derive(Clone, Copy, Debug)]
pub enum Answer<'a> {
    /// The file that a track is; `None`: none of the library's files.
    Match(&'a TrackId, Option<&'a MediaPath>),
    /// The row that stands for these; `None`: they stay apart.
    Duplicate(&'a str, Option<&'a ContentId>),
}

/// What is asked again.
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    /// Which file a track is.
    Match(&'a TrackId),
    /// Which of these rows stands for all.
    Duplicate(&'a str),
}

impl Answer<'_> {
    const fn question(&self) -> Asked<'_> {
        match self {
            Self::Match(track, _) => Asked::Match(track),
            Self::Duplicate(rows, _) => Asked::Duplicate(rows),
        }
    }
}

impl Asked<'_> {
    /// The table and the entry in it.
    fn place(&self) -> (&'static str, &str) {
        match self {
            Self::Match(track) => ("match", track.as_str()),
            Self::Duplicate(rows) => ("duplicate", rows),
        }
    }
}

/// Why the answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DecisionsError {
    /// The operating system says no.
    #[error("could not {doing} {path}")]
    File {
        /// `read`, `write`
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It has mistakes.
    #[error("{path} has mistakes")]
    Invalid {
        path: PathBuf,
        findings: Vec<Diagnostic>,
    },
}

impl Decisions {
    /// Where the answers to the policy at `policy` lie.
    #[must_use]
    pub fn beside(policy: &Path) -> PathBuf {
        policy.with_file_name(FILE_NAME)
    }

    /// Reads the answers at `path`; there are none when there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is not of this format.
    pub fn load(path: &Path) -> Result<Self, DecisionsError> {
        let Some(text) = read(path)? else {
            return Ok(Self::default());
        };
        Self::parse(&name_of(path), &text).map_err(|findings| DecisionsError::Invalid {
            path: path.to_owned(),
            findings,
        })
    }

    /// Takes the text apart; `name` is the file's.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let document = Document::new(name.to_owned(), text);
        let table = document.parse();
        let decisions = table.as_ref().map(|table| decisions(&document.top(table)));
        let findings = document.into_findings();
        let failed = findings.iter().any(|one| one.severity == Severity::Error);
        match decisions {
            Some(decisions) if !failed => Ok(decisions),
            Some(_) | None => Err(findings),
        }
    }

    /// Writes one answer to the file at `path`, whole or not at all. What else stands in the file stays
    /// as it is, comments too.
    ///
    /// # Errors
    /// When the file cannot be read or written, or has mistakes.
    pub fn remember(path: &Path, label: &str, answer: Answer<'_>) -> Result<(), DecisionsError> {
        Self::change(path, &answer.question(), Some((label, answer)))
    }

    /// Takes an answer away, so that it is asked again.
    ///
    /// # Errors
    /// As [`Decisions::remember`].
    pub fn forget(path: &Path, asked: Asked<'_>) -> Result<(), DecisionsError> {
        Self::change(path, &asked, None)
    }

    fn change(
        path: &Path,
        asked: &Asked<'_>,
        answer: Option<(&str, Answer<'_>)>,
    ) -> Result<(), DecisionsError> {
        Self::load(path)?;
        let before = read(path)?;
        let after = edited(before.as_deref().unwrap_or(HEAD), asked, answer);
        if before.as_deref() == Some(after.as_str()) || (before.is_none() && answer.is_none()) {
            return Ok(());
        }
        write(path, &after).map_err(failed("write", path))
    }
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DecisionsError {
    let path = path.to_owned();
    move |source| DecisionsError::File {
        doing,
        path,
        source,
    }
}

fn read(path: &Path) -> Result<Option<String>, DecisionsError> {
    let too_large = || io::Error::new(io::ErrorKind::InvalidData, "the file is too large");
    match fs::metadata(path) {
        Ok(facts) if facts.len() > MOST_BYTES => Err(failed("read", path)(too_large())),
        Ok(_) => match fs::read_to_string(path) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(failed("read", path)(error)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Beside it, synced, then renamed over it.
fn write(path: &Path, text: &str) -> io::Result<()> {
    use io::Write as _;
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    file.write_all(text.as_bytes())?;
    // The mode of the file that was there; a new one is like any other text file.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_or(0o644, |facts| facts.permissions().mode());
        fs::set_permissions(file.path(), fs::Permissions::from_mode(mode))?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

fn decisions(top: &Table<'_>) -> Decisions {
    top.only_named(&["version", "match", "duplicate"]);
    if let Some(version) = top.need("version", "version = 1")
        && let Some(number) = version.number::<i64>(0..=i64::MAX)
        && number != 1
    {
        let message = format!("version {number} of the decisions is not known here");
        let help = "this program reads version 1".to_owned();
        version.report(Code::BadVersion, message, Some(help));
    }
    let entries = top.table("match").map(|table| table.values());
    let entries = entries.into_iter().flatten().filter_map(|entry| {
        let id = TrackId::new(entry.key);
        let is_id = !entry.key.is_empty() && entry.key.bytes().all(|byte| byte.is_ascii_digit());
        if !is_id {
            let message = format!("`{}` is no TIDAL track id", entry.key);
            let help = "a track's id is a number: [match.77646168]".to_owned();
            entry.report_key(Code::BadValue, message, Some(help));
        }
        Some((id, remembered(&entry.table()?, entry.place())?))
    });
    let matches = entries.collect();
    let rows = top.table("duplicate").map(|table| table.values());
    let rows = rows.into_iter().flatten().filter_map(|entry| {
        let key = entry.key.to_owned();
        Some((
            key,
            remembered_row(&entry.table()?, entry.key, entry.place())?,
        ))
    });
    Decisions {
        matches,
        duplicates: rows.collect(),
    }
}

fn remembered_row(entry: &Table<'_>, rows: &str, at: Place) -> Option<RememberedRow> {
    entry.only_named(&["label", "keep", "none"]);
    let label = entry.get("label").and_then(|label| label.text());
    let keep = entry.get("keep");
    let none = entry.get("none").and_then(|none| none.flag()) == Some(true);
    let row = match (&keep, none) {
        (Some(keep), false) => {
            let id = keep.name()?;
            if !rows.split('+').any(|row| row == id) {
                let message = format!("row {id} is none of {rows}");
                keep.report(Code::BadValue, message, None);
            }
            Some(ContentId::new(id))
        }
        (None, true) => None,
        (Some(_), true) => {
            let message = "`keep` names a row and `none` says that they stay apart".to_owned();
            entry.report(
                Code::Contradiction,
                message,
                Some("keep one of them".to_owned()),
            );
            None
        }
        (None, false) => {
            let message = "the answer is missing".to_owned();
            let help = "write `keep = \"row\"`, or `none = true`".to_owned();
            entry.report(Code::Missing, message, Some(help));
            None
        }
    };
    Some(RememberedRow {
        keep: row,
        label: label.unwrap_or_default().to_owned(),
        at,
    })
}

fn remembered(entry: &Table<'_>, at: Place) -> Option<Remembered> {
    entry.only_named(&["label", "file", "none"]);
    let label = entry.get("label").and_then(|label| label.text());
    let file = entry.get("file");
    let none = entry.get("none").and_then(|none| none.flag());
    let path = match (&file, none) {
        (Some(file), None | Some(false)) => {
            let path = MediaPath::new(file.name()?);
            if !path.is_safe() || path.as_str().starts_with(".tidal-cleanup/") {
                let help = "a path below the library root, as `tidal-cleanup plan` shows it";
                let message = format!("{path} is no file of a library");
                file.report(Code::BadPath, message, Some(help.to_owned()));
            }
            Some(path)
        }
        (None, Some(true)) => None,
        (Some(_), Some(true)) => {
            let message = "`file` names a file and `none` says that there is none".to_owned();
            entry.report(
                Code::Contradiction,
                message,
                Some("keep one of them".to_owned()),
            );
            None
        }
        (None, _) => {
            let message = "the answer is missing".to_owned();
            let help = "write `file = \"path\"`, or `none = true`".to_owned();
            entry.report(Code::Missing, message, Some(help));
            None
        }
    };
    Some(Remembered {
        file: path,
        label: label.unwrap_or_default().to_owned(),
        at,
    })
}

/// The text with one entry set or taken away.
fn edited(text: &str, asked: &Asked<'_>, answer: Option<(&str, Answer<'_>)>) -> String {
    let mut document: DocumentMut = text.parse().expect("it was read a moment ago");
    let (kind, key) = asked.place();
    let entries = document.entry(kind).or_insert_with(|| {
        let mut table = EditTable::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let Some(entries) = entries.as_table_like_mut() else {
        return text.to_owned();
    };
    match answer {
        None => drop(entries.remove(key)),
        Some((label, answer)) => {
            let entry = entries
                .entry(key)
                .or_insert_with(|| Item::Table(EditTable::new()));
            let Some(entry) = entry.as_table_like_mut() else {
                return text.to_owned();
            };
            set(entry, "label", label.into());
            let (name, said) = match answer {
                Answer::Match(_, file) => ("file", file.map(MediaPath::as_str)),
                Answer::Duplicate(_, row) => ("keep", row.map(ContentId::as_str)),
            };
            match said {
                Some(said) => {
                    set(entry, name, said.into());
                    entry.remove("none");
                }
                None => {
                    set(entry, "none", true.into());
                    entry.remove(name);
                }
            }
        }
    }
    if entries.is_empty() {
        document.remove(kind);
    }
    document.to_string()
}

/// Sets a value and leaves the comment behind it where it is.
fn set(entry: &mut dyn toml_edit::TableLike, key: &str, to: toml_edit::Value) {
    match entry.get_mut(key).and_then(Item::as_value_mut) {
        Some(there) => {
            let decor = there.decor().clone();
            *there = to;
            *there.decor_mut() = decor;
        }
        None => drop(entry.insert(key, value(to))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Decisions, Vec<Diagnostic>> {
        Decisions::parse(FILE_NAME, text)
    }

    #[test]
    fn answers_are_read_with_their_places() {
        let read = parse(
            "version = 1\n[match.7]\nlabel = \"A – B\"\nfile = \"Old/b.mp3\"\n\n[match.8]\nnone = true\n",
        )
        .unwrap();
        let seven = &read.matches[&TrackId::new("7")];
        assert_eq!(seven.file, Some(MediaPath::new("Old/b.mp3")));
        assert_eq!((seven.label.as_str(), seven.at.line), ("A – B", 2));
        assert_eq!(read.matches[&TrackId::new("8")].file, None);
    }

    #[test]
    fn a_mistake_is_found_at_its_place() {
        let cases = [
            ("[match.7]\nnone = true\n", "TP004"),
            ("version = 2\n", "TP011"),
            ("version = 1\n[mtach.7]\nnone = true\n", "TP001"),
            ("version = 1\n[match.7]\nfiel = \"x.mp3\"\n", "TP001"),
            ("version = 1\n[match.seven]\nnone = true\n", "TP005"),
            ("version = 1\n[match.7]\nfile = \"../x.mp3\"\n", "TP009"),
            (
                "version = 1\n[match.7]\nfile = \"x.mp3\"\nnone = true\n",
                "TP043",
            ),
            ("version = 1\n[match.7]\nlabel = \"x\"\n", "TP004"),
            ("version = 1\n[match.7]\nfile = 3\n", "TP002"),
            ("version = 1\n[match.7]\n[match.7]\n", "TP010"),
            ("version = 1\nmatch = 3\n", "TP002"),
            ("version = 1\n[duplicate.\"1+2\"]\n", "TP004"),
            ("version = 1\n[duplicate.\"1+2\"]\nkeep = \"3\"\n", "TP005"),
            (
                "version = 1\n[duplicate.\"1+2\"]\nkeep = \"1\"\nnone = true\n",
                "TP043",
            ),
        ];
        for (text, code) in cases {
            let findings = parse(text).unwrap_err();
            assert!(
                findings.iter().any(|finding| finding.code == code),
                "{text}: {findings:?}"
            );
        }
    }

    #[test]
    fn an_answer_is_written_and_comments_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = Decisions::beside(&folder.path().join("tidal-cleanup.toml"));
        let (seven, eight) = (TrackId::new("7"), TrackId::new("8"));
        let file = MediaPath::new("Old/b \"x\".mp3");
        Decisions::remember(&path, "A – B", Answer::Match(&seven, Some(&file))).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replace("label", "# mine\nlabel") + "# end\n").unwrap();
        Decisions::remember(&path, "C – D", Answer::Match(&eight, None)).unwrap();
        Decisions::remember(&path, "A – B", Answer::Match(&seven, None)).unwrap();
        insta::assert_snapshot!(fs::read_to_string(&path).unwrap(), @r#"
        # What you answered to `tidal-cleanup decide`. It belongs to the policy: commit both.
        # Take an entry away and the question is asked again.
        version = 1

        [match.7]
        # mine
        label = "A – B"
        none = true

        [match.8]
        label = "C – D"
        none = true
        # end
        "#);
        assert_eq!(Decisions::load(&path).unwrap().matches.len(), 2);
        Decisions::forget(&path, Asked::Match(&seven)).unwrap();
        Decisions::forget(&path, Asked::Match(&eight)).unwrap();
        assert_eq!(Decisions::load(&path).unwrap(), Decisions::default());
        assert!(fs::read_to_string(&path).unwrap().contains("# end"));
    }

    #[test]
    fn an_answer_about_rows_is_written_read_and_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        let row = ContentId::new("12");
        let read = || Decisions::load(&path).unwrap().duplicates;
        Decisions::remember(&path, "A", Answer::Duplicate("11+12", Some(&row))).unwrap();
        assert_eq!(read()["11+12"].keep, Some(row));
        Decisions::remember(&path, "A", Answer::Duplicate("11+12", None)).unwrap();
        assert_eq!(read()["11+12"].keep, None);
        Decisions::forget(&path, Asked::Duplicate("11+12")).unwrap();
        assert!(read().is_empty());
    }

    #[test]
    fn a_damaged_file_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE_NAME);
        fs::write(&path, "version = 1\n[match").unwrap();
        let seven = TrackId::new("7");
        let answered = Decisions::remember(&path, "A", Answer::Match(&seven, None));
        assert!(matches!(answered, Err(DecisionsError::Invalid { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "version = 1\n[match");
    }
}
