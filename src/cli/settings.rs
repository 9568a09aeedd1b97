//! Flags, environment and defaults, resolved once into [`Settings`].
//!
//! The environment and the home folder are arguments, so that a test can have its own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use super::{
    args::{ColorWhen, Global},
    error::{CliError, Kind},
};
use crate::{edge::tidal::settings::AccountName, policy::Policy};

/// The policy's file name.
pub const POLICY_FILE: &str = "tidal-cleanup.toml";

/// What the program was told about its surroundings.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The user's home folder; absolute. `None` where there is none.
    pub home: Option<PathBuf>,
    /// The working folder.
    pub cwd: PathBuf,
    /// Looks up an environment variable.
    pub env: fn(&str) -> Option<OsString>,
}

impl Surroundings {
    /// Those of this process.
    ///
    /// # Errors
    /// When there is no working folder (it was deleted).
    pub fn of_process() -> Result<Self, CliError> {
        let cwd = std::env::current_dir()
            .map_err(|error| CliError::file("find", Path::new("the working folder"), error))?;
        Ok(Self {
            home: std::env::home_dir().filter(|home| home.is_absolute()),
            cwd,
            env: |name| std::env::var_os(name),
        })
    }

    /// The variable's text; one that is empty or not UTF-8 counts as absent.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name)
            .and_then(|value| value.into_string().ok())
            .filter(|text| !text.is_empty())
    }

    /// Whether the locale names a character set (by `LC_ALL`, else `LC_CTYPE`, else `LANG`) that is
    /// not UTF-8. Where none is named nothing speaks against it.
    fn has_old_locale(&self) -> bool {
        let named = ["LC_ALL", "LC_CTYPE", "LANG"]
            .iter()
            .find_map(|name| self.variable(name));
        named.is_some_and(|locale| {
            let locale = locale.to_lowercase();
            !locale.contains("utf-8") && !locale.contains("utf8")
        })
    }

    /// Those of a process that has lost its working folder.
    #[must_use]
    pub fn nowhere() -> Self {
        Self {
            home: None,
            cwd: PathBuf::from("."),
            env: |name| std::env::var_os(name),
        }
    }

    fn is_set(&self, name: &str) -> bool {
        (self.env)(name).is_some_and(|value| !value.is_empty())
    }

    /// The variable's text; an empty one counts as absent.
    fn text(&self, name: &str) -> Result<Option<String>, CliError> {
        match (self.env)(name).filter(|value| !value.is_empty()) {
            None => Ok(None),
            Some(value) => value.into_string().map(Some).map_err(|_| {
                CliError::config(format!("the environment variable {name} is not UTF-8"))
            }),
        }
    }

    fn flag(&self, name: &str) -> Result<Option<bool>, CliError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(Some(true)),
            "0" | "false" | "no" | "off" => Ok(Some(false)),
            _ => Err(
                CliError::config(format!("{name}={text:?} is neither true nor false"))
                    .hint(format!("write {name}=true or {name}=false")),
            ),
        }
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.env)(name)
            .filter(|value| !value.is_empty())
            .map(|value| self.absolute(Path::new(&value)))
    }

    /// `path` with `~` resolved, below the working folder when it is relative.
    #[must_use]
    pub fn absolute(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.cwd.join(path),
        }
    }
}

/// How the program runs, whatever the policy says.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The policy file that was named; `None`: to be looked for.
    pub policy: Option<PathBuf>,
    /// The state database that a flag or the environment names.
    pub db: Option<PathBuf>,
    /// The Rekordbox library, when a flag says; absolute.
    pub rekordbox: Option<PathBuf>,
    /// PostgreSQL instead: `TIDAL_CLEANUP_DATABASE_URL`.
    pub database_url: Option<String>,
    /// Where backups of the state go, when the environment says.
    pub backup_dir: Option<PathBuf>,
    /// Whether the state is backed up before every apply and migration.
    pub auto_backup: bool,
    /// Whether SQL statements are logged.
    pub log_sql: bool,
    /// The TIDAL service.
    pub tidal: TidalSettings,
    /// Answers in JSON.
    pub json: bool,
    /// How much is said.
    pub verbosity: Verbosity,
    /// When output is coloured.
    pub color: ColorWhen,
    /// `NO_COLOR` is set.
    pub no_color: bool,
    /// Only ASCII is wanted.
    pub ascii: bool,
    /// Words instead of signs, nothing drawn: for screen readers.
    pub plain: bool,
    /// Where everything that is said is written down, too; absolute.
    pub log_file: Option<PathBuf>,
    /// Which of these a flag said, where that cannot be told otherwise.
    pub flags: Flags,
    /// The locale's character set is named, and is not UTF-8.
    pub old_terminal: bool,
    /// Columns that `COLUMNS` names.
    pub columns: Option<usize>,
    /// The surroundings that it was made from.
    pub around: Surroundings,
}

