//! The tables with one meaning each: `[library]` to `[own]`.

use std::{
    path::{Component, Path, PathBuf},
    time::Duration,
};

use super::{Surroundings, duration, texts};
use crate::{
    domain::LinkForm,
    domain::{AudioFormat, MediaPath, Provenance},
    policy::{
        Defaults, DownloadPolicy, LibraryPolicy, Limit, MatchPolicy, Owner, Ownership,
        PlaylistRemoved, RekordboxDatabase, RekordboxPolicy, Rolling, Safety, Source, SyncMode,
        TidalPolicy, TrackRemoved, TrashPolicy, WorkAtRisk,
        diagnostic::Code,
        document::{Table, Value},
        glob,
        template::{FILE_FIELDS, FILE_TEMPLATE, Template},
        values,
    },
};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) const MODES: [(&str, SyncMode); 3] = [
    ("manage", SyncMode::Manage),
    ("additive", SyncMode::Additive),
    ("observe", SyncMode::Observe),
];

const FORMATS: [(&str, Option<AudioFormat>); 6] = [
    ("keep", None),
    ("mp3", Some(AudioFormat::Mp3)),
    ("m4a", Some(AudioFormat::M4a)),
    ("flac", Some(AudioFormat::Flac)),
    ("wav", Some(AudioFormat::Wav)),
    ("aiff", Some(AudioFormat::Aiff)),
];

/// What stands in the download command for the track.
const PLACEHOLDERS: [&str; 4] = ["url", "id", "dir", "name"];

