//! The questions of `init`. Each has a default, a flag that answers it, and a sentence that explains it.

use std::path::PathBuf;

use clap::ValueEnum as _;

use super::{
    Answers, Then,
    find::{Found, Rekordbox, audio_files},
    text::{PRESETS, download_command},
};
use crate::{
    cli::{
        args::{InitArgs, LibraryFormat},
        error::CliError,
        settings::Settings,
        ui::Ui,
        view::text::wrap,
    },
    policy::glob,
};

/// After so many answers that make no sense the questions end.
const PATIENCE: usize = 5;

/// Asks, where somebody is there to ask; what a flag answers is not asked.
pub(super) fn ask(
    ui: &Ui,
    settings: &Settings,
    args: &InitArgs,
    found: &Found,
) -> Result<Answers, CliError> {
    let desk = Desk {
        ui,
        asks: !args.yes && ui.can_ask(),
    };
    let library = library(&desk, settings, args, found)?;
    let there = audio_files(&library);
    if let Some(there) = &there {
        desk.tell(&format!(
            "It holds {there}: yours, until you hand them over."
        ));
    }
    let format = format(&desk, args, found)?;
    let snapshot = args
        .snapshot
        .as_deref()
        .map(|path| settings.around.absolute(path));
    if let Some(missing) = snapshot.as_ref().filter(|path| !path.is_file()) {
        return Err(CliError::user(format!("there is no {}", missing.display()))
            .hint("`tidal-cleanup snapshot tidal --out tidal.json` saves a reading"));
    }
    let playlists = playlists(&desk, args)?;
    let download = download(&desk, args, found)?;
    let rekordbox = rekordbox(&desk, settings, args, found)?;
    let peer = peer(&desk, settings, args, found)?;
    let log_in = log_in(&desk, settings, args, found, snapshot.is_some())?;
    let readable = snapshot.is_some() || found.logged_in || log_in.is_some();
    let import = import(&desk, args, there.as_deref(), peer.is_some(), readable)?;
    Ok(Answers {
        then: Then {
            plan: readable && !import && !args.no_plan,
            log_in_first: !readable,
            import,
            peer,
            log_in,
        },
        library,
        format,
        playlists,
        snapshot,
        download,
        rekordbox,
    })
}

/// Where the questions are asked.
struct Desk<'u> {
    ui: &'u Ui,
    asks: bool,
}

impl Desk<'_> {
    fn tell(&self, text: &str) {
        if self.asks {
            let columns = self.ui.look().width.unwrap_or(80).min(100);
            let lines = text.lines().flat_map(|line| match line {
                "" => vec![String::new()],
                line => wrap(line, columns),
            });
            self.ui.status(lines.collect::<Vec<_>>().join("\n"));
        }
    }

    /// Asks until the answer makes sense; an empty one is the default. Where nobody is asked, the
    /// default is the answer.
    fn text<T>(
        &self,
        explained: &str,
        question: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, CliError> {
        if !self.asks {
            return parse(default).map_err(CliError::user);
        }
        self.tell(&format!("\n{explained}"));
        for _ in 0..PATIENCE {
            let answer = self.ui.ask(&format!("{question} [{default}]"))?;
            let answer = answer.ok_or_else(CliError::declined)?;
            let answer = match answer.trim() {
                "" => default,
                typed => typed,
            };
            match parse(answer) {
                Ok(value) => return Ok(value),
                Err(why) => self.ui.status(format!("{why}.")),
            }
        }
        Err(CliError::declined())
    }

    /// A yes or no.
    fn yes(&self, explained: &str, question: &str, default: bool) -> Result<bool, CliError> {
        let shown = if default { "Y/n" } else { "y/N" };
        self.text(explained, question, shown, |answer| {
            match answer.to_lowercase().as_str() {
                "y/n" => Ok(default),
                "y" | "yes" => Ok(true),
                "n" | "no" => Ok(false),
                _ => Err("Type y or n".to_owned()),
            }
        })
    }
}

