//! What `init` finds on this machine before it asks: everything here only looks.

use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::{
    cli::{
        engine::{Located, locate_rekordbox},
        readings,
        settings::Settings,
        view::text::count,
    },
    domain::AudioFormat,
    edge::{peer::Peer, tidal::tokens::TokenFile},
};

use super::text::PRESETS;

/// So many audio files are counted, then it is said that there are more.
const COUNTED: usize = 5_000;

/// What is there.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The folder that is proposed for the library; absolute.
    pub library: PathBuf,
    /// The Rekordbox library, or why there is none in sight.
    pub rekordbox: Rekordbox,
    /// Download tools that we have a command for, and where they are.
    pub downloaders: Vec<(&'static str, PathBuf)>,
    /// Whether ffmpeg can be run by its name.
    pub ffmpeg: bool,
    /// The folder of the Python tool, when the working folder is one of it.
    pub peer: Option<PathBuf>,
    /// The emoji language of the Python tool.
    pub mapping: Option<PathBuf>,
    /// Whether somebody is logged in to TIDAL.
    pub logged_in: bool,
}

/// The Rekordbox library of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rekordbox {
    /// There.
    At(PathBuf),
    /// Not there; in words.
    None(String),
}

impl Default for Rekordbox {
    fn default() -> Self {
        Self::None(String::new())
    }
}

/// Looks around. A thing that cannot be looked at counts as absent: `doctor` tells more of it.
pub async fn look_around(settings: &Settings, from_peer: Option<&Path>) -> Found {
    let around = &settings.around;
    let path = around.variable("PATH").unwrap_or_default();
    let program = |name: &str| program(&path, name);
    let place = settings.place(None);
    let tokens = place
        .ok()
        .and_then(|place| readings::tidal_settings(settings, &place).ok());
    let at = from_peer.map_or_else(|| around.cwd.clone(), |path| around.absolute(path));
    let peer = Peer::read(&at, around.home.as_deref()).await.ok();
    let peer =
        peer.filter(|peer| from_peer.is_some() || peer.env.is_some() || peer.mapping.is_some());
    let music = peer
        .as_ref()
        .and_then(|peer| peer.env.as_ref()?.mp3.clone());
    Found {
        library: music
            .filter(|path| path.is_dir())
            .unwrap_or_else(|| library(settings)),
        rekordbox: rekordbox(settings),
        downloaders: PRESETS
            .iter()
            .filter_map(|preset| Some((preset.name, program(preset.name)?)))
            .collect(),
        ffmpeg: program("ffmpeg").is_some(),
        mapping: peer.as_ref().and_then(|peer| peer.mapping.clone()),
        peer: peer.map(|_| at),
        logged_in: tokens.is_some_and(|tidal| matches!(TokenFile::of(&tidal).load(), Ok(Some(_)))),
    }
}

fn rekordbox(settings: &Settings) -> Rekordbox {
    match locate_rekordbox(None, settings) {
        Ok(Located::At(path, _)) => Rekordbox::At(path),
        Ok(Located::Missing(path)) => Rekordbox::None(format!("none at {}", path.display())),
        Ok(Located::Unwanted | Located::Elsewhere) => {
            Rekordbox::None("it does not run on this system".to_owned())
        }
        Err(error) => Rekordbox::None(error.to_string()),
    }
}

/// A folder of the user's music folder that is called after TIDAL, or the one to make there.
fn library(settings: &Settings) -> PathBuf {
    let music = music_folder(settings);
    let named = |entry: &std::fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().to_lowercase();
        name == "tidal" && entry.path().is_dir()
    };
    let entries = std::fs::read_dir(&music).into_iter().flatten().flatten();
    let found = entries.filter(named).map(|entry| entry.path()).min();
    found.unwrap_or_else(|| music.join("Tidal"))
}

/// `~/Music`, or what the desktop calls it (`user-dirs.dirs` of the XDG specification).
fn music_folder(settings: &Settings) -> PathBuf {
    let around = &settings.around;
    let config = around
        .variable("XDG_CONFIG_HOME")
        .map_or_else(|| around.absolute(Path::new("~/.config")), PathBuf::from);
    let text = std::fs::read_to_string(config.join("user-dirs.dirs")).unwrap_or_default();
    let named = text.lines().find_map(|line| {
        let value = line
            .trim()
            .strip_prefix("XDG_MUSIC_DIR=")?
            .trim_matches('"');
        let below = value
            .strip_prefix("$HOME/")
            .filter(|below| !below.is_empty());
        Some(match below {
            Some(below) => around.absolute(&Path::new("~").join(below)),
            None => PathBuf::from(value),
        })
    });
    let usual = around.absolute(Path::new("~/Music"));
    named
        .filter(|path| path.is_dir() && Some(path) != around.home.as_ref())
        .unwrap_or(usual)
}

/// The first folder of `PATH` that has a file of that name.
fn program(path: &str, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
        .find(|file| file.is_file())
}

/// How many audio files lie below the folder: `12 audio files`, `more than 5,000 audio files`.
#[must_use]
pub fn audio_files(folder: &Path) -> Option<String> {
    const ONE: &str = "audio file";
    const MANY: &str = "audio files";
    let is_audio = |entry: &walkdir::DirEntry| {
        let extension = entry
            .path()
            .extension()
            .map(|e| e.to_string_lossy().to_lowercase());
        entry.file_type().is_file()
            && extension.is_some_and(|e| AudioFormat::from_extension(&e).is_some())
    };
    let files = WalkDir::new(folder).into_iter().flatten();
    match files.filter(is_audio).take(COUNTED + 1).count() {
        0 => None,
        n if n > COUNTED => Some(format!("more than {}", count(COUNTED, ONE, MANY))),
        n => Some(count(n, ONE, MANY)),
    }
}
