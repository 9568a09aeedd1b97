//! `[library]`: where the music lies and how it is named.

use std::path::{Path, PathBuf};

use super::{Surroundings, paths::path, sections::set};
use crate::{
    domain::{AudioFormat, LinkForm, MediaPath, Provenance},
    policy::{
        LibraryPolicy, Source,
        diagnostic::Code,
        document::{Table, Value},
        keys,
        template::{FILE_FIELDS, FILE_TEMPLATE, Template},
        values,
    },
};

const FORMATS: [(&str, Option<AudioFormat>); 6] = [
    ("keep", None),
    ("mp3", Some(AudioFormat::Mp3)),
    ("m4a", Some(AudioFormat::M4a)),
    ("flac", Some(AudioFormat::Flac)),
    ("wav", Some(AudioFormat::Wav)),
    ("aiff", Some(AudioFormat::Aiff)),
];

/// `[state] path`.
pub(super) fn state_path(top: &Table<'_>, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let table = top.table("state")?;
    table.only(keys::STATE);
    table
        .get("path")
        .and_then(|value| path(&value, surroundings))
}

/// `[state] require_approval`.
pub(super) fn required_approvals(top: &Table<'_>) -> usize {
    let value = top
        .table("state")
        .and_then(|table| table.get("require_approval"));
    value.and_then(|value| value.number(0..=100)).unwrap_or(0)
}

/// `[state] url`. A policy is shown, shared and hashed: a password has no place in it.
pub(super) fn state_url(top: &Table<'_>) -> Option<String> {
    let value = top.table("state")?.get("url")?;
    let text = value.text()?;
    let bad = |message: &str, help: &str| {
        value.report(Code::BadValue, message.to_owned(), Some(help.to_owned()));
        None
    };
    let rest = text
        .strip_prefix("postgres://")
        .or_else(|| text.strip_prefix("postgresql://"));
    let Some(rest) = rest else {
        return bad(
            "this is no address of a PostgreSQL database",
            "write it as \"postgres://user@host/database?sslmode=verify-full\"",
        );
    };
    let (before, query) = rest.split_once('?').unwrap_or((rest, ""));
    let user = before.rsplit_once('@').map_or("", |(user, _)| user);
    let named = query.split('&').any(|pair| pair.starts_with("password="));
    match user.contains(':') || named {
        true => bad(
            "a policy holds no password",
            "leave it out here: it comes from PGPASSWORD, the password file ~/.pgpass, or the whole \
             address from TIDAL_CLEANUP_DATABASE_URL",
        ),
        false => Some(text.to_owned()),
    }
}

pub(super) fn library(top: &Table<'_>, surroundings: &Surroundings<'_>) -> LibraryPolicy {
    let mut library = LibraryPolicy {
        root: PathBuf::new(),
        playlists: "Playlists".to_owned(),
        file: FILE_TEMPLATE.to_owned(),
        format: None,
        quality: "V0".to_owned(),
        sharing: LinkForm::M3u8,
        sources: Vec::new(),
        hash_always: false,
    };
    if top
        .need("library", "[library]\nroot = \"~/Music/Tidal\"")
        .is_none()
    {
        return library;
    }
    let Some(table) = top.table("library") else {
        return library;
    };
    table.only(keys::LIBRARY);
    let root = table.need("root", "root = \"~/Music/Tidal\"");
    set(
        &mut library.root,
        root.and_then(|value| path(&value, surroundings)),
    );
    set(
        &mut library.playlists,
        table
            .get("playlists")
            .and_then(|value| inner_folder(&value)),
    );
    set(
        &mut library.file,
        table.get("file").and_then(|value| file_template(&value)),
    );
    set(
        &mut library.format,
        table.get("format").and_then(|value| value.word(&FORMATS)),
    );
    set(
        &mut library.quality,
        table
            .get("quality")
            .and_then(|value| quality(&value, library.format)),
    );
    let forms = [
        ("m3u8", LinkForm::M3u8),
        ("hardlink", LinkForm::Hardlink),
        ("copy", LinkForm::Copy),
    ];
    set(
        &mut library.sharing,
        table.get("sharing").and_then(|value| value.word(&forms)),
    );
    let hashes = [("needed", false), ("always", true)];
    set(
        &mut library.hash_always,
        table.get("hash").and_then(|value| value.word(&hashes)),
    );
    if let Some(value) = table.get("sources") {
        library.sources = sources(&value, &library.root, surroundings);
    }
    library
}

