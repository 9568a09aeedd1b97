//! Where Rekordbox keeps its library: as its own settings say, or in the default places.
//!
//! Rekordbox 7 keeps the folder names of Rekordbox 6. A library that the settings name is the only
//! candidate: when its drive is absent, another library is not a substitute.

use std::path::{Path, PathBuf};

use quick_xml::{Reader, XmlVersion, events::Event};

use super::RekordboxError;

const DATABASE: &str = "master.db";

/// The places that are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// `rekordbox3.settings`, the application's own.
    pub settings: PathBuf,
    /// `options.json`, the agent's.
    pub options: PathBuf,
    /// Folders that hold `master.db` unless the settings say otherwise.
    pub defaults: Vec<PathBuf>,
}

impl Places {
    /// The places on macOS, for this home folder.
    #[must_use]
    pub fn macos(home: &Path) -> Self {
        let support = home.join("Library/Application Support");
        let defaults = [
            home.join("Library/Pioneer/rekordbox"),
            support.join("Pioneer/rekordbox"),
        ];
        Self::below(&support, defaults.into())
    }

    /// The places on Windows, for this `%APPDATA%`.
    #[must_use]
    pub fn windows(app_data: &Path) -> Self {
        let default = app_data.join("Pioneer").join("rekordbox");
        Self::below(app_data, vec![default])
    }

    /// The places on this system, given the home folder and (on Windows) `%APPDATA%`. `None` where
    /// Rekordbox does not run.
    #[must_use]
    pub fn of_this_system(home: Option<&Path>, app_data: Option<&Path>) -> Option<Self> {
        if cfg!(windows) {
            app_data.map(Self::windows)
        } else if cfg!(target_os = "macos") {
            home.map(Self::macos)
        } else {
            None
        }
    }

    fn below(base: &Path, defaults: Vec<PathBuf>) -> Self {
        let pioneer = base.join("Pioneer");
        Self {
            settings: pioneer.join("rekordbox6").join("rekordbox3.settings"),
            options: pioneer
                .join("rekordboxAgent")
                .join("storage")
                .join("options.json"),
            defaults,
        }
    }
}

/// Who said where the library is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The application's own settings.
    Settings,
    /// The agent's options.
    Options,
    /// Nobody: it is in its default place.
    Default,
}

/// The `master.db` of this machine's Rekordbox.
///
/// # Errors
/// [`RekordboxError::NotMounted`] when the settings name a folder that is not there,
/// [`RekordboxError::Missing`] when no library is found.
pub fn locate(places: &Places) -> Result<PathBuf, RekordboxError> {
    find(places).map(|(path, _)| path)
}

/// The same, and who said so.
///
/// # Errors
/// As [`locate`].
pub fn find(places: &Places) -> Result<(PathBuf, Source), RekordboxError> {
    let by_settings = settings_folder(&places.settings).map(|folder| folder.join(DATABASE));
    if let Some(database) = by_settings {
        return Ok((present(database)?, Source::Settings));
    }
    if let Some(database) = options_database(&places.options) {
        return Ok((present(database)?, Source::Options));
    }
    let mut defaults = places.defaults.iter().map(|folder| folder.join(DATABASE));
    let first = defaults.next().unwrap_or_else(|| DATABASE.into());
    std::iter::once(first.clone())
        .chain(defaults)
        .find(|database| database.is_file())
        .map(|database| (database, Source::Default))
        .ok_or(RekordboxError::Missing(first))
}

/// The `master.db` that a path of the user's means: the file itself, or the folder that holds it.
///
/// # Errors
/// [`RekordboxError::Missing`] when there is none.
pub fn explicit(path: &Path) -> Result<PathBuf, RekordboxError> {
    let database = if path.is_dir() {
        path.join(DATABASE)
    } else {
        path.to_owned()
    };
    if database.is_file() {
        Ok(database)
    } else {
        Err(RekordboxError::Missing(database))
    }
}

fn present(database: PathBuf) -> Result<PathBuf, RekordboxError> {
    let folder_is_there = database.parent().is_some_and(Path::is_dir);
    match (database.is_file(), folder_is_there) {
        (true, _) => Ok(database),
        (false, true) => Err(RekordboxError::Missing(database)),
        (false, false) => Err(RekordboxError::NotMounted(database)),
    }
}

/// The last absolute `masterDbDirectory`. Settings that cannot be read count as silent: Rekordbox
/// itself then starts from its defaults.
fn settings_folder(settings: &Path) -> Option<PathBuf> {
    let bytes = std::fs::read(settings).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let mut reader = Reader::from_str(&text);
    let mut folder = None;
    loop {
        match reader.read_event() {
            Ok(Event::Empty(tag) | Event::Start(tag)) if tag.name().0 == "VALUE" => {
                let value = |name: &str| {
                    let attribute = tag.try_get_attribute(name).ok()??;
                    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
                    Some(value.into_owned())
                };
                if value("name").as_deref() == Some("masterDbDirectory") {
                    folder = value("val").filter(|path| is_absolute(path)).or(folder);
                }
            }
            Ok(Event::Eof) | Err(_) => return folder.map(PathBuf::from),
            Ok(_) => {}
        }
    }
}

