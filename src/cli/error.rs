//! What went wrong, for a person: kind, message, causes and what to type next.

use std::{error::Error, fmt};

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

/// The exit codes of every command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An error.
    Error = 1,
    /// Changes are pending (`plan --detailed-exitcode`, `db sync --check`).
    Changes = 2,
    /// Changes are pending, and something needs a decision or is held.
    Decide = 3,
    /// The plan is stale, edited or already applied.
    Stale = 4,
    /// Refused by a gate.
    Refused = 5,
    /// Another run holds the lock.
    Locked = 6,
    /// Applied in part; can be resumed.
    Partial = 7,
    /// An unfinished apply must be resumed or undone first.
    Unfinished = 8,
    /// Declined at the prompt.
    Declined = 9,
    /// The command line makes no sense.
    Usage = 64,
    /// Interrupted; the journal is consistent.
    Interrupted = 130,
}

impl Exit {
    /// All codes.
    pub const ALL: [Self; 12] = [
        Self::Done,
        Self::Error,
        Self::Changes,
        Self::Decide,
        Self::Stale,
        Self::Refused,
        Self::Locked,
        Self::Partial,
        Self::Unfinished,
        Self::Declined,
        Self::Usage,
        Self::Interrupted,
    ];

    /// The number.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Whose turn it is after an error; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The command line makes no sense.
    Usage,
    /// The person asked for something that is not there.
    User,
    /// The policy or a setting is wrong.
    Config,
    /// An outside world fails.
    World,
    /// The plan is stale, edited or already applied.
    Stale,
    /// A gate refuses.
    Refused,
    /// Another run holds the lock.
    Locked,
    /// Applied in part.
    Partial,
    /// An earlier apply is unfinished.
    Unfinished,
    /// The person said no.
    Declined,
    /// The person pressed Ctrl-C.
    Interrupted,
    /// Our own mistake.
    Bug,
}

impl Kind {
    /// The exit code.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Usage => Exit::Usage,
            Self::User | Self::Config | Self::World | Self::Bug => Exit::Error,
            Self::Stale => Exit::Stale,
            Self::Refused => Exit::Refused,
            Self::Locked => Exit::Locked,
            Self::Partial => Exit::Partial,
            Self::Unfinished => Exit::Unfinished,
            Self::Declined => Exit::Declined,
            Self::Interrupted => Exit::Interrupted,
        }
    }
}

/// An error as a command ends with it.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit code.
    pub kind: Kind,
    /// What could not be done, the outermost first; may be empty.
    context: Vec<String>,
    /// What happened.
    source: Box<dyn Error + Send + Sync>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// A picture of the place (policy diagnostics), shown before the message.
    picture: Option<String>,
}

/// A message without a source.
#[derive(Debug)]
struct Message(String);

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Message {}

impl CliError {
    /// An error of that kind.
    pub fn new(kind: Kind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            context: Vec::new(),
            source: source.into(),
            hints: Vec::new(),
            picture: None,
        }
    }

    /// An error that is only a message.
    pub fn message(kind: Kind, message: impl Into<String>) -> Self {
        Self::new(kind, Message(message.into()))
    }

    /// The person asked for something that is not there.
    pub fn user(message: impl Into<String>) -> Self {
        Self::message(Kind::User, message)
    }

    /// The policy or a setting is wrong.
    pub fn config(message: impl Into<String>) -> Self {
        Self::message(Kind::Config, message)
    }

    /// A gate refuses: its code, such as `TC201`, and why.
    pub fn refused(code: &str, message: impl fmt::Display) -> Self {
        Self::message(Kind::Refused, format!("{code}: {message}"))
    }

    /// The plan cannot be applied any more: the gate's code (`TC401`…`TC405`) and what differs.
    pub fn stale(code: &str, message: impl fmt::Display) -> Self {
        Self::message(Kind::Stale, format!("{code}: {message}"))
            .hint("make a new plan: `tidal-cleanup plan --out plan.json`")
    }

    /// Another run holds the lock of `what`.
    pub fn locked(what: impl fmt::Display) -> Self {
        Self::message(Kind::Locked, format!("another run is using {what}"))
            .hint("wait for it to end, or wait longer with `--lock-timeout 5m`")
    }

    /// The person said no.
    #[must_use]
    pub fn declined() -> Self {
        Self::message(Kind::Declined, "nothing was changed")
    }

    /// A file could not be read or written.
    pub fn file(doing: &str, path: &std::path::Path, source: std::io::Error) -> Self {
        let hint = match source.kind() {
            std::io::ErrorKind::NotFound => Some("check the path"),
            std::io::ErrorKind::IsADirectory => Some("that is a folder; name a file"),
            std::io::ErrorKind::PermissionDenied => {
                Some("check the permissions of file and folder")
            }
            std::io::ErrorKind::StorageFull => Some("make room on the volume and try again"),
            _ => None,
        };
        let error =
            Self::new(Kind::User, source).context(format!("could not {doing} {}", path.display()));
        match hint {
            Some(hint) => error.hint(hint),
            None => error,
        }
    }

    /// Adds what could not be done because of it.
    #[must_use]
    pub fn context(mut self, doing: impl Into<String>) -> Self {
        self.context.insert(0, doing.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds a picture of the place, shown first.
    #[must_use]
    pub fn picture(mut self, picture: impl Into<String>) -> Self {
        self.picture = Some(picture.into());
        self
    }

    /// The exit code.
    #[must_use]
    pub const fn exit(&self) -> Exit {
        self.kind.exit()
    }

    /// The picture, then `Error: … / Caused by: … / Hint: …`, in colour or not.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let style = |text: &str, style: console::Style| {
            style.force_styling(color).apply_to(text).to_string()
        };
        let red = console::Style::new().red().bold();
        let bold = console::Style::new().bold();
        let cyan = console::Style::new().cyan();
        let mut lines: Vec<String> = self
            .picture
            .iter()
            .map(|text| text.trim_end().to_owned())
            .collect();
        let head = match self.kind {
            Kind::Declined => style("Declined:", bold.clone()),
            Kind::Bug => style("Error (a bug in tidal-cleanup):", red),
            _ => style("Error:", red),
        };
        let mut messages = self.messages().into_iter();
        lines.push(format!("{head} {}", messages.next().unwrap_or_default()));
        lines
            .extend(messages.map(|cause| format!("{} {cause}", style("Caused by:", bold.clone()))));
        lines.extend(
            self.hints
                .iter()
                .map(|hint| format!("{} {hint}", style("Hint:", cyan.clone()))),
        );
        lines.join("\n")
    }

    /// What happened, from the outside in, without repetitions.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        let mut messages = self.context.clone();
        let mut source: Option<&(dyn Error + 'static)> = Some(&*self.source);
        while let Some(error) = source {
            let message = super::view::text::visible_lines(&error.to_string());
            if !messages.iter().any(|before| before.ends_with(&message)) {
                messages.push(message);
            }
            source = error.source();
        }
        messages
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.messages().join(": "))
    }
}