/// A folder below the library root; empty for the root itself.
fn inner_folder(value: &Value<'_>) -> Option<String> {
    let text = value.text()?;
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let folder = parts.join("/");
    let inside = !text.starts_with('/')
        && (folder.is_empty() || MediaPath::new(folder.as_str()).is_safe())
        && !text.contains('\\');
    if !inside || parts.first() == Some(&".tidal-cleanup") {
        let message = format!("`{text}` is no folder below the library root");
        value.report(
            Code::BadPath,
            message,
            Some("such as `Playlists`".to_owned()),
        );
        return None;
    }
    Some(folder)
}

fn file_template(value: &Value<'_>) -> Option<String> {
    let text = value.name()?;
    match Template::parse(text, &FILE_FIELDS) {
        Err(error) => {
            let help = format!("a file has {}", FILE_FIELDS.join(", "));
            value.report_within(
                Code::BadTemplate,
                &error.at(),
                error.to_string(),
                Some(help),
            );
            None
        }
        Ok(template) => {
            if template.fields().next().is_none() {
                let message = "every track would get the same file name".to_owned();
                value.report(
                    Code::BadTemplate,
                    message,
                    Some(format!("such as `{FILE_TEMPLATE}`")),
                );
            }
            if let Some(at) = text.find('/') {
                let message = "a file name has no folders".to_owned();
                value.report_within(Code::BadTemplate, &(at..at + 1), message, None);
            }
            Some(text.to_owned())
        }
    }
}

fn quality(value: &Value<'_>, format: Option<AudioFormat>) -> Option<String> {
    let check = |text: &str| values::is_quality(text).then(|| text.to_owned());
    let what = "quality: `V0`, `320k` or `lossless`";
    let quality = value.parsed(Code::BadValue, what, check)?;
    if quality == "lossless" && matches!(format, Some(AudioFormat::Mp3 | AudioFormat::M4a)) {
        let message = "this format is never lossless".to_owned();
        let help = "take `flac`, `wav` or `aiff`, or a quality such as `V0`".to_owned();
        value.report(Code::Contradiction, message, Some(help));
    }
    Some(quality)
}

fn sources(value: &Value<'_>, root: &Path, surroundings: &Surroundings<'_>) -> Vec<Source> {
    let mut sources: Vec<Source> = Vec::new();
    for item in value.items() {
        let Some(source) = source(&item, surroundings) else {
            continue;
        };
        let others = sources.iter().map(|source| source.path.as_path());
        let overlap = std::iter::once(root)
            .chain(others)
            .filter(|other| !other.as_os_str().is_empty())
            .any(|other| other.starts_with(&source.path) || source.path.starts_with(other));
        if overlap {
            let message = "this folder and another one of the policy hold each other".to_owned();
            let help = "a file would be seen twice".to_owned();
            item.report(Code::Contradiction, message, Some(help));
        }
        sources.push(source);
    }
    sources
}

fn source(item: &Value<'_>, surroundings: &Surroundings<'_>) -> Option<Source> {
    let mut provenance = Provenance::Foreign;
    if item.is_text() {
        let path = path(item, surroundings)?;
        return Some(Source { path, provenance });
    }
    let table = item.table()?;
    table.only(keys::SOURCE);
    let known = [
        ("foreign", Provenance::Foreign),
        ("adopted", Provenance::Adopted),
    ];
    set(
        &mut provenance,
        table.get("provenance").and_then(|value| value.word(&known)),
    );
    let place = table.need("path", "path = \"~/Music/Bandcamp\"")?;
    let path = path(&place, surroundings)?;
    Some(Source { path, provenance })
}
