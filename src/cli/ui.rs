//! The only writer: answers on stdout, the conversation on stderr, questions on a terminal.
//!
//! A closed pipe ends the output and never the work: an `apply | head` does all that was agreed to.

use std::{
    collections::VecDeque,
    fmt::Display,
    io::{self, IsTerminal as _, Write},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    args::ColorWhen,
    error::{CliError, Kind},
    log::LogFile,
    settings::{Settings, Verbosity},
    view::{
        Look,
        text::{folded, width as text_width},
    },
};

/// Is told how far something is.
pub type Reporter<T> = Box<dyn Fn(&T) + Send + Sync>;

/// After how long a long reading tells how far it is, where nothing can be drawn, and how often then.
const FIRST_LINE: Duration = Duration::from_secs(1);
const NEXT_LINE: Duration = Duration::from_secs(10);

/// Columns that an answer needs behind its question.
const ROOM: usize = 20;

/// The terminal, or what stands in for it.
pub struct Ui {
    out: Mutex<Sink>,
    err: Arc<Mutex<Sink>>,
    answers: Answers,
    look: Look,
    err_color: bool,
    err_is_terminal: bool,
    err_width: Option<usize>,
    verbosity: Verbosity,
    json: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    log: Option<Arc<LogFile>>,
    warnings: AtomicUsize,
}

/// A way to speak on stderr for those whom no [`Ui`] can be lent.
#[derive(Clone)]
pub struct Voice {
    err: Arc<Mutex<Sink>>,
    bar: Arc<Mutex<Option<ProgressBar>>>,
    quiet: bool,
    log: Option<Arc<LogFile>>,
}

impl Voice {
    /// Says what is being done; not when quiet.
    pub fn status(&self, text: &str) {
        if let Some(log) = &self.log {
            log.say("status", text);
        }
        if !self.quiet {
            // Nobody is left to tell when stderr itself fails.
            let write = || lock(&self.err).write(&format!("{text}\n"));
            let _ = beside(&self.bar, write);
        }
    }

    /// Whether progress is drawn at present.
    pub fn is_drawn(&self) -> bool {
        lock(&self.bar).is_some()
    }

    /// Writes into the drawn progress, if there is one.
    pub fn message(&self, text: &str) {
        if let Some(bar) = &*lock(&self.bar) {
            bar.set_message(text.to_owned());
        }
    }
}

