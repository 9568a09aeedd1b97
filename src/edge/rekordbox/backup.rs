//! A verified copy of the database and the XML before anything is written.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Connection as _;

use super::{
    RekordboxError,
    sql::json_rows,
    sqlcipher::{Database, failed},
};

const DATABASE: &str = "master.db";
const XML: &str = "masterPlaylists6.xml";
/// Says whose backup it is.
const ABOUT: &str = "about.json";

/// A copy of a library, verified when it was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Backup {
    /// The folder's name, which is the time.
    pub name: String,
    /// The folder.
    pub path: PathBuf,
    /// When it was made.
    pub at: Timestamp,
    /// Of all its files.
    pub bytes: u64,
    /// Whether the playlist file is in it.
    pub has_xml: bool,
    /// The library that it is of; `None` where that was not written down.
    pub library: Option<PathBuf>,
}

impl Backup {
    /// Its `master.db`.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join(DATABASE)
    }

    /// Its `masterPlaylists6.xml`, which need not be there.
    #[must_use]
    pub fn xml(&self) -> PathBuf {
        self.path.join(XML)
    }
}

#[derive(Serialize, Deserialize)]
struct About {
    library: PathBuf,
}

/// What to copy, and where to.
pub(super) struct Request<'r> {
    pub(super) database: &'r Database,
    pub(super) xml: PathBuf,
    /// Backups go into a folder of their own below this one.
    pub(super) folder: PathBuf,
    /// How many backups of this library are kept, this one counted.
    pub(super) keep: usize,
    /// A backup that stays all the same.
    pub(super) spare: Option<&'r Path>,
}

/// Copies the database with what its `-wal` holds, and the XML, into a new folder named by the time;
/// checks that the copy opens and is whole; lets go of the oldest backups.
pub(super) async fn make(request: &Request<'_>, now: Timestamp) -> Result<PathBuf, RekordboxError> {
    let (unfinished, finished) = places(&request.folder, now)?;
    let done = match copy(request, &unfinished).await {
        Ok(()) => verify(request.database, &unfinished.join(DATABASE)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        discard(&unfinished);
        // A whole copy of what is none of Rekordbox's.
        return Err(match error {
            RekordboxError::NotADatabase(_) => {
                RekordboxError::NotADatabase(request.database.path().to_owned())
            }
            error => error,
        });
    }
    fs::rename(&unfinished, &finished).map_err(io("make the backup", &finished))?;
    sync_folder(&request.folder)?;
    forget_oldest(request);
    Ok(finished)
}

/// Copies the files of a library that cannot be opened, byte by byte, `-wal` and all.
pub(super) fn rescue(request: &Request<'_>, now: Timestamp) -> Result<PathBuf, RekordboxError> {
    let (_, finished) = places(&request.folder, now)?;
    let mut name = OsString::from("damaged-");
    name.push(finished.file_name().unwrap_or_default());
    let rescued = finished.with_file_name(name);
    fs::create_dir_all(&rescued).map_err(io("make the folder", &rescued))?;
    for suffix in ["", "-wal", "-shm"] {
        let from = request.database.beside(suffix);
        if from.exists() {
            copy_synced(&from, &rescued.join(format!("{DATABASE}{suffix}")))?;
        }
    }
    if request.xml.exists() {
        copy_synced(&request.xml, &rescued.join(XML))?;
    }
    sync_folder(&rescued)?;
    Ok(rescued)
}

/// The backups below `folder`, newest first.
pub(super) fn list(folder: &Path) -> Vec<Backup> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut backups: Vec<Backup> = entries.filter_map(|entry| about(&entry.path())).collect();
    backups.sort_by(|a, b| b.name.cmp(&a.name));
    backups
}

fn about(path: &Path) -> Option<Backup> {
    let name = path.file_name()?.to_str()?.to_owned();
    let (day, time) = name.split_once('T')?;
    let at = format!("{day}T{}", time.replace('-', ":")).parse().ok()?;
    if !is_backup(path) {
        return None;
    }
    let files = [DATABASE, XML].map(|file| fs::metadata(path.join(file)).ok());
    let text = fs::read(path.join(ABOUT)).unwrap_or_default();
    Some(Backup {
        name,
        path: path.to_owned(),
        at,
        has_xml: files[1].is_some(),
        bytes: files.into_iter().flatten().map(|file| file.len()).sum(),
        library: serde_json::from_slice(&text)
            .ok()
            .map(|about: About| about.library),
    })
}

/// Where a backup grows, and where it will lie. The newest bears the latest name, also when the clock was
/// set back: those that go are the first by name.
fn places(folder: &Path, now: Timestamp) -> Result<(PathBuf, PathBuf), RekordboxError> {
    let newest = list(folder).first().map(|backup| backup.at);
    let next = newest.map(|at| at + jiff::SignedDuration::from_millis(1));
    let at = next.map_or(now, |next| next.max(now));
    let name = at.strftime("%Y-%m-%dT%H-%M-%S%.3fZ").to_string();
    let unfinished = folder.join(format!(".{name}.part"));
    fs::create_dir_all(&unfinished).map_err(io("make the folder", &unfinished))?;
    Ok((unfinished, folder.join(name)))
}