/// Adds what could not be done to a failing result.
pub trait Context<T> {
    /// The error, with `doing` in front of it.
    ///
    /// # Errors
    /// The same error.
    fn context(self, doing: &str) -> Result<T, CliError>;
}

impl<T, E: Into<CliError>> Context<T> for Result<T, E> {
    fn context(self, doing: &str) -> Result<T, CliError> {
        self.map_err(|error| error.into().context(doing))
    }
}

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
                "start Rekordbox once, or set `[rekordbox] database` in the policy to its path or to \"none\"".to_owned(),
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
            StoreError::Fenced => (
                Kind::Locked,
                vec!["let the other run end, then look at `tidal-cleanup status`".to_owned()],
            ),
            StoreError::NoSuchApply(_) => (
                Kind::User,
                vec!["`tidal-cleanup history` lists the applies".to_owned()],
            ),
            StoreError::Missing { .. } => (
                Kind::User,
                vec!["`tidal-cleanup db init` makes it".to_owned()],
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApplyId;

    #[test]
    fn what_happened_why_and_what_to_type() {
        let error = CliError::from(RekordboxError::Running(
            "rekordbox, rekordboxAgent".to_owned(),
        ))
        .context("could not write to Rekordbox");
        assert_eq!(error.exit(), Exit::Refused);
        insta::assert_snapshot!(error.render(false), @r"
        Error: could not write to Rekordbox
        Caused by: Rekordbox is running (rekordbox, rekordboxAgent)
        Hint: TC502: quit Rekordbox (also rekordboxAgent, in the menu bar or tray), then try again
        ");
    }

    #[test]
    fn an_unfinished_apply_names_both_ways_out() {
        let error = CliError::from(StoreError::Unfinished(ApplyId(12)));
        assert_eq!(error.exit().code(), 8);
        insta::assert_snapshot!(error.render(false), @r"
        Error: apply 12 was interrupted
        Hint: `tidal-cleanup apply --resume` finishes it
        Hint: `tidal-cleanup undo` takes it back
        ");
    }

    #[test]
    fn causes_are_told_once_and_from_the_outside_in() {
        let error = CliError::from(LocalError::Io {
            doing: "read",
            path: "/music/a.mp3".into(),
            source: std::io::Error::from(std::io::ErrorKind::PermissionDenied),
        })
        .context("could not scan the library");
        insta::assert_snapshot!(error.render(false), @r"
        Error: could not scan the library
        Caused by: could not read /music/a.mp3
        Caused by: permission denied
        Hint: check the permissions of /music/a.mp3
        ");
    }

    #[test]
    fn colour_is_only_colour() {
        let error = CliError::user("no such thing").hint("look elsewhere");
        assert_eq!(
            console::strip_ansi_codes(&error.render(true)),
            error.render(false)
        );
        assert_ne!(error.render(true), error.render(false));
    }

    #[test]
    fn kinds_have_the_codes_of_the_contract() {
        let code = |error: CliError| error.exit().code();
        assert_eq!(code(TidalError::NotLoggedIn(String::new()).into()), 1);
        assert_eq!(code(CliError::stale("TC402", "edited")), 4);
        assert_eq!(code(CliError::refused("TC201", "too many")), 5);
        assert_eq!(code(CliError::locked("the library")), 6);
        assert_eq!(code(CliError::declined()), 9);
        assert_eq!(
            Exit::ALL.map(Exit::code),
            [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 130]
        );
    }
}