/// Writes while no progress is drawn.
fn beside<T>(bar: &Mutex<Option<ProgressBar>>, write: impl FnOnce() -> T) -> T {
    let bar = lock(bar).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Where the answers to questions come from.
#[derive(Debug)]
pub enum Answers {
    /// A person at a terminal.
    Terminal,
    /// Nobody: no question is asked.
    Nobody,
    /// Prepared ones, in order; then nobody.
    Prepared(Mutex<VecDeque<String>>),
}

/// How streams are set up; see [`Ui::new`].
pub struct Streams {
    pub out: Box<dyn Write + Send>,
    pub err: Box<dyn Write + Send>,
    pub answers: Answers,
    /// What answers look like.
    pub look: Look,
    /// Whether stderr is coloured.
    pub err_color: bool,
    /// Whether stderr is a terminal, so that progress may be drawn.
    pub err_is_terminal: bool,
    /// Columns of stderr; `None` where it is no terminal.
    pub err_width: Option<usize>,
}

struct Sink {
    to: Box<dyn Write + Send>,
    closed: bool,
}

impl Sink {
    /// Writes and flushes. Once the reader is gone nothing is written any more.
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = self.to.write_all(text.as_bytes());
        match written.and_then(|()| self.to.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

impl Ui {
    /// The process's own streams.
    #[must_use]
    pub fn of_process(settings: &Settings) -> Self {
        let out = io::stdout();
        let err = io::stderr();
        let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        let dumb = (settings.around.env)("TERM").is_some_and(|term| term == "dumb");
        let colored = |is_terminal: bool| match settings.color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => is_terminal && !settings.no_color && !dumb,
        };
        let colored = |is_terminal: bool| !settings.plain && colored(is_terminal);
        let asks = err_is_terminal && io::stdin().is_terminal();
        let streams = Streams {
            look: Look {
                color: colored(out_is_terminal),
                width: match settings.plain {
                    true => None,
                    false => width(&console::Term::stdout(), out_is_terminal, settings.columns),
                },
                verbose: settings.verbosity == Verbosity::Verbose,
                ascii: settings.ascii || (out_is_terminal && settings.old_terminal),
                zone: jiff::tz::TimeZone::system(),
                plain: settings.plain,
            },
            out: Box::new(out),
            err: Box::new(err),
            answers: if asks {
                Answers::Terminal
            } else {
                Answers::Nobody
            },
            err_color: colored(err_is_terminal),
            err_is_terminal: err_is_terminal && !dumb && !settings.plain,
            err_width: match err_is_terminal && !settings.plain {
                true => width(&console::Term::stderr(), true, settings.columns),
                false => None,
            },
        };
        Self::new(streams, settings.verbosity, settings.json)
    }

    /// Other streams.
    #[must_use]
    pub fn new(streams: Streams, verbosity: Verbosity, json: bool) -> Self {
        let sink = |to| Mutex::new(Sink { to, closed: false });
        Self {
            out: sink(streams.out),
            err: Arc::new(sink(streams.err)),
            answers: streams.answers,
            look: streams.look,
            err_color: streams.err_color,
            err_is_terminal: streams.err_is_terminal,
            err_width: streams.err_width,
            verbosity,
            json,
            bar: Arc::default(),
            log: None,
            warnings: AtomicUsize::new(0),
        }
    }

    /// From now on everything that is said is written down, too.
    pub fn log_to(&mut self, log: LogFile) {
        self.log = Some(Arc::new(log));
    }

    /// Writes down what nobody is told.
    pub fn log(&self, level: &str, text: &str) {
        if let Some(log) = &self.log {
            log.say(level, text);
        }
    }

    /// A way to speak that outlives the borrow of this.
    #[must_use]
    pub fn voice(&self) -> Voice {
        Voice {
            err: Arc::clone(&self.err),
            bar: Arc::clone(&self.bar),
            quiet: self.verbosity == Verbosity::Quiet,
            log: self.log.clone(),
        }
    }

    /// What answers look like: for the views.
    #[must_use]
    pub const fn look(&self) -> &Look {
        &self.look
    }

    /// Whether answers are JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether reasons and evidence are wanted.
    #[must_use]
    pub fn is_verbose(&self) -> bool {
        self.verbosity == Verbosity::Verbose
    }

    /// Whether somebody can be asked.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        match &self.answers {
            Answers::Terminal => true,
            Answers::Nobody => false,
            Answers::Prepared(answers) => !lock(answers).is_empty(),
        }
    }

    /// The answer, on stdout.
    ///
    /// # Errors
    /// When stdout cannot be written (a full disk); a closed pipe is no error.
    pub fn answer(&self, text: impl Display) -> Result<(), CliError> {
        let mut text = text.to_string();
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.aside(|| lock(&self.out).write(&text))
            .map_err(|error| {
                CliError::new(Kind::World, error).context("could not write the answer to stdout")
            })
    }

    /// The answer as text, or with `--json` as JSON.
    ///
    /// # Errors
    /// See [`Ui::answer`].
    pub fn answer_either<T: Display>(
        &self,
        text: T,
        json: &impl serde::Serialize,
    ) -> Result<(), CliError> {
        if !self.json {
            return self.answer(self.look.words(&text.to_string()));
        }
        let json = serde_json::to_string_pretty(json)
            .map_err(|error| CliError::new(Kind::Bug, error).context("could not write JSON"))?;
        self.answer(json)
    }

    /// One line of a stream, on stdout. Whoever stops reading does not stop the work.
    pub fn event(&self, event: &serde_json::Value) {
        if let Some(log) = &self.log {
            log.event(event);
        }
        let _ = self.aside(|| lock(&self.out).write(&format!("{event}\n")));
    }

    /// What is being done; not when quiet.
    pub fn status(&self, text: impl Display) {
        let text = text.to_string();
        self.log("status", &text);
        if self.verbosity > Verbosity::Quiet {
            self.say(&text);
        }
    }

    /// What only a curious person wants to know.
    pub fn detail(&self, text: impl Display) {
        let text = text.to_string();
        self.log("detail", &text);
        if self.is_verbose() {
            self.say(&text);
        }
    }

    /// Something that is not as it should be.
    pub fn warning(&self, text: impl Display) {
        let text = text.to_string();
        self.log("warning", &text);
        self.warnings.fetch_add(1, Ordering::Relaxed);
        let head = self.paint("Warning:", console::Style::new().yellow().bold());
        self.say(&format!("{head} {text}"));
    }

    /// How many warnings there were.
    #[must_use]
    pub fn warnings(&self) -> usize {
        self.warnings.load(Ordering::Relaxed)
    }

    /// What to type next; not when quiet.
    pub fn hint(&self, text: impl Display) {
        let text = text.to_string();
        self.log("hint", &text);
        if self.verbosity > Verbosity::Quiet {
            let head = self.paint("Hint:", console::Style::new().cyan());
            self.say(&format!("{head} {text}"));
        }
    }

    /// The error that a command ends with.
    pub fn error(&self, error: &CliError) {
        self.end_progress();
        self.log("error", &error.render(false));
        self.say(&error.render(self.err_color));
    }

    /// Text as it is on stderr, without a line feed added: help and usage.
    pub fn raw_error(&self, text: &str) {
        // Nobody is left to tell when stderr itself fails.
        let _ = self.aside(|| lock(&self.err).write(text));
    }

    /// Asks for `expected` in letters (`y`, `yes`, a number). Anything that is neither that nor a no
    /// is asked again.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] on Ctrl-C.
    pub fn confirm(&self, question: &str, expected: &str) -> Result<bool, CliError> {
        for _ in 0..3 {
            let Some(answer) = self.ask(question)? else {
                return Ok(false);
            };
            let answer = answer.trim().to_lowercase();
            if answer == expected.to_lowercase() || (expected == "y" && answer == "yes") {
                return Ok(true);
            }
            if ["", "n", "no", "q", "quit"].contains(&answer.as_str()) {
                return Ok(false);
            }
            self.say(&format!(
                "Type {expected} to go on, or n to leave everything as it is."
            ));
        }
        Ok(false)
    }

    /// Asks for a line; `None` when nobody is there, or the input ended.
    ///
    /// # Errors
    /// [`Kind::Interrupted`] on Ctrl-C.
    pub fn ask(&self, question: &str) -> Result<Option<String>, CliError> {
        self.end_progress();
        match &self.answers {
            Answers::Nobody => Ok(None),
            Answers::Prepared(answers) => {
                let answer = lock(answers).pop_front();
                self.say(&format!(
                    "{question}: {}",
                    answer.as_deref().unwrap_or_default()
                ));
                Ok(answer)
            }
            Answers::Terminal => match self.err_width {
                // What is typed needs room: a prompt that runs over its line is drawn twice.
                Some(columns) if text_width(question) + ROOM > columns => {
                    self.say(question);
                    ask_terminal("Answer")
                }
                _ => ask_terminal(question),
            },
        }
    }

    /// Draws progress over `length` steps on a terminal, until [`Ui::end_progress`].
    pub fn begin_progress(&self, length: u64, what: &str) {
        if self.verbosity == Verbosity::Quiet || !self.err_is_terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{prefix} [{bar:24}] {pos}/{len} {wide_msg}");
        bar.set_style(
            style
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        bar.set_prefix(what.to_owned());
        *lock(&self.bar) = Some(bar);
    }

    /// Draws that something is going on whose end is not known.
    pub fn begin_spinner(&self, what: &str) {
        if self.verbosity == Verbosity::Quiet || !self.err_is_terminal {
            return;
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        *lock(&self.bar) = Some(bar);
    }

    /// Tells of a long reading, for whoever reports how far it is: drawn on a terminal, elsewhere in
    /// a line after the first second and then every ten. Not when quiet.
    pub fn reporter<T: Display>(&self, what: &'static str) -> Option<Reporter<T>> {
        if self.verbosity == Verbosity::Quiet {
            return None;
        }
        self.begin_spinner(what);
        if let Some(bar) = lock(&self.bar).clone() {
            return Some(Box::new(move |progress: &T| {
                bar.set_message(format!("{what}: {progress}"));
            }));
        }
        let (err, due) = (
            Arc::clone(&self.err),
            Mutex::new(Instant::now() + FIRST_LINE),
        );
        Some(Box::new(move |progress: &T| {
            let mut due = lock(&due);
            if Instant::now() >= *due {
                *due = Instant::now() + NEXT_LINE;
                // Nobody is left to tell when stderr itself fails.
                let _ = lock(&err).write(&format!("{what}: {progress}\n"));
            }
        }))
    }

    /// So many steps are done, and this one is next.
    pub fn step(&self, done: u64, next: &str) {
        if let Some(bar) = &*lock(&self.bar) {
            bar.set_position(done);
            bar.set_message(next.to_owned());
        }
    }

    /// Takes the drawn progress away.
    pub fn end_progress(&self) {
        if let Some(bar) = lock(&self.bar).take() {
            bar.finish_and_clear();
        }
    }

    fn say(&self, text: &str) {
        // Nobody is left to tell when stderr itself fails.
        let text = self.look.words(text);
        let text = match self.err_width {
            Some(columns) => folded(&text, columns),
            None => text.into_owned(),
        };
        let _ = self.aside(|| lock(&self.err).write(&format!("{text}\n")));
    }

    /// Writes while no progress is drawn.
    fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        beside(&self.bar, write)
    }

    fn paint(&self, text: &str, style: console::Style) -> String {
        style
            .force_styling(self.err_color)
            .apply_to(text)
            .to_string()
    }
}

/// Columns of the terminal; `None` (unlimited) for a file or pipe. `COLUMNS` wins.
fn width(terminal: &console::Term, is_terminal: bool, columns: Option<usize>) -> Option<usize> {
    columns.or_else(|| {
        let size = is_terminal.then(|| terminal.size_checked());
        size.flatten()
            .map(|(_, columns)| usize::from(columns).max(20))
    })
}

fn ask_terminal(question: &str) -> Result<Option<String>, CliError> {
    let asked = dialoguer::Input::<String>::new()
        .with_prompt(question)
        .allow_empty(true)
        .interact_text();
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(dialoguer::Error::IO(error)) => match error.kind() {
            io::ErrorKind::Interrupted => Err(CliError::message(Kind::Interrupted, "interrupted")),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotConnected => Ok(None),
            _ => Err(CliError::new(Kind::World, error).context("could not ask")),
        },
    }
}

