//! `config show`: every setting as it counts now, and who says so.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{
    cli::{
        args::ConfigCommand,
        engine::load_policy,
        error::{CliError, Exit},
        readings, server,
        settings::{POLICY_FILE, Settings},
        ui::Ui,
        view::{Envelope, Look, text},
    },
    edge::tidal::tokens::TokenFile,
    policy::{
        Policy,
        keys::{self, Shape},
    },
};

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Setting {
    name: String,
    /// As people write it; `null` where nothing is set.
    value: Option<String>,
    /// A flag, a variable, a place in the policy, or `default`.
    origin: String,
}

/// All of them.
#[derive(Debug, Serialize)]
struct Config {
    /// How the program runs.
    program: Vec<Setting>,
    /// What the policy says, key by key.
    policy: Vec<Setting>,
}

/// `config …`
///
/// # Errors
/// When the policy has mistakes.
pub fn config(settings: &Settings, ui: &Ui, command: &ConfigCommand) -> Result<Exit, CliError> {
    let ConfigCommand::Show { origin } = command;
    let path = settings.policy_path().ok();
    let policy = path
        .as_ref()
        .map(|_| load_policy(settings, ui))
        .transpose()?;
    let text = path
        .as_ref()
        .and_then(|path| std::fs::read_to_string(path).ok());
    let config = Config {
        program: program(settings, policy.as_ref())?,
        policy: of_policy(text.as_deref().unwrap_or_default()),
    };
    ui.answer_either(
        config.text(ui.look(), *origin),
        &Envelope::new("config", &config),
    )?;
    if path.is_none() {
        ui.hint(format!(
            "there is no {POLICY_FILE} yet; `tidal-cleanup init` writes one"
        ));
    }
    Ok(Exit::Done)
}

/// A setting in the making: the first source that has it wins.
fn setting(name: &str, sources: &[(&str, Option<String>)], default: Option<&str>) -> Setting {
    let said = sources
        .iter()
        .find_map(|(origin, value)| Some((origin, value.clone()?)));
    let (origin, value) = match said {
        Some((origin, value)) => ((*origin).to_owned(), Some(value)),
        None => ("default".to_owned(), default.map(str::to_owned)),
    };
    Setting {
        name: name.to_owned(),
        value,
        origin,
    }
}

