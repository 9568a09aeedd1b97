//! What went wrong, for a person: kind, message, causes and what to type next.

mod sources;

use std::{error::Error, fmt};

pub use sources::unfinished_hints;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ApplyId;
    use crate::edge::{
        local::LocalError, rekordbox::RekordboxError, store::StoreError, tidal::TidalError,
    };

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
