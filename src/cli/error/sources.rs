//! What each world and stage can say, and what a person types next.

use super::{CliError, Kind};
use crate::{
    apply::ApplyError,
    edge::{
        download::FetchError,
        local::LocalError,
        rekordbox::RekordboxError,
        store::{StoreError, lock::LockError},
        tidal::{TidalError, login::LoginError},
    },
    observe::ObserveError,
    plan::canonical::PlanError,
    policy::{DecisionsError, LoadError},
};

impl From<TidalError> for CliError {
    fn from(error: TidalError) -> Self {
        let (kind, hint) = match &error {
            TidalError::NotLoggedIn(_) => (
                Kind::User,
                "log in with `tidal-cleanup login`, or plan from a file with `--desired tidal.json`",
            ),
            TidalError::Snapshot { .. } => (
                Kind::User,
                "write a new one with `tidal-cleanup snapshot tidal --out tidal.json`",
            ),
            TidalError::Unavailable(_) => (
                Kind::World,
                "try again later, or plan from the last good reading with `--offline`",
            ),
            TidalError::ReadOnly => (
                Kind::User,
                "log in with the permission to change playlists: `tidal-cleanup login --write`",
            ),
            TidalError::Refused(_) => (
                Kind::World,
                "`tidal-cleanup whoami` shows the account; `tidal-cleanup login` renews it",
            ),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<LocalError> for CliError {
    fn from(error: LocalError) -> Self {
        let (kind, hint) = match &error {
            LocalError::Missing(_) => (
                Kind::Refused,
                "TC101: is the drive connected? The folder is `[library] root` of the policy; only `init` creates it".to_owned(),
            ),
            LocalError::Occupied(_) => (
                Kind::World,
                "nothing is ever overwritten: move that file away, or plan again".to_owned(),
            ),
            LocalError::Changed { .. } => (
                Kind::Stale,
                "the file changed since it was read: run `tidal-cleanup plan` again".to_owned(),
            ),
            LocalError::Outside(_) => (
                Kind::Refused,
                "check `[library]` in the policy and links inside the library folder".to_owned(),
            ),
            LocalError::Canary { path, .. } => (
                Kind::Refused,
                format!("TC101: restore {} from a backup; nothing is planned for a library that cannot be told for sure", path.display()),
            ),
            LocalError::Io { source, path, .. } => (Kind::World, io_hint(source, path)),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<RekordboxError> for CliError {
    fn from(error: RekordboxError) -> Self {
        let (kind, hint) = match &error {
            RekordboxError::Missing(_) => (
                Kind::World,
                "is the path right, and its drive connected? A Rekordbox that is new has a library once it was started; `[rekordbox] database = \"none\"` in the policy leaves it alone".to_owned(),
            ),
            RekordboxError::NotMounted(_) => (
                Kind::World,
                "connect the drive, or set `[rekordbox] database` in the policy".to_owned(),
            ),
            RekordboxError::NotADatabase(_) => (
                Kind::World,
                "it should be the `master.db` of Rekordbox 6 or 7; it was left as it is".to_owned(),
            ),
            RekordboxError::Locked => (
                Kind::Refused,
                "TC502: quit Rekordbox (also rekordboxAgent) and whatever else has it open, then try again".to_owned(),
            ),
            RekordboxError::Running(_) => (
                Kind::Refused,
                "TC502: quit Rekordbox (also rekordboxAgent, in the menu bar or tray), then try again".to_owned(),
            ),
            RekordboxError::LeftoverWal(_) => (
                Kind::Refused,
                "TC502: start Rekordbox and quit it again: it then puts its database in order".to_owned(),
            ),
            RekordboxError::UnknownSchema(_) => (
                Kind::Refused,
                "set `[rekordbox] write = false` in the policy until this program knows the version".to_owned(),
            ),
            RekordboxError::Conflict { .. } => (
                Kind::Stale,
                "Rekordbox was used since the plan was made: run `tidal-cleanup plan` again".to_owned(),
            ),
            RekordboxError::Invalid(_) => (
                Kind::Stale,
                "the plan does not fit this collection any more: run `tidal-cleanup plan` again".to_owned(),
            ),
            RekordboxError::Invariant(_) => (
                Kind::World,
                "nothing was written; Rekordbox's own File > Library > Manage can check the collection".to_owned(),
            ),
            RekordboxError::BadXml { .. } => (
                Kind::World,
                "nothing was changed; put the file back from a backup, or move it away: a missing one is made anew".to_owned(),
            ),
            RekordboxError::Xml { .. } => (
                Kind::World,
                "the database itself is in order; `tidal-cleanup apply --resume` tries the file again".to_owned(),
            ),
            RekordboxError::Database { source, .. } => {
                (Kind::World, rekordbox_hint(source).to_owned())
            }
            RekordboxError::Io { source, path, .. } => (Kind::World, io_hint(source, path)),
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<FetchError> for CliError {
    fn from(error: FetchError) -> Self {
        let hint = match &error {
            FetchError::NoCommand => "set `[download] command` in the policy".to_owned(),
            FetchError::NotStarted { program, .. } => {
                format!("install {program}, or correct `[download]` in the policy")
            }
            FetchError::TimedOut { .. } => {
                "allow more time with `[download] timeout`, then `tidal-cleanup apply --resume`"
                    .to_owned()
            }
            FetchError::Failed { .. } => {
                "try the command by hand; then `tidal-cleanup apply --resume`".to_owned()
            }
            FetchError::Unavailable { .. } => {
                "it is tried again later, see `[download] retry_unavailable`".to_owned()
            }
            FetchError::Lossy { .. } => {
                "set `format = \"keep\"` or a lossy one in `[library]`, or let the command fetch lossless"
                    .to_owned()
            }
            FetchError::NotDelivered { .. } | FetchError::Wrong { .. } => {
                "the download command must leave one whole audio file in {dir}; try it by hand"
                    .to_owned()
            }
            FetchError::Io { source, path, .. } => io_hint(source, path),
        };
        Self::new(Kind::World, error).hint(hint)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> Self {
        let (kind, hints) = match &error {
            StoreError::Newer { .. } => (
                Kind::World,
                vec!["update tidal-cleanup, or name another database with `--db`".to_owned()],
            ),
            StoreError::OtherLibrary { .. } => (
                Kind::Refused,
                vec!["TC101: each library has its own state: name it with `--db`, or correct `[library] root`".to_owned()],
            ),
            StoreError::Unfinished(_) => (Kind::Unfinished, unfinished_hints()),
            StoreError::Locked { .. } => (
                Kind::Locked,
                vec!["wait for it with `--lock-timeout 10m`; `tidal-cleanup status` shows it".to_owned()],
            ),
            StoreError::Pooled => (
                Kind::Config,
                vec!["name the server's own port, or one of the proxy's in session mode, in TIDAL_CLEANUP_DATABASE_URL".to_owned()],
            ),
            StoreError::Fenced => (
                Kind::Locked,
                vec!["let the other run end, then look at `tidal-cleanup status`".to_owned()],
            ),
            StoreError::NoSuchApply(_) => (
                Kind::User,
                vec!["`tidal-cleanup history` lists the applies".to_owned()],
            ),
            StoreError::NoLibrary => (
                Kind::User,
                vec!["`tidal-cleanup db init` says which library it is of".to_owned()],
            ),
            StoreError::BadExport { .. } => (
                Kind::User,
                vec!["nothing was changed; save it again with `tidal-cleanup db export`".to_owned()],
            ),
            StoreError::Occupied(_) => (
                Kind::User,
                vec![
                    "nothing was changed: a state is only moved where there is none".to_owned(),
                    "`tidal-cleanup db status` shows what is there; name another database with `--db` or TIDAL_CLEANUP_DATABASE_URL".to_owned(),
                ],
            ),
            StoreError::Arrived(_) => (
                Kind::World,
                vec!["nothing was changed; `tidal-cleanup db check` on both sides shows more".to_owned()],
            ),
            StoreError::Nul { .. } => (
                Kind::World,
                vec!["nothing was changed; rename what has the character, and sync it once before it is moved".to_owned()],
            ),
            StoreError::Missing { .. } => (
                Kind::User,
                vec!["`tidal-cleanup db init` makes it".to_owned()],
            ),
            StoreError::Outdated { path, .. } if path.starts_with("postgres") => (
                Kind::World,
                vec!["whoever owns the tables brings them up to date with any command, such as `tidal-cleanup plan`".to_owned()],
            ),
            StoreError::Outdated { .. } => (
                Kind::World,
                vec!["`tidal-cleanup plan` brings it up to date, with a backup first".to_owned()],
            ),
            StoreError::Protocol { .. } => (
                Kind::Bug,
                vec!["this is a mistake of the program's; `tidal-cleanup history` shows what was done".to_owned()],
            ),
            StoreError::Damaged { reason, .. } if reason.contains("another program") => (
                Kind::Config,
                vec![
                    "name another file with `--db PATH`, TIDAL_CLEANUP_DB_PATH or `[state] path`; it was not touched".to_owned(),
                    "if it is the Python tool's: `tidal-cleanup import --from-peer FILE` reads it".to_owned(),
                ],
            ),
            StoreError::Damaged { .. } => (
                Kind::World,
                vec!["restore the newest file of its `backups` folder; your music and Rekordbox are not concerned".to_owned()],
            ),
            StoreError::Database { source, .. } => {
                (Kind::World, vec![database_hint(source).to_owned()])
            }
            StoreError::Io { source, path, .. } => {
                (Kind::World, vec![io_hint(source, std::path::Path::new(path))])
            }
        };
        let mut error = Self::new(kind, error);
        error.hints = hints;
        error
    }
}

impl From<ObserveError> for CliError {
    fn from(error: ObserveError) -> Self {
        match error {
            ObserveError::Tidal(error) => error.into(),
            ObserveError::Local(error) => error.into(),
            ObserveError::Rekordbox(error) => error.into(),
            ObserveError::Store(error) => error.into(),
        }
    }
}

impl From<PlanError> for CliError {
    fn from(error: PlanError) -> Self {
        let hint = match &error {
            PlanError::OtherVersion { .. } => {
                "make it anew with this version: `tidal-cleanup plan`"
            }
            PlanError::Edited => {
                "nothing was changed; make a new plan, and leave actions out with `--exclude` instead of editing it"
            }
            PlanError::TooLarge
            | PlanError::TooManyActions
            | PlanError::Damaged { .. }
            | PlanError::OtherKind(_)
            | PlanError::Unknown(_)
            | PlanError::Inconsistent(_)
            | PlanError::UnsafePath(_) => {
                "nothing was changed; make a new plan with `tidal-cleanup plan`"
            }
        };
        match error.code() {
            Some(code) => Self::stale(code, &error).hint(hint),
            None => Self::new(Kind::Stale, error).hint(hint),
        }
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Plan(error) => error.into(),
            ApplyError::Stale(_) => Self::new(Kind::Stale, error)
                .hint("nothing was changed; make a new plan with `tidal-cleanup plan`"),
            ApplyError::Refused { code, reason } => {
                let error = Self::refused(code, reason);
                match code {
                    "TC502" => error.hint("quit Rekordbox and its agent, then type the same again"),
                    _ => error,
                }
            }
            ApplyError::Unfinished(id) => StoreError::Unfinished(id).into(),
            ApplyError::Fenced => StoreError::Fenced.into(),
            ApplyError::Interrupted(id) => {
                let mut error =
                    Self::message(Kind::Interrupted, format!("apply {id} was interrupted"));
                error.hints = unfinished_hints();
                error
            }
            ApplyError::OutOfTime(_) => {
                let mut error = Self::new(Kind::Partial, error);
                error.hints = unfinished_hints();
                error
            }
            ApplyError::Unsettled { .. } => {
                let mut error = Self::new(Kind::Partial, error);
                error.hints = unfinished_hints();
                error
            }
            ApplyError::Journal { .. } => {
                Self::new(Kind::World, error).hint("`tidal-cleanup db check` looks closer")
            }
            ApplyError::Store(error) => error.into(),
            ApplyError::Local(error) => error.into(),
            ApplyError::Rekordbox(error) => error.into(),
        }
    }
}

impl From<LockError> for CliError {
    fn from(error: LockError) -> Self {
        match &error {
            LockError::Held { .. } => Self::new(Kind::Locked, error)
                .hint("let the other run end; `--lock-timeout 5m` waits longer"),
            LockError::Io { source, path } => {
                let hint = io_hint(source, std::path::Path::new(path));
                Self::new(Kind::World, error).hint(hint)
            }
        }
    }
}

impl From<LoginError> for CliError {
    fn from(error: LoginError) -> Self {
        let (kind, hint) = match &error {
            LoginError::NoClientId => (
                Kind::Config,
                "an app of your own is free; its redirect addresses are http://127.0.0.1:8765/callback, :8766 and :8767".to_owned(),
            ),
            LoginError::NoPort(_) => (
                Kind::World,
                "close what listens there, or use `tidal-cleanup login --no-browser`".to_owned(),
            ),
            LoginError::Denied(_)
            | LoginError::Tampered(_)
            | LoginError::TimedOut(_)
            | LoginError::NothingPasted
            | LoginError::Unavailable(_) => {
                (Kind::World, "nothing was stored; try `tidal-cleanup login` again".to_owned())
            }
            LoginError::MissingScopes(_) => (
                Kind::World,
                "nothing was stored; enable these scopes for the app at developer.tidal.com".to_owned(),
            ),
            LoginError::Store { source, path, .. } => {
                (Kind::World, io_hint(source, std::path::Path::new(path)))
            }
        };
        Self::new(kind, error).hint(hint)
    }
}

impl From<DecisionsError> for CliError {
    fn from(error: DecisionsError) -> Self {
        match &error {
            DecisionsError::Invalid { findings, .. } => {
                let pictures = findings.iter().map(|finding| finding.render(false));
                let picture = pictures.collect::<Vec<_>>().join("\n");
                Self::new(Kind::Config, error)
                    .picture(picture)
                    .hint("correct it in an editor; nothing was changed")
            }
            DecisionsError::File { source, path, .. } => {
                let hint = io_hint(source, path);
                Self::new(Kind::Config, error).hint(hint)
            }
        }
    }
}

impl From<LoadError> for CliError {
    fn from(error: LoadError) -> Self {
        match &error {
            LoadError::Invalid { findings, .. } => {
                let pictures: Vec<String> = findings
                    .iter()
                    .map(|finding| finding.render(false))
                    .collect();
                let picture = pictures.join("\n");
                Self::new(Kind::Config, error)
                    .picture(picture)
                    .hint("`tidal-cleanup policy check` shows this again; nothing was changed")
            }
            LoadError::Read { source, path } => {
                let hint = io_hint(source, path);
                Self::new(Kind::Config, error).hint(hint)
            }
            LoadError::TooLarge { .. } | LoadError::NotText { .. } => {
                Self::new(Kind::Config, error).hint("name another file with `--policy FILE`")
            }
        }
    }
}

/// What to type while an apply is unfinished.
#[must_use]
pub fn unfinished_hints() -> Vec<String> {
    vec![
        "`tidal-cleanup apply --resume` finishes it".to_owned(),
        "`tidal-cleanup undo` takes it back".to_owned(),
    ]
}

fn primary_code(source: &sqlx::Error) -> Option<i32> {
    let code = source.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

/// By SQLite's primary result code: `SQLITE_READONLY`, `SQLITE_FULL`, `SQLITE_CANTOPEN`.
fn rekordbox_hint(source: &sqlx::Error) -> &'static str {
    match primary_code(source) {
        Some(8 | 14) => "check the permissions of `master.db`, its folder and its volume",
        Some(13) => {
            "make room on its volume; `tidal-cleanup apply --resume` goes on with what was begun"
        }
        _ => "every apply makes a backup first: `tidal-cleanup rekordbox status` lists them",
    }
}

/// By SQLite's primary result code: `SQLITE_BUSY`, `SQLITE_READONLY`, `SQLITE_FULL`.
fn database_hint(source: &sqlx::Error) -> &'static str {
    if let Some(hint) = server_hint(source) {
        return hint;
    }
    match primary_code(source) {
        Some(5) => "another program is using it; try again when it has ended",
        Some(8) => {
            "check the permissions of the state database and its folder; `tidal-cleanup status` \
             names it"
        }
        Some(13) => {
            "make room on its volume and try again; `tidal-cleanup apply --resume` goes on with \
             what was begun"
        }
        _ => "`tidal-cleanup db check` looks closer",
    }
}

/// What to do about a server's complaint, by its five-letter code (PostgreSQL's appendix A).
fn server_hint(source: &sqlx::Error) -> Option<&'static str> {
    const AGAIN: &str = "nothing is lost: try again when the server answers; `tidal-cleanup apply --resume` \
         goes on with what was begun";
    const ENCRYPTION: &str =
        "`?sslmode=` and `?sslrootcert=` of the address say how to encrypt, and whom to trust";
    let code = match source {
        sqlx::Error::Io(error) if error.get_ref().is_some_and(|it| it.is::<rustls::Error>()) => {
            return Some(ENCRYPTION);
        }
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => {
            return Some(AGAIN);
        }
        sqlx::Error::Tls(_) => {
            return Some(ENCRYPTION);
        }
        sqlx::Error::Configuration(_) => {
            return Some("write it as postgres://user@host/database?sslmode=verify-full");
        }
        source => source.as_database_error()?.code()?,
    };
    Some(match code.as_ref() {
        "28P01" | "28000" => {
            "check the user, and its password in PGPASSWORD or the password file ~/.pgpass"
        }
        "3D000" => "`createdb` makes it, or correct the name in the address",
        "42501" | "25006" => {
            "this user may only read: `status`, `history` and `plan --offline` work; \
             docs/postgres.md shows what to grant, also after an update"
        }
        "40001" | "40P01" => {
            "too many runs at once: try again; `tidal-cleanup apply --resume` goes on with what was begun"
        }
        // A NUL, which no name should have.
        "22021" => {
            "a name holds a character that PostgreSQL cannot keep: rename what has it, then plan again"
        }
        "53100" => {
            "make room on the server's disk; `tidal-cleanup apply --resume` goes on with what was begun"
        }
        "53300" => "the server has no connection left; try again later",
        "57014" => {
            "the server's statement_timeout is too short for this library: raise it for this user; \
             `tidal-cleanup apply --resume` goes on with what was begun"
        }
        code if code.starts_with("57P") || code.starts_with("08") => AGAIN,
        code if code.len() == 5 && !code.starts_with(|c: char| c.is_ascii_lowercase()) => {
            "the server's log tells more; `tidal-cleanup apply --resume` goes on with what was begun"
        }
        _ => return None,
    })
}

fn io_hint(source: &std::io::Error, path: &std::path::Path) -> String {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            format!("check the permissions of {}", path.display())
        }
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            "make room on the volume; what was begun can be resumed".to_owned()
        }
        std::io::ErrorKind::ReadOnlyFilesystem => {
            "the volume is mounted read-only; mount it for writing".to_owned()
        }
        std::io::ErrorKind::NotFound => "is the drive connected?".to_owned(),
        _ => format!("look at {} and its volume", path.display()),
    }
}