/// A writer that panicked has written what it could; the rest is still worth writing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod recorded {
    //! A [`Ui`] that remembers what it wrote.

    use std::sync::Arc;

    use super::*;

    /// What was written.
    #[derive(Clone, Default)]
    pub(crate) struct Recording {
        pub(crate) out: Arc<Mutex<Vec<u8>>>,
        pub(crate) err: Arc<Mutex<Vec<u8>>>,
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Recording {
        pub(crate) fn out(&self) -> String {
            String::from_utf8(self.out.lock().unwrap().clone()).unwrap()
        }

        pub(crate) fn err(&self) -> String {
            String::from_utf8(self.err.lock().unwrap().clone()).unwrap()
        }
    }

    /// A terminal-less [`Ui`] with prepared answers.
    pub(crate) fn ui(verbosity: Verbosity, json: bool, answers: &[&str]) -> (Ui, Recording) {
        let recording = Recording::default();
        let streams = Streams {
            out: Box::new(Shared(recording.out.clone())),
            err: Box::new(Shared(recording.err.clone())),
            answers: Answers::Prepared(Mutex::new(
                answers.iter().map(|text| (*text).to_owned()).collect(),
            )),
            look: Look::plain(),
            err_color: false,
            err_is_terminal: false,
            err_width: None,
        };
        (Ui::new(streams, verbosity, json), recording)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_conversation_go_different_ways() {
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, &[]);
        ui.answer("No changes.").unwrap();
        ui.status("Reading TIDAL");
        ui.detail("only when verbose");
        ui.warning("2 files have broken tags");
        ui.hint("type something");
        assert_eq!(seen.out(), "No changes.\n");
        assert_eq!(
            seen.err(),
            "Reading TIDAL\nWarning: 2 files have broken tags\nHint: type something\n"
        );
    }

    #[test]
    fn quiet_keeps_warnings_and_answers() {
        let (ui, seen) = recorded::ui(Verbosity::Quiet, false, &[]);
        ui.answer("No changes.").unwrap();
        ui.status("Reading TIDAL");
        ui.hint("type something");
        ui.warning("broken tags");
        assert_eq!(
            (seen.out().as_str(), seen.err().as_str()),
            ("No changes.\n", "Warning: broken tags\n")
        );
    }

    #[test]
    fn a_wrong_word_is_asked_again_and_nothing_means_no() {
        let ask = |expected: &str, answers: &[&str]| {
            let (ui, _) = recorded::ui(Verbosity::Normal, false, answers);
            ui.confirm("Go on?", expected).unwrap()
        };
        assert!(ask("y", &["Y"]));
        assert!(ask("y", &["yes"]));
        assert!(ask("yes", &["y", "yes"]));
        assert!(ask("12", &["13", "12"]));
        assert!(!ask("yes", &["y", "sure", "ok", "yes"]));
        assert!(!ask("yes", &["n"]));
        assert!(!ask("yes", &[""]));
        assert!(!ask("yes", &[]));
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn broken(kind: io::ErrorKind) -> Ui {
        let streams = Streams {
            out: Box::new(Broken(kind)),
            err: Box::new(io::sink()),
            answers: Answers::Nobody,
            look: Look::plain(),
            err_color: false,
            err_is_terminal: false,
            err_width: None,
        };
        Ui::new(streams, Verbosity::Normal, false)
    }

    #[test]
    fn a_closed_pipe_ends_quietly_and_a_full_disk_does_not() {
        let pipe = broken(io::ErrorKind::BrokenPipe);
        assert!(pipe.answer("one").is_ok() && pipe.answer("two").is_ok());
        let disk = broken(io::ErrorKind::StorageFull);
        assert!(disk.answer("one").is_err());
    }

    #[test]
    fn json_is_the_same_answer_for_programs() {
        let (ui, seen) = recorded::ui(Verbosity::Normal, true, &[]);
        ui.answer_either("text", &serde_json::json!({"format": "x"}))
            .unwrap();
        assert_eq!(seen.out(), "{\n  \"format\": \"x\"\n}\n");
    }
}