fn library(
    desk: &Desk<'_>,
    settings: &Settings,
    args: &InitArgs,
    found: &Found,
) -> Result<PathBuf, CliError> {
    let usable = |text: &str| {
        let path = settings.around.absolute(std::path::Path::new(text));
        if path.exists() && !path.is_dir() {
            return Err(format!("{} is not a folder", path.display()));
        }
        // The first that is there of the folders above: nothing can be made below a file.
        let above = path.ancestors().skip(1).find(|above| above.exists());
        if let Some(above) = above.filter(|above| !above.is_dir()) {
            return Err(format!(
                "{} cannot be made: {} is no folder",
                path.display(),
                above.display()
            ));
        }
        let home = settings.around.home.as_ref();
        if path.parent().is_none() || home == Some(&path) {
            return Err(format!(
                "{} is more than a music folder: name one below it",
                path.display()
            ));
        }
        Ok(path)
    };
    if let Some(named) = &args.library {
        let path = settings.around.absolute(named);
        return usable(&path.display().to_string())
            .map(|_| path)
            .map_err(CliError::user);
    }
    let home = settings.around.home.as_deref();
    let default = match home.and_then(|home| found.library.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => found.library.display().to_string(),
    };
    desk.text(
        "The library is the folder in which your playlists get their folders. It may hold music already, \
         and may lie on an external drive.",
        "Where shall the music from TIDAL live?",
        &default,
        usable,
    )
}

fn format(desk: &Desk<'_>, args: &InitArgs, found: &Found) -> Result<LibraryFormat, CliError> {
    let format = match args.format {
        Some(format) => format,
        None => desk.text(
            "Files can stay as they are downloaded, or be converted once, by ffmpeg.",
            "Format (keep, mp3, m4a, flac, wav, aiff)?",
            LibraryFormat::Keep.as_str(),
            |answer| {
                let none = || "It is one of keep, mp3, m4a, flac, wav, aiff".to_owned();
                LibraryFormat::from_str(answer, true).map_err(|_| none())
            },
        )?,
    };
    if format != LibraryFormat::Keep && !found.ffmpeg {
        desk.ui
            .warning("ffmpeg is not in PATH: install it before the first apply");
    }
    Ok(format)
}

fn playlists(desk: &Desk<'_>, args: &InitArgs) -> Result<Vec<String>, CliError> {
    let parse = |answer: &str| {
        let patterns: Vec<String> = answer.split(',').map(|p| p.trim().to_owned()).collect();
        match patterns
            .iter()
            .find_map(|pattern| glob::check(pattern).err())
        {
            Some(error) => Err(error.to_string()),
            None if patterns.iter().any(String::is_empty) => Err("A name is missing".to_owned()),
            None => Ok(patterns),
        }
    };
    if !args.playlists.is_empty() {
        return parse(&args.playlists.join(",")).map_err(CliError::user);
    }
    desk.text(
        "Which of your TIDAL playlists? Names or patterns, with commas between them; * is all. The policy \
         can say it more exactly later.",
        "Playlists?",
        "*",
        parse,
    )
}

fn download(
    desk: &Desk<'_>,
    args: &InitArgs,
    found: &Found,
) -> Result<Option<Vec<String>>, CliError> {
    if let Some(words) = &args.download {
        return download_command(words).map_err(CliError::user);
    }
    let known: Vec<String> = PRESETS
        .iter()
        .map(|preset| {
            let at = found
                .downloaders
                .iter()
                .find(|(name, _)| *name == preset.name);
            match at {
                Some((name, path)) => format!(
                    "{name} (found: {}; needs {})",
                    path.display(),
                    preset.before
                ),
                None => format!("{} (not found in PATH)", preset.name),
            }
        })
        .collect();
    desk.text(
        &format!(
            "New tracks are fetched by a program of yours; tidal-cleanup brings none. Known: {}. Or type its \
             whole command, with {{url}} or {{id}} and {{dir}}. With none, new tracks wait.",
            known.join(", ")
        ),
        "Download command?",
        "none",
        download_command,
    )
}