/// `db-path` of the agent's options, a list of pairs.
fn options_database(options: &Path) -> Option<PathBuf> {
    let bytes = std::fs::read(options).ok()?;
    let document: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let path = document
        .get("options")?
        .as_array()?
        .iter()
        .filter(|pair| pair.get(0).and_then(|name| name.as_str()) == Some("db-path"))
        .filter_map(|pair| pair.get(1)?.as_str())
        .rfind(|path| is_absolute(path))?;
    Some(PathBuf::from(path))
}

/// Absolute on the system that wrote it, whichever that is.
fn is_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive = bytes.len() > 2
        && bytes[0].is_ascii_alphabetic()
        && bytes[1] == b':'
        && matches!(bytes[2], b'/' | b'\\');
    path.starts_with('/') || path.starts_with("\\\\") || drive
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Machine {
        folder: tempfile::TempDir,
        places: Places,
    }

    impl Machine {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let places = Places::macos(folder.path());
            Self { folder, places }
        }

        fn library(&self, folder: &str) -> PathBuf {
            let database = self.folder.path().join(folder).join(DATABASE);
            write(&database, "");
            database
        }

        fn settings(&self, directories: &[&str]) {
            let lines: String = directories
                .iter()
                .map(|path| format!("<VALUE name=\"masterDbDirectory\" val=\"{path}\"/>\n"))
                .collect();
            let text = format!("<?xml version=\"1.0\"?>\n<PROPERTIES>\n{lines}</PROPERTIES>\n");
            write(&self.places.settings, &text);
        }

        fn path(&self, name: &str) -> String {
            self.folder.path().join(name).to_string_lossy().into_owned()
        }
    }

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn the_last_absolute_settings_folder_wins_over_options_and_defaults() {
        let machine = Machine::new();
        machine.library("Library/Pioneer/rekordbox");
        let other = machine.library("other &amp; more");
        let wanted = machine.library("Gig & Co");
        machine.settings(&[
            &machine.path("other &amp; more"),
            &machine.path("Gig &amp; Co"),
            "relative/one",
        ]);
        let options = format!(
            r#"{{"options":[["db-path",{:?}]]}}"#,
            other.to_str().unwrap()
        );
        write(&machine.places.options, &options);
        assert_eq!(locate(&machine.places).unwrap(), wanted);
    }

    #[test]
    fn an_absent_drive_is_reported_and_never_replaced() {
        let machine = Machine::new();
        machine.library("Library/Pioneer/rekordbox");
        machine.settings(&["/Volumes/no such drive/PIONEER/Master"]);
        assert!(matches!(
            locate(&machine.places),
            Err(RekordboxError::NotMounted(path)) if path.starts_with("/Volumes/no such drive")
        ));
    }

    #[test]
    fn options_come_before_defaults_and_broken_files_are_silent() {
        let machine = Machine::new();
        let default = machine.library("Library/Application Support/Pioneer/rekordbox");
        write(&machine.places.settings, "<PROPERTIES><VALUE name=");
        write(&machine.places.options, "{ broken");
        assert_eq!(locate(&machine.places).unwrap(), default);
        let agent = machine.library("agent");
        let options = format!(
            r#"{{"options":[["port","1"],["db-path",{:?}]]}}"#,
            agent.to_str().unwrap()
        );
        write(&machine.places.options, &options);
        assert_eq!(locate(&machine.places).unwrap(), agent);
    }

    #[test]
    fn nothing_anywhere_names_the_first_default() {
        let machine = Machine::new();
        assert!(matches!(
            locate(&machine.places),
            Err(RekordboxError::Missing(path)) if path.ends_with("Library/Pioneer/rekordbox/master.db")
        ));
        let windows = Places::windows(Path::new("/appdata"));
        assert!(
            windows
                .options
                .ends_with("Pioneer/rekordboxAgent/storage/options.json")
        );
    }

    #[test]
    fn an_explicit_path_is_a_file_or_its_folder() {
        let machine = Machine::new();
        let database = machine.library("here");
        assert_eq!(explicit(&database).unwrap(), database);
        assert_eq!(explicit(database.parent().unwrap()).unwrap(), database);
        assert!(explicit(machine.folder.path()).is_err());
    }

    #[test]
    fn windows_paths_are_absolute_too() {
        for (path, expected) in [
            ("C:/a", true),
            ("D:\\a", true),
            ("/a", true),
            ("\\\\nas\\a", true),
            ("a/b", false),
            ("C:a", false),
            ("", false),
        ] {
            assert_eq!(is_absolute(path), expected, "{path}");
        }
    }
}
