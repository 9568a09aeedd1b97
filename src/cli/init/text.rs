//! The policy that `init` writes: short, commented, with what was answered.

use std::path::Path;

use super::Answers;
use crate::cli::settings::Settings;

/// A download tool that we have a command for. None is ever taken without being named.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The program, and what `--download` calls it.
    pub name: &'static str,
    /// A policy that shows it.
    policy: &'static str,
    /// What to do before it works.
    pub before: &'static str,
}

/// The tools of `examples/policies`.
pub const PRESETS: &[Preset] = &[
    Preset {
        name: "tiddl",
        policy: include_str!("../../../examples/policies/tiddl.toml"),
        before: "`tiddl auth login` once",
    },
    Preset {
        name: "tidal-dl-ng",
        policy: include_str!("../../../examples/policies/tidal-dl-ng.toml"),
        before: "`tidal-dl-ng login` once, and examples/downloaders/tidal-dl-ng.sh in your PATH",
    },
];

impl Preset {
    /// Its command, as the example has it.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let table: Option<toml::Table> = self.policy.parse().ok();
        let command = table
            .as_ref()
            .and_then(|table| table.get("download")?.get("command")?.as_array());
        let words = command.into_iter().flatten();
        words
            .filter_map(|word| Some(word.as_str()?.to_owned()))
            .collect()
    }
}

/// The command that these words mean: a preset's name, `none`, or a command line as a shell reads it.
///
/// # Errors
/// In a sentence, when it cannot be one.
pub(super) fn download_command(words: &str) -> Result<Option<Vec<String>>, String> {
    let words = words.trim();
    if words.is_empty() || words == "none" {
        return Ok(None);
    }
    if let Some(preset) = PRESETS.iter().find(|preset| preset.name == words) {
        return Ok(Some(preset.command()));
    }
    let command = shlex::split(words).ok_or("a quotation mark is not closed")?;
    let has = |part: &str| command.iter().any(|word| word.contains(part));
    match (has("{url}") || has("{id}"), has("{dir}")) {
        (false, _) => {
            Err("it has neither {url} nor {id}, so it cannot know which track to fetch".to_owned())
        }
        (_, false) => Err("it has no {dir}, the folder that the file has to be left in".to_owned()),
        (true, true) => Ok(Some(command)),
    }
}

/// `~/Music/Tidal` where it is below the home folder: a policy without a user's name can be shared.
pub(super) fn shorten(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}

/// The policy. `language` are tables of an emoji language that was brought along; may be empty.
#[must_use]
pub fn policy_text(answers: &Answers, settings: &Settings, language: &str) -> String {
    let home = settings.around.home.as_deref();
    let root = quoted(&shorten(&answers.library, home));
    let format = quoted(answers.format.as_str());
    let playlists = list(&answers.playlists);
    let snapshot = match &answers.snapshot {
        Some(path) => format!(
            "\nsnapshot  = {}  # TIDAL is read from this file; without the line, from the service",
            quoted(&shorten(path, home))
        ),
        None => String::new(),
    };
    let download = match &answers.download {
        Some(command) => format!("command = {}", list(command)),
        None => "command = \"none\"  # such as [\"your-downloader\", \"{url}\", \"--output\", \"{dir}\"]; \
                 \"none\": new tracks wait"
            .to_owned(),
    };
    let database = match &answers.rekordbox {
        None => quoted("none"),
        Some(None) => quoted("auto"),
        Some(Some(path)) => quoted(&shorten(path, home)),
    };
    let mut text = format!(
        r#"# The policy of tidal-cleanup: what your library should look like. `tidal-cleanup policy check`
# finds slips, `tidal-cleanup plan` shows what would happen; nothing changes before `apply`.
version = 1

[library]
root   = {root}  # every managed playlist gets a folder in Playlists/ here
format = {format}  # keep what is downloaded, or: mp3, m4a, flac, wav, aiff

[tidal]
playlists = {playlists}  # which playlists: patterns on names, or ids
exclude   = ["Daily *"]{snapshot}

[download]
{download}

[rekordbox]
database = {database}   # auto | a path | "none"
folder   = "TIDAL"  # our playlists live below this folder
relocate = false    # true once you have checked that cues follow a file that moves: README, “Files that move”

[defaults]
playlist_removed = "soft-delete"  # gone from TIDAL: soft-delete | archive | remove
track_removed    = "keep-file"    # in no playlist any more: keep-file | trash

# What is never done, whatever the rest says.
[[protect]]
name = "cues"
when = {{ rekordbox.cues = ">=1" }}
deny = ["trash", "remove"]
"#
    );
    if !language.is_empty() {
        text.push_str("\n# From the Python tool: an emoji in a playlist's name tags its tracks in Rekordbox.\n");
        text.push_str(language.trim());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_whole_commands() {
        for preset in PRESETS {
            let command = download_command(preset.name).unwrap().unwrap();
            assert!(
                command.iter().any(|word| word.contains("{dir}")),
                "{command:?}"
            );
        }
        assert_eq!(download_command(" none ").unwrap(), None);
        assert_eq!(download_command("").unwrap(), None);
    }

    #[test]
    fn a_command_line_is_split_as_a_shell_does() {
        let command = download_command("get 'two words' {url} --to={dir}")
            .unwrap()
            .unwrap();
        assert_eq!(command, ["get", "two words", "{url}", "--to={dir}"]);
        for (bad, why) in [
            ("get {url} \"x", "not closed"),
            ("get --to {dir}", "neither {url} nor {id}"),
            ("get {id}", "no {dir}"),
        ] {
            assert!(download_command(bad).unwrap_err().contains(why), "{bad}");
        }
    }
}