async fn copy(request: &Request<'_>, folder: &Path) -> Result<(), RekordboxError> {
    let target = folder.join(DATABASE);
    request.database.copy_whole(&target).await?;
    if request.xml.exists() {
        copy_synced(&request.xml, &folder.join(XML))?;
    }
    let about = About {
        library: whole_path(request.database.path()),
    };
    let path = folder.join(ABOUT);
    let text = serde_json::to_vec(&about).unwrap_or_default();
    fs::write(&path, text).map_err(io("write", &path))?;
    sync_folder(folder)
}

/// The path by which a library is known.
pub(super) fn whole_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

pub(super) fn copy_synced(from: &Path, to: &Path) -> Result<(), RekordboxError> {
    fs::copy(from, to).map_err(io("back up", from))?;
    sync_file(to)
}

pub(super) fn sync_file(path: &Path) -> Result<(), RekordboxError> {
    // A copy of a read-only file is read-only itself; nothing has to be written to make it last.
    let file = File::options().read(true).write(true).open(path);
    let file = file.or_else(|_| File::open(path));
    file.and_then(|file| file.sync_all())
        .map_err(io("write", path))
}

/// Checks that a copy opens with the library's key and is whole.
pub(super) async fn verify(database: &Database, copy: &Path) -> Result<(), RekordboxError> {
    let mut one = database.twin(copy).await?;
    let mut other = database.twin(copy).await?;
    let found = both_checks(&mut one, &mut other).await;
    // They only read.
    let _ = one.close().await;
    let _ = other.close().await;
    found
}

/// Both checks side by side, over two connections to the same state: what takes the time is decrypting
/// every page.
pub(super) async fn both_checks(
    one: &mut sqlx::SqliteConnection,
    other: &mut sqlx::SqliteConnection,
) -> Result<(), RekordboxError> {
    let (structure, seals) = tokio::join!(quick_check(one), cipher_check(other));
    structure.and(seals)
}

/// SQLite's own check of the file's structure.
async fn quick_check(connection: &mut sqlx::SqliteConnection) -> Result<(), RekordboxError> {
    let found: Vec<String> = json_rows(
        connection,
        "SELECT json_group_array(quick_check) FROM pragma_quick_check".to_owned(),
    )
    .await?;
    match found.iter().find(|line| *line != "ok") {
        None => Ok(()),
        // It tells of up to a hundred pages in one text.
        Some(damage) => Err(RekordboxError::Invariant(format!(
            "it is damaged: {}",
            first_line(damage)
        ))),
    }
}

/// The first line that says something, and how many follow.
fn first_line(text: &str) -> String {
    let mut lines = text.lines().filter(|line| !line.starts_with("***"));
    let first = lines.next().unwrap_or(text);
    match lines.count() {
        0 => first.to_owned(),
        more => format!("{first}, and {more} more"),
    }
}

/// SQLCipher's check of every page's seal.
async fn cipher_check(connection: &mut sqlx::SqliteConnection) -> Result<(), RekordboxError> {
    let found = sqlx::query("PRAGMA cipher_integrity_check")
        .fetch_all(connection)
        .await
        .map_err(failed("cannot be checked"))?;
    match found.len() {
        0 => Ok(()),
        count => Err(RekordboxError::Invariant(format!(
            "{count} pages are damaged"
        ))),
    }
}

/// Makes the names in a folder durable. Windows has no such call, and needs none.
pub(super) fn sync_folder(folder: &Path) -> Result<(), RekordboxError> {
    if cfg!(unix) {
        let handle = File::open(folder);
        handle
            .and_then(|folder| folder.sync_all())
            .map_err(io("write", folder))?;
    }
    Ok(())
}

pub(super) fn io<'p>(
    doing: &'static str,
    path: &'p Path,
) -> impl FnOnce(std::io::Error) -> RekordboxError + use<'p> {
    move |source| RekordboxError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Backups of this library beyond the newest go. Only folders that bear our kind of name and hold a
/// backup count; what cannot be removed stays, which harms nobody.
fn forget_oldest(request: &Request<'_>) {
    let library = whole_path(request.database.path());
    let ours = list(&request.folder)
        .into_iter()
        .filter(|backup| backup.library.as_ref().is_none_or(|of| *of == library));
    for backup in ours.skip(request.keep.max(1)) {
        if request.spare != Some(backup.path.as_path()) {
            discard(&backup.path);
        }
    }
}

fn is_backup(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let shape = "0000-00-00T00-00-00.000Z";
    let shaped = name.len() == shape.len()
        && name
            .bytes()
            .zip(shape.bytes())
            .all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                like => byte == like,
            });
    shaped && path.join(DATABASE).is_file()
}

/// Removes the files that a backup has, and its folder if nothing else is in it.
fn discard(folder: &Path) {
    for name in [DATABASE, XML, ABOUT] {
        // Gone already, or kept: either way the folder tells.
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}