fn program(settings: &Settings, policy: Option<&Policy>) -> Result<Vec<Setting>, CliError> {
    let around = &settings.around;
    let flags = &settings.flags;
    let shown = |path: &std::path::Path| path.display().to_string();
    let variable = |name: &str| around.variable(name);
    let place = settings.place(policy)?;
    let line = |section: &str, key: &str| {
        policy.and_then(|policy| {
            let text = std::fs::read_to_string(&policy.source.path).ok()?;
            line_of(&text, section, key).map(|line| format!("{POLICY_FILE}:{line}"))
        })
    };
    let policy_at = settings.policy_path().ok();
    let found = match settings.policy {
        Some(_) => "--policy",
        None => "found",
    };
    let state_line = line("state", "path").unwrap_or_default();
    let url = server::address(settings, policy).map(|url| hidden_password(&url));
    let url_line = line("state", "url").unwrap_or_default();
    let account_line = line("tidal", "account").unwrap_or_default();
    let database_line = line("rekordbox", "database").unwrap_or_default();
    let by_policy = |line: &str, value: Option<String>| value.filter(|_| !line.is_empty());
    let tidal = readings::tidal_settings(settings, &place)?;
    let stored = matches!(TokenFile::of(&tidal).load(), Ok(Some(_)));
    let state = shown(&place.db);
    let mut rows = vec![
        setting("policy", &[(found, policy_at.as_deref().map(shown))], None),
        setting(
            "state",
            &[
                ("--db", flags.db.then(|| state.clone())),
                (
                    "TIDAL_CLEANUP_DB_PATH",
                    settings.db.as_ref().map(|_| state.clone()),
                ),
                (&state_line, by_policy(&state_line, Some(state.clone()))),
            ],
            Some(&state),
        ),
        setting(
            "state on a server",
            &[
                (
                    "TIDAL_CLEANUP_DATABASE_URL",
                    settings.database_url.as_ref().and(url.clone()),
                ),
                (&url_line, by_policy(&url_line, url)),
            ],
            None,
        ),
        setting(
            "backups of the state",
            &[(
                "TIDAL_CLEANUP_DB_BACKUP_DIR",
                settings.backup_dir.as_deref().map(shown),
            )],
            Some(&shown(&settings.backups(&place.db))),
        ),
        setting(
            "backup before every apply",
            &[(
                "TIDAL_CLEANUP_DB_AUTO_BACKUP",
                variable("TIDAL_CLEANUP_DB_AUTO_BACKUP").map(|_| settings.auto_backup.to_string()),
            )],
            Some("true"),
        ),
        setting(
            "account",
            &[
                ("--account", settings.tidal.account.clone()),
                (
                    &account_line,
                    by_policy(&account_line, Some(place.account.clone())),
                ),
            ],
            Some(&place.account),
        ),
        setting(
            "client id",
            &[
                (
                    "TIDAL_CLEANUP_TIDAL_CLIENT_ID",
                    settings.tidal.client_id.clone(),
                ),
                ("the log-in", stored.then(|| "stored".to_owned())),
            ],
            None,
        ),
        setting(
            "Rekordbox",
            &[
                ("--rekordbox", settings.rekordbox.as_deref().map(shown)),
                (
                    &database_line,
                    by_policy(
                        &database_line,
                        policy.map(|_| "as the policy says".to_owned()),
                    ),
                ),
            ],
            Some("looked for"),
        ),
    ];
    for (name, what, default) in VARIABLES {
        rows.push(setting(
            what,
            &[(name, variable(name).map(|value| hidden_password(&value)))],
            *default,
        ));
    }
    let color = match settings.color {
        super::super::args::ColorWhen::Auto => None,
        super::super::args::ColorWhen::Always => Some("always".to_owned()),
        super::super::args::ColorWhen::Never => Some("never".to_owned()),
    };
    rows.push(setting(
        "colour",
        &[
            ("--plain", settings.plain.then(|| "never".to_owned())),
            ("--color", color),
            ("NO_COLOR", settings.no_color.then(|| "never".to_owned())),
        ],
        Some("on a terminal"),
    ));
    let log = settings.log_file.as_deref().map(shown);
    rows.push(setting(
        "log file",
        &[
            ("--log-file", log.clone().filter(|_| flags.log_file)),
            ("TIDAL_CLEANUP_LOG_FILE", log),
        ],
        None,
    ));
    Ok(rows)
}

/// Variables that count by themselves: name, what they are, what counts without them.
const VARIABLES: &[(&str, &str, Option<&str>)] = &[
    (
        "TIDAL_CLEANUP_TIDAL_API_URL",
        "TIDAL's API",
        Some("the service's"),
    ),
    (
        "TIDAL_CLEANUP_TIDAL_AUTH_URL",
        "TIDAL's tokens",
        Some("the service's"),
    ),
    (
        "TIDAL_CLEANUP_TIDAL_LOGIN_URL",
        "TIDAL's log-in",
        Some("the service's"),
    ),
    (
        "TIDAL_CLEANUP_TIDAL_PORTS",
        "ports of the log-in",
        Some("8765 and others"),
    ),
    ("TIDAL_CLEANUP_KEYRING", "the system's keyring", Some("on")),
    (
        "TIDAL_CLEANUP_VOLUMES",
        "where USB sticks are looked for",
        Some("the system's place"),
    ),
    (
        "TIDAL_CLEANUP_LOG_SQL",
        "SQL statements on stderr",
        Some("false"),
    ),
    ("BROWSER", "browser of the log-in", Some("the system's")),
];