fn rekordbox(
    desk: &Desk<'_>,
    settings: &Settings,
    args: &InitArgs,
    found: &Found,
) -> Result<Option<Option<PathBuf>>, CliError> {
    if args.no_rekordbox {
        return Ok(None);
    }
    // A path that was typed belongs into the policy; one that was found is found again.
    let named = settings.rekordbox.clone();
    match &found.rekordbox {
        Rekordbox::None(why) => {
            desk.tell(&format!(
                "\nRekordbox: {why}. Plans go without it until it is found."
            ));
            Ok(Some(named))
        }
        Rekordbox::At(path) => {
            let explained = format!(
                "Rekordbox has its library at {}. Your playlists can stand there in a folder TIDAL, with \
                 MyTags; what is not ours is left alone, and it is backed up before every change.",
                path.display()
            );
            let wanted = desk.yes(&explained, "Keep Rekordbox in line, too?", true)?;
            Ok(wanted.then_some(named))
        }
    }
}

fn peer(
    desk: &Desk<'_>,
    settings: &Settings,
    args: &InitArgs,
    found: &Found,
) -> Result<Option<PathBuf>, CliError> {
    if let Some(named) = &args.from_peer {
        let path = settings.around.absolute(named);
        return match found.peer.is_some() {
            true => Ok(Some(path)),
            false => Err(CliError::user(format!(
                "{} has nothing of the Python tool",
                path.display()
            ))
            .hint("name the folder with its config/.env, or its sync.db")),
        };
    }
    let Some(folder) = found.peer.as_ref().filter(|_| !args.no_import) else {
        return Ok(None);
    };
    let explained = format!(
        "The Python tool's settings lie in {}. What it knows of your files and its emoji mapping can be taken \
         over; nothing of it is changed.",
        folder.display()
    );
    // Without a person only what a flag names is taken over.
    let wanted = desk.asks && desk.yes(&explained, "Take it over?", true)?;
    Ok(wanted.then(|| folder.clone()))
}

fn log_in(
    desk: &Desk<'_>,
    settings: &Settings,
    args: &InitArgs,
    found: &Found,
    has_snapshot: bool,
) -> Result<Option<Option<String>>, CliError> {
    if args.no_login || (has_snapshot && !args.login) {
        return Ok(None);
    }
    if found.logged_in && !args.login {
        desk.tell("\nYou are logged in to TIDAL.");
        return Ok(None);
    }
    let known = settings.tidal.client_id.is_some() || found.logged_in;
    if args.login {
        return Ok(Some(None));
    }
    if !desk.asks {
        return Ok(None);
    }
    if known {
        let explained =
            "Your playlists are read from TIDAL, and only read. The log-in opens in your browser.";
        return Ok(desk.yes(explained, "Log in now?", true)?.then_some(None));
    }
    let explained = "To read your playlists, TIDAL wants a client id of your own: register an app at \
                     https://developer.tidal.com with the redirect address http://127.0.0.1:8765/callback. \
                     Enter goes on without; `tidal-cleanup login` does it later.";
    let typed = desk.text(explained, "Client id?", "later", |answer| match answer {
        "later" => Ok(None),
        id if id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) =>
        {
            Ok(Some(id.to_owned()))
        }
        _ => Err("A client id has letters and digits only".to_owned()),
    })?;
    Ok(typed.map(Some))
}

fn import(
    desk: &Desk<'_>,
    args: &InitArgs,
    there: Option<&str>,
    from_peer: bool,
    readable: bool,
) -> Result<bool, CliError> {
    if args.no_import {
        return Ok(false);
    }
    if args.import || from_peer {
        return Ok(true);
    }
    let Some(there) = there.filter(|_| readable && desk.asks) else {
        return Ok(false);
    };
    let explained = format!(
        "The library has {there}. They can be matched with your playlists, so that nothing is downloaded that \
         you have; no file is changed by that."
    );
    desk.yes(&explained, "Match them now?", true)
}