/// What came from a flag and not from the environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--db`
    pub db: bool,
    /// `--log-file`
    pub log_file: bool,
}

/// Where the state of one account lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePlace {
    /// What all accounts share: the pace that TIDAL bears, and a folder for each account's log-in.
    pub dir: PathBuf,
    /// The account's state database.
    pub db: PathBuf,
    /// Its name.
    pub account: String,
}

/// How to reach TIDAL; `None`: the official service, the program's own client id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TidalSettings {
    /// Which log-in, when a flag says.
    pub account: Option<String>,
    /// `TIDAL_CLEANUP_TIDAL_CLIENT_ID`
    pub client_id: Option<String>,
    /// `TIDAL_CLEANUP_TIDAL_API_URL`
    pub api_url: Option<String>,
    /// `TIDAL_CLEANUP_TIDAL_AUTH_URL`
    pub auth_url: Option<String>,
    /// `TIDAL_CLEANUP_TIDAL_LOGIN_URL`
    pub login_url: Option<String>,
}

/// How much is said on stderr, and how long rows are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    /// Warnings, hints of errors, and answers.
    Quiet,
    /// What a person wants to follow.
    #[default]
    Normal,
    /// Reasons, evidence, every row.
    Verbose,
}

impl Settings {
    /// The user's home folder; where there is none, the root, in which nothing of ours is found.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.around.home.as_deref().unwrap_or(Path::new("/"))
    }

    /// No flags and no variables: for telling an error before there are real ones.
    #[must_use]
    pub fn bare(around: Surroundings) -> Self {
        Self {
            policy: None,
            db: None,
            rekordbox: None,
            database_url: None,
            backup_dir: None,
            auto_backup: true,
            log_sql: false,
            tidal: TidalSettings::default(),
            json: false,
            verbosity: Verbosity::Normal,
            color: ColorWhen::Auto,
            no_color: around.is_set("NO_COLOR"),
            ascii: false,
            plain: false,
            log_file: None,
            flags: Flags::default(),
            old_terminal: around.has_old_locale(),
            columns: None,
            around,
        }
    }

    /// Flags win over the environment.
    ///
    /// # Errors
    /// When a variable has a value that makes no sense.
    pub fn resolve(global: &Global, around: Surroundings) -> Result<Self, CliError> {
        Ok(Self {
            policy: global.policy.as_deref().map(|path| around.absolute(path)),
            db: global
                .db
                .as_deref()
                .map(|path| around.absolute(path))
                .or_else(|| around.path("TIDAL_CLEANUP_DB_PATH")),
            rekordbox: global
                .rekordbox
                .as_deref()
                .map(|path| around.absolute(path)),
            database_url: around.text("TIDAL_CLEANUP_DATABASE_URL")?,
            backup_dir: around.path("TIDAL_CLEANUP_DB_BACKUP_DIR"),
            auto_backup: around.flag("TIDAL_CLEANUP_DB_AUTO_BACKUP")?.unwrap_or(true),
            log_sql: around.flag("TIDAL_CLEANUP_LOG_SQL")?.unwrap_or(false),
            tidal: TidalSettings {
                account: global.account.clone(),
                client_id: around.text("TIDAL_CLEANUP_TIDAL_CLIENT_ID")?,
                api_url: around.text("TIDAL_CLEANUP_TIDAL_API_URL")?,
                auth_url: around.text("TIDAL_CLEANUP_TIDAL_AUTH_URL")?,
                login_url: around.text("TIDAL_CLEANUP_TIDAL_LOGIN_URL")?,
            },
            json: global.json,
            verbosity: match (global.quiet, global.verbose) {
                (true, _) => Verbosity::Quiet,
                (_, true) => Verbosity::Verbose,
                _ => Verbosity::Normal,
            },
            color: global.color,
            no_color: around.is_set("NO_COLOR"),
            ascii: global.ascii,
            plain: global.plain,
            log_file: global
                .log_file
                .as_deref()
                .map(|path| around.absolute(path))
                .or_else(|| around.path("TIDAL_CLEANUP_LOG_FILE")),
            flags: Flags {
                db: global.db.is_some(),
                log_file: global.log_file.is_some(),
            },
            old_terminal: around.has_old_locale(),
            columns: around
                .text("COLUMNS")
                .ok()
                .flatten()
                .and_then(|text| text.parse().ok())
                .filter(|columns| *columns >= 20),
            around,
        })
    }

    /// The policy to use: the named one, or `tidal-cleanup.toml` in the working folder, its parents,
    /// or `~/.config/tidal-cleanup`.
    ///
    /// # Errors
    /// When there is none.
    pub fn policy_path(&self) -> Result<PathBuf, CliError> {
        match &self.policy {
            Some(named) if named.is_file() => Ok(named.clone()),
            Some(named) => Err(
                CliError::config(format!("there is no policy {}", named.display()))
                    .hint("`tidal-cleanup init` writes one"),
            ),
            None => self
                .policy_candidates()
                .into_iter()
                .find(|path| path.is_file())
                .ok_or_else(|| self.no_policy()),
        }
    }

    fn policy_candidates(&self) -> Vec<PathBuf> {
        let mut candidates: Vec<PathBuf> = self
            .around
            .cwd
            .ancestors()
            .map(|folder| folder.join(POLICY_FILE))
            .collect();
        if let Some(home) = &self.around.home {
            candidates.push(home.join(".config/tidal-cleanup").join(POLICY_FILE));
        }
        candidates
    }

    fn no_policy(&self) -> CliError {
        CliError::config(format!(
            "no {POLICY_FILE} in {}, the folders above it, or ~/.config/tidal-cleanup",
            self.around.cwd.display()
        ))
        .hint("`tidal-cleanup init` writes one; `tidal-cleanup demo` shows it work without")
        .hint("name it with `--policy FILE` when it lies elsewhere")
    }

    /// The state database: flag, `TIDAL_CLEANUP_DB_PATH`, the policy's `[state] path` (absolute), or
    /// `~/.tidal-cleanup/sync.db`.
    ///
    /// # Errors
    /// When nothing names one and there is no home folder.
    pub fn db_path(&self, by_policy: Option<&Path>) -> Result<PathBuf, CliError> {
        if let Some(path) = self.db.as_deref().or(by_policy) {
            return Ok(path.to_owned());
        }
        let home = self.around.home.as_deref().ok_or_else(|| {
            CliError::config("there is no home folder to keep the state database in")
                .hint("name one with `--db PATH` or TIDAL_CLEANUP_DB_PATH")
        })?;
        Ok(home.join(".tidal-cleanup/sync.db"))
    }

    /// Where the state of the account lies that the flag, else the policy names. The account that a
    /// state database was made for has it as it stands; every other one has its own, in the folder
    /// `accounts/NAME` beside it. A database that a flag or the environment names is taken by its word.
    ///
    /// # Errors
    /// When there is no home folder, or the account's name cannot be one.
    pub fn place(&self, policy: Option<&Policy>) -> Result<StatePlace, CliError> {
        let parse = |name: &str| {
            AccountName::parse(name).map_err(|error| CliError::new(Kind::Config, error))
        };
        let by_policy = policy.map_or(AccountName::DEFAULT, |policy| &policy.tidal.account);
        let account = parse(self.tidal.account.as_deref().unwrap_or(by_policy))?;
        let path = policy.and_then(|policy| policy.state_path.as_deref());
        let owner = parse(path.map_or(AccountName::DEFAULT, |_| by_policy))?;
        let base = self.db_path(path)?;
        let dir = Self::state_dir(&base);
        let db = match base.file_name() {
            Some(name) if self.db.is_none() && account != owner => {
                dir.join("accounts").join(account.as_str()).join(name)
            }
            Some(_) | None => base,
        };
        let account = account.as_str().to_owned();
        Ok(StatePlace { dir, db, account })
    }

    /// The folder that the run's lock and tokens lie in: that of the state database.
    #[must_use]
    pub fn state_dir(db: &Path) -> PathBuf {
        db.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// Where backups of the state go: `TIDAL_CLEANUP_DB_BACKUP_DIR`, or `backups` beside the database.
    #[must_use]
    pub fn backups(&self, db: &Path) -> PathBuf {
        self.backup_dir
            .clone()
            .unwrap_or_else(|| Self::state_dir(db).join("backups"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(env: fn(&str) -> Option<OsString>) -> Surroundings {
        Surroundings {
            home: Some("/home/dj".into()),
            cwd: "/home/dj/sets".into(),
            env,
        }
    }

    fn resolve(global: &Global, env: fn(&str) -> Option<OsString>) -> Result<Settings, CliError> {
        Settings::resolve(global, around(env))
    }

    #[test]
    fn the_state_lies_in_the_home_folder_unless_something_names_it() {
        let plain = resolve(&Global::default(), |_| None).unwrap();
        assert_eq!(
            plain.db_path(None).unwrap(),
            Path::new("/home/dj/.tidal-cleanup/sync.db")
        );
        let policy = Path::new("/gig/state/sync.db");
        assert_eq!(plain.db_path(Some(policy)).unwrap(), policy);
        assert_eq!(plain.backups(policy), Path::new("/gig/state/backups"));

        let global = Global {
            db: Some("own.db".into()),
            ..Global::default()
        };
        let flagged = resolve(&global, |_| None).unwrap();
        assert_eq!(
            flagged.db_path(Some(policy)).unwrap(),
            Path::new("/home/dj/sets/own.db")
        );
        let env = resolve(&Global::default(), |name| {
            (name == "TIDAL_CLEANUP_DB_PATH").then(|| "/env.db".into())
        });
        assert_eq!(
            env.unwrap().db_path(Some(policy)).unwrap(),
            Path::new("/env.db")
        );
    }

    #[test]
    fn each_account_has_a_state_of_its_own() {
        let settings = |account: Option<&str>, db: Option<&str>| {
            let global = Global {
                account: account.map(str::to_owned),
                db: db.map(PathBuf::from),
                ..Global::default()
            };
            resolve(&global, |_| None).unwrap()
        };
        let place = |account, db| settings(account, db).place(None);
        let own = place(None, None).unwrap();
        assert_eq!(own.db, Path::new("/home/dj/.tidal-cleanup/sync.db"));
        assert_eq!(place(Some("default"), None).unwrap(), own);
        let other = place(Some("anna"), None).unwrap();
        assert_eq!(
            other.db,
            Path::new("/home/dj/.tidal-cleanup/accounts/anna/sync.db")
        );
        assert_eq!((other.dir, &*other.account), (own.dir, "anna"));
        let named = place(Some("anna"), Some("/gig/sync.db")).unwrap();
        assert_eq!(named.db, Path::new("/gig/sync.db"));
        assert!(place(Some("../x"), None).is_err());
    }

    #[test]
    fn an_empty_variable_is_none() {
        let settings = resolve(&Global::default(), |_| Some(OsString::new())).unwrap();
        assert_eq!(settings.db, None);
        assert_eq!(settings.tidal, TidalSettings::default());
        assert!(settings.auto_backup && !settings.no_color);
    }

    #[test]
    fn a_switch_must_be_true_or_false() {
        let off = resolve(&Global::default(), |name| {
            (name == "TIDAL_CLEANUP_DB_AUTO_BACKUP").then(|| "Off".into())
        });
        assert!(!off.unwrap().auto_backup);
        let error = resolve(&Global::default(), |name| {
            (name == "TIDAL_CLEANUP_LOG_SQL").then(|| "maybe".into())
        })
        .unwrap_err();
        insta::assert_snapshot!(error.render(false), @r#"
        Error: TIDAL_CLEANUP_LOG_SQL="maybe" is neither true nor false
        Hint: write TIDAL_CLEANUP_LOG_SQL=true or TIDAL_CLEANUP_LOG_SQL=false
        "#);
    }

    #[test]
    fn home_and_relative_paths_become_absolute() {
        let around = around(|_| None);
        assert_eq!(around.absolute(Path::new("~/x")), Path::new("/home/dj/x"));
        assert_eq!(
            around.absolute(Path::new("x")),
            Path::new("/home/dj/sets/x")
        );
        assert_eq!(around.absolute(Path::new("/x")), Path::new("/x"));
    }

    #[test]
    fn the_policy_is_found_from_below() {
        let root = tempfile::tempdir().unwrap();
        let below = root.path().join("a/b");
        std::fs::create_dir_all(&below).unwrap();
        let mut settings = resolve(&Global::default(), |_| None).unwrap();
        settings.around.cwd = below;
        settings.around.home = Some(root.path().join("home"));
        let message = settings.policy_path().unwrap_err().render(false);
        assert!(message.contains("tidal-cleanup init"), "{message}");
        let policy = root.path().join(POLICY_FILE);
        std::fs::write(&policy, "version = 1").unwrap();
        assert_eq!(settings.policy_path().unwrap(), policy);
    }
}