pub(super) fn library(top: &Table<'_>, surroundings: &Surroundings<'_>) -> LibraryPolicy {
    let mut library = LibraryPolicy {
        root: PathBuf::new(),
        playlists: "Playlists".to_owned(),
        file: FILE_TEMPLATE.to_owned(),
        format: None,
        quality: "V0".to_owned(),
        sharing: LinkForm::M3u8,
        sources: Vec::new(),
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
    table.only(&[
        "root",
        "playlists",
        "file",
        "format",
        "quality",
        "sharing",
        "sources",
    ]);
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
    if let Some(value) = table.get("sources") {
        library.sources = sources(&value, &library.root, surroundings);
    }
    library
}

pub(super) fn tidal(top: &Table<'_>, surroundings: &Surroundings<'_>) -> TidalPolicy {
    let mut tidal = TidalPolicy {
        playlists: vec!["*".to_owned()],
        exclude: Vec::new(),
        favorites: false,
        country: None,
        snapshot: None,
        account: "default".to_owned(),
    };
    let Some(table) = top.table("tidal") else {
        return tidal;
    };
    table.only(&[
        "playlists",
        "exclude",
        "favorites",
        "country",
        "snapshot",
        "account",
    ]);
    for key in ["playlists", "exclude"] {
        check_globs(&table, key);
    }
    set(&mut tidal.playlists, texts(&table, "playlists"));
    set(&mut tidal.exclude, texts(&table, "exclude"));
    set(
        &mut tidal.favorites,
        table.get("favorites").and_then(|value| value.flag()),
    );
    let country = |text: &str| {
        let shaped = text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        shaped.then(|| text.to_owned())
    };
    tidal.country = table
        .get("country")
        .and_then(|value| value.parsed(Code::BadValue, "country code: `DE` or `US`", country));
    tidal.snapshot = table
        .get("snapshot")
        .and_then(|value| path(&value, surroundings));
    set(
        &mut tidal.account,
        table
            .get("account")
            .and_then(|value| value.name().map(str::to_owned)),
    );
    tidal
}

pub(super) fn download(top: &Table<'_>) -> DownloadPolicy {
    let mut download = DownloadPolicy {
        command: None,
        parallel: 2,
        timeout: Duration::from_secs(600),
        ffmpeg: "ffmpeg".to_owned(),
    };
    let Some(table) = top.table("download") else {
        return download;
    };
    table.only(&["command", "parallel", "timeout", "ffmpeg"]);
    download.command = table.get("command").and_then(|value| command(&value));
    set(
        &mut download.parallel,
        table.get("parallel").and_then(|value| value.number(1..=32)),
    );
    if let Some(value) = table.get("timeout")
        && let Some(timeout) = duration(&value)
    {
        if timeout.is_zero() {
            value.report(
                Code::BadValue,
                "a `timeout` of nothing lets nothing finish".to_owned(),
                None,
            );
        }
        download.timeout = timeout;
    }
    set(
        &mut download.ffmpeg,
        table
            .get("ffmpeg")
            .and_then(|value| value.name().map(str::to_owned)),
    );
    download
}

pub(super) fn rekordbox(top: &Table<'_>, surroundings: &Surroundings<'_>) -> RekordboxPolicy {
    let mut rekordbox = RekordboxPolicy {
        database: RekordboxDatabase::Auto,
        folder: vec!["TIDAL".to_owned()],
        write: true,
        xml: None,
        relocate: true,
    };
    let Some(table) = top.table("rekordbox") else {
        return rekordbox;
    };
    table.only(&["database", "folder", "write", "xml", "relocate"]);
    if let Some(value) = table.get("database") {
        let database = match value.text() {
            Some("auto") => Some(RekordboxDatabase::Auto),
            Some("none") => Some(RekordboxDatabase::None),
            Some(_) => path(&value, surroundings).map(RekordboxDatabase::At),
            None => None,
        };
        set(&mut rekordbox.database, database);
    }
    let folder = table.get("folder").and_then(|value| value.text());
    set(&mut rekordbox.folder, folder.map(folder_parts));
    set(
        &mut rekordbox.write,
        table.get("write").and_then(|value| value.flag()),
    );
    rekordbox.xml = table
        .get("xml")
        .and_then(|value| path(&value, surroundings));
    set(
        &mut rekordbox.relocate,
        table.get("relocate").and_then(|value| value.flag()),
    );
    rekordbox
}

pub(super) fn defaults(top: &Table<'_>) -> Defaults {
    let mut defaults = Defaults {
        playlist_removed: PlaylistRemoved::SoftDelete,
        track_removed: TrackRemoved::KeepFile,
        mode: SyncMode::Manage,
        at: crate::policy::Place::default(),
    };
    let Some(table) = top.table("defaults") else {
        return defaults;
    };
    table.only(&[
        "playlist_removed",
        "track_removed",
        "unavailable_on_tidal",
        "mode",
    ]);
    defaults.at = table.place();
    let playlist = [
        ("soft-delete", PlaylistRemoved::SoftDelete),
        ("archive", PlaylistRemoved::Archive),
        ("remove", PlaylistRemoved::Remove),
    ];
    set(
        &mut defaults.playlist_removed,
        table
            .get("playlist_removed")
            .and_then(|value| value.word(&playlist)),
    );
    let track = [
        ("keep-file", TrackRemoved::KeepFile),
        ("trash", TrackRemoved::Trash),
    ];
    set(
        &mut defaults.track_removed,
        table
            .get("track_removed")
            .and_then(|value| value.word(&track)),
    );
    if let Some(value) = table.get("unavailable_on_tidal") {
        value.word(&[("keep", ())]);
    }
    set(
        &mut defaults.mode,
        table.get("mode").and_then(|value| value.word(&MODES)),
    );
    defaults
}

pub(super) fn safety(top: &Table<'_>) -> Safety {
    let mut safety = Safety {
        max_remove: Limit {
            count: Some(25),
            percent: Some(5),
            min: 10,
        },
        max_remove_per_playlist: Limit {
            count: None,
            percent: Some(50),
            min: 10,
        },
        rolling: Rolling {
            count: 100,
            window: DAY * 7,
        },
        min_files_seen: 90,
        work_at_risk: WorkAtRisk::Ask,
        plan_max_age: DAY,
        at: crate::policy::Place::default(),
    };
    let Some(table) = top.table("safety") else {
        return safety;
    };
    table.only(&[
        "max_remove",
        "max_remove_per_playlist",
        "rolling",
        "min_files_seen",
        "work_at_risk",
        "plan_max_age",
    ]);
    safety.at = table.place();
    set(
        &mut safety.max_remove,
        table.get("max_remove").and_then(|value| limit(&value)),
    );
    set(
        &mut safety.max_remove_per_playlist,
        table
            .get("max_remove_per_playlist")
            .and_then(|value| limit(&value)),
    );
    if let Some(rolling) = table.table("rolling") {
        rolling.only(&["count", "window"]);
        set(
            &mut safety.rolling.count,
            rolling
                .need("count", "count = 100")
                .and_then(|value| value.number(0..=i64::from(u32::MAX))),
        );
        set(
            &mut safety.rolling.window,
            rolling
                .need("window", "window = \"7d\"")
                .and_then(|value| duration(&value)),
        );
    }
    set(
        &mut safety.min_files_seen,
        table
            .get("min_files_seen")
            .and_then(|value| value.number(0..=100)),
    );
    let risk = [
        ("ask", WorkAtRisk::Ask),
        ("deny", WorkAtRisk::Deny),
        ("allow", WorkAtRisk::Allow),
    ];
    set(
        &mut safety.work_at_risk,
        table
            .get("work_at_risk")
            .and_then(|value| value.word(&risk)),
    );
    set(
        &mut safety.plan_max_age,
        table.get("plan_max_age").and_then(|value| duration(&value)),
    );
    safety
}

pub(super) fn trash(top: &Table<'_>) -> TrashPolicy {
    let mut trash = TrashPolicy {
        keep: DAY * 30,
        max_bytes: 50 << 30,
    };
    let Some(table) = top.table("trash") else {
        return trash;
    };
    table.only(&["keep", "max_bytes"]);
    set(
        &mut trash.keep,
        table.get("keep").and_then(|value| duration(&value)),
    );
    let bytes = table
        .get("max_bytes")
        .and_then(|value| match value.is_number() {
            true => value.number(0..=i64::MAX),
            false => value.parsed(Code::BadValue, "size: `50GiB` or `500MB`", values::size),
        });
    set(&mut trash.max_bytes, bytes);
    trash
}

pub(super) fn matching(top: &Table<'_>) -> MatchPolicy {
    let mut matching = MatchPolicy {
        auto: 97,
        ask: 80,
        duration_tolerance: Duration::from_secs(3),
        veto_version: true,
        veto_duration: true,
    };
    let Some(table) = top.table("match") else {
        return matching;
    };
    table.only(&["auto", "ask", "duration_tolerance", "veto"]);
    set(
        &mut matching.auto,
        table.get("auto").and_then(|value| value.number(0..=100)),
    );
    let ask = table.get("ask");
    set(
        &mut matching.ask,
        ask.as_ref().and_then(|value| value.number(0..=100)),
    );
    if matching.ask > matching.auto {
        let message = format!(
            "`ask` ({}) is above `auto` ({}): nothing would ever be asked",
            matching.ask, matching.auto
        );
        match ask.or_else(|| table.get("auto")) {
            Some(value) => value.report(Code::Contradiction, message, None),
            None => table.report(Code::Contradiction, message, None),
        }
    }
    set(
        &mut matching.duration_tolerance,
        table
            .get("duration_tolerance")
            .and_then(|value| duration(&value)),
    );
    if let Some(value) = table.get("veto") {
        let items = value.items();
        let vetoes: Vec<&str> = items
            .iter()
            .filter_map(|item| item.word(&[("version", "version"), ("duration", "duration")]))
            .collect();
        matching.veto_version = vetoes.contains(&"version");
        matching.veto_duration = vetoes.contains(&"duration");
    }
    matching
}

pub(super) fn ownership(top: &Table<'_>) -> Ownership {
    let mut own = Ownership {
        title: Owner::Tidal,
        artist: Owner::Tidal,
        album: Owner::Tidal,
        year: Owner::Tidal,
        genre: Owner::Rekordbox,
        rating: Owner::Rekordbox,
    };
    let Some(table) = top.table("own") else {
        return own;
    };
    table.only(&["title", "artist", "album", "year", "genre", "rating"]);
    let owners = [("tidal", Owner::Tidal), ("rekordbox", Owner::Rekordbox)];
    for (key, owner) in [
        ("title", &mut own.title),
        ("artist", &mut own.artist),
        ("album", &mut own.album),
        ("year", &mut own.year),
        ("genre", &mut own.genre),
        ("rating", &mut own.rating),
    ] {
        set(owner, table.get(key).and_then(|value| value.word(&owners)));
    }
    own
}

/// `{ count = 25, percent = 5, min = 10 }`, or a bare count.
pub(super) fn limit(value: &Value<'_>) -> Option<Limit> {
    let most = i64::from(u32::MAX);
    if value.is_number() {
        return Some(Limit {
            count: Some(value.number(0..=most)?),
            percent: None,
            min: 0,
        });
    }
    let table = value.table()?;
    table.only(&["count", "percent", "min"]);
    let limit = Limit {
        count: table.get("count").and_then(|value| value.number(0..=most)),
        percent: table.get("percent").and_then(|value| value.number(0..=100)),
        min: table
            .get("min")
            .and_then(|value| value.number(0..=most))
            .unwrap_or(0),
    };
    if table.get("count").is_none() && table.get("percent").is_none() {
        let help = "such as `{ count = 25, percent = 5 }`".to_owned();
        let message = format!("`{}` sets no limit", value.key);
        value.report(Code::Missing, message, Some(help));
    }
    Some(limit)
}

pub(super) fn folder_parts(text: &str) -> Vec<String> {
    text.split('/')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

pub(super) fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

/// Checks the patterns of a list.
fn check_globs(table: &Table<'_>, key: &str) {
    let items = table
        .get(key)
        .map(|value| value.items())
        .unwrap_or_default();
    for item in items.iter().filter(|item| item.is_text()) {
        if let Some(text) = item.text()
            && let Err(error) = glob::check(text)
        {
            item.report(
                Code::BadGlob,
                format!("`{text}` is no pattern"),
                Some(error.to_string()),
            );
        }
    }
}

/// A path: `~` and variables expanded, relative to the policy's folder.
fn path(value: &Value<'_>, surroundings: &Surroundings<'_>) -> Option<PathBuf> {
    let text = value.name()?;
    match expand(text, surroundings) {
        Ok(path) => Some(tidy(&surroundings.folder.join(path))),
        Err(reason) => {
            value.report(Code::BadPath, reason, None);
            None
        }
    }
}

fn expand(text: &str, surroundings: &Surroundings<'_>) -> Result<PathBuf, String> {
    if text.contains('\0') {
        return Err("a path cannot hold a NUL".to_owned());
    }
    let text = expand_variables(text, surroundings.env)?;
    match text.strip_prefix('~') {
        Some("") => Ok(surroundings.home.to_owned()),
        Some(rest) if rest.starts_with(['/', '\\']) => {
            Ok(surroundings.home.join(rest.trim_start_matches(['/', '\\'])))
        }
        Some(_) => Err("only one's own home is known: write `~/…`".to_owned()),
        None => Ok(PathBuf::from(text)),
    }
}

/// `$NAME` and `${NAME}`; `$$` is a dollar.
fn expand_variables(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            expanded.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match after.strip_prefix('{') {
            Some(braced) => braced.split_once('}').ok_or("`${` is not closed")?,
            None => {
                let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
                after.split_at(after.find(|c| !word(c)).unwrap_or(after.len()))
            }
        };
        if name.is_empty() {
            return Err("`$` stands before no name; write `$$` for a dollar".to_owned());
        }
        let value = env(name).filter(|value| !value.is_empty());
        expanded.push_str(&value.ok_or_else(|| format!("the variable `{name}` is not set"))?);
        rest = after;
    }
    Ok(expanded + rest)
}

/// Without `.` and with `..` taken back, by name only.
fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    tidy
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
    table.only(&["path", "provenance"]);
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

fn command(value: &Value<'_>) -> Option<Vec<String>> {
    if !value.is_list() {
        let text = value.text()?;
        if text != "none" {
            let words: Vec<String> = text
                .split_whitespace()
                .map(|word| format!("{word:?}"))
                .collect();
            let help = format!("write `[{}]`, or \"none\"", words.join(", "));
            value.wrong::<()>("a list of words", Some(help));
        }
        return None;
    }
    let items = value.items();
    let words: Vec<String> = items
        .iter()
        .filter_map(Value::name)
        .map(str::to_owned)
        .collect();
    let mut names_track = false;
    for item in items.iter().filter(|item| item.is_text()) {
        for (at, field) in placeholders(item.text().unwrap_or_default()) {
            names_track |= ["url", "id"].contains(&field);
            if !PLACEHOLDERS.contains(&field) {
                let message = format!("a download command knows no `{{{field}}}`");
                let help = "it knows {url}, {id}, {dir} and {name}".to_owned();
                let span = at..at + field.len() + 2;
                item.report_within(Code::BadTemplate, &span, message, Some(help));
            }
        }
    }
    if words.is_empty() || !names_track {
        let message = "the command does not say which track to fetch".to_owned();
        let help = "such as [\"tidal-dl-ng\", \"dl\", \"{url}\"]".to_owned();
        value.report(Code::BadTemplate, message, Some(help));
    }
    Some(words)
}

/// The `{words}` of a text and where they begin.
fn placeholders(text: &str) -> Vec<(usize, &str)> {
    text.match_indices('{')
        .filter_map(|(at, _)| {
            let inner = &text[at + 1..];
            let end = inner.find('}')?;
            let word = &inner[..end];
            let shaped =
                !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            shaped.then_some((at, word))
        })
        .collect()
}