/// An address without what stands between `//` and `@`.
fn hidden_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(start), Some(at)) if at > start + 3 => {
            let user = url[start + 3..at].split(':').next().unwrap_or_default();
            format!("{}{user}{}", &url[..start + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

/// What the policy says, key by key in the order of the language; tables of named things and lists of
/// tables are left to the file.
fn of_policy(text: &str) -> Vec<Setting> {
    let written = written(text);
    let mut rows = Vec::new();
    for section in keys::TOP {
        let Shape::Table(inner) = section.shape else {
            continue;
        };
        for key in inner {
            let name = format!("{}.{}", section.name, key.name);
            let said = written.get(&name);
            let origin = match said {
                Some((line, _)) => format!("{POLICY_FILE}:{line}"),
                None => "default".to_owned(),
            };
            let value = said.map(|(_, value)| value.clone());
            rows.push(Setting {
                value: value.or_else(|| key.default.map(str::to_owned)),
                name,
                origin,
            });
        }
    }
    rows
}

/// Every `section.key` of the text, with its line and its value.
fn written(text: &str) -> BTreeMap<String, (usize, String)> {
    let mut found = BTreeMap::new();
    let Ok(document) = toml_edit::Document::parse(text) else {
        return found;
    };
    for (section, item) in document.iter() {
        let Some(table) = item.as_table_like() else {
            continue;
        };
        for (key, value) in table.iter() {
            let span = table
                .key(key)
                .and_then(toml_edit::Key::span)
                .or_else(|| value.span());
            let line = span.map_or(0, |span| text[..span.start].matches('\n').count() + 1);
            let shown = value
                .to_string()
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ");
            found.insert(format!("{section}.{key}"), (line, shown));
        }
    }
    found
}

fn line_of(text: &str, section: &str, key: &str) -> Option<usize> {
    written(text)
        .get(&format!("{section}.{key}"))
        .map(|(line, _)| *line)
}

impl Config {
    fn text(&self, look: &Look, origin: bool) -> String {
        let mut lines = Vec::new();
        for (title, rows) in [("Program", &self.program), ("Policy", &self.policy)] {
            if !lines.is_empty() {
                lines.push(String::new());
            }
            lines.push(look.bold(title));
            let names = rows
                .iter()
                .map(|row| text::width(&row.name))
                .max()
                .unwrap_or(0);
            for row in rows {
                let value = text::visible(row.value.as_deref().unwrap_or("–")).into_owned();
                let origin = match origin {
                    true => format!("  {}", look.dim(&format!("({})", row.origin))),
                    false => String::new(),
                };
                lines.push(format!(
                    "  {}  {value}{origin}",
                    text::pad(&row.name, names)
                ));
            }
        }
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_every_key_is_known() {
        let text = "version = 1\n\n[library]\n# the folder\nroot = \"/m\" # here\ntidal.x = 1\n\
                    [tidal]\nplaylists = [\n  \"a\",\n  \"b\",\n]\n";
        let rows = of_policy(text);
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row("library.root").origin, "tidal-cleanup.toml:5");
        assert!(
            row("library.root")
                .value
                .as_deref()
                .unwrap()
                .starts_with("\"/m\"")
        );
        assert_eq!(row("tidal.playlists").origin, "tidal-cleanup.toml:8");
        assert_eq!(row("library.format").value.as_deref(), Some("\"keep\""));
        assert_eq!(row("library.format").origin, "default");
    }

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(
            hidden_password("postgres://dj:p@w@db/x"),
            "postgres://dj@db/x"
        );
        assert_eq!(hidden_password("postgres://db/x"), "postgres://db/x");
        assert_eq!(hidden_password("keyring@off"), "keyring@off");
    }

    #[test]
    fn the_first_source_wins() {
        let made = setting(
            "x",
            &[
                ("a", None),
                ("b", Some("1".into())),
                ("c", Some("2".into())),
            ],
            Some("3"),
        );
        assert_eq!(
            (made.value.as_deref(), made.origin.as_str()),
            (Some("1"), "b")
        );
        assert_eq!(setting("x", &[], Some("3")).origin, "default");
    }
}
