//! The tables with one meaning each: `[tidal]` to `[own]`.

use std::time::Duration;

use super::{Surroundings, duration, paths::path, texts};
use crate::policy::{
    Defaults, DownloadPolicy, Duplicates, Limit, MatchPolicy, Owner, Ownership, Place,
    PlaylistRemoved, RekordboxDatabase, RekordboxPolicy, Rolling, Safety, SyncMode, TidalCleanup,
    TidalPolicy, TrackRemoved, TrashPolicy, WorkAtRisk,
    diagnostic::Code,
    document::{Table, Value},
    glob, keys, values,
};

const DAY: Duration = Duration::from_secs(86_400);

pub(super) const MODES: [(&str, SyncMode); 3] = [
    ("manage", SyncMode::Manage),
    ("additive", SyncMode::Additive),
    ("observe", SyncMode::Observe),
];

/// What stands in the download command for the track.
const PLACEHOLDERS: [&str; 4] = ["url", "id", "dir", "name"];

pub(super) fn tidal(top: &Table<'_>, surroundings: &Surroundings<'_>) -> TidalPolicy {
    let mut tidal = TidalPolicy {
        playlists: vec!["*".to_owned()],
        exclude: Vec::new(),
        favorites: false,
        country: None,
        snapshot: None,
        account: "default".to_owned(),
        cleanup: TidalCleanup::default(),
    };
    let Some(table) = top.table("tidal") else {
        return tidal;
    };
    table.only(keys::TIDAL);
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
    set(
        &mut tidal.cleanup,
        table.get("cleanup").as_ref().map(cleanup),
    );
    tidal
}

/// `cleanup = ["duplicates", "unavailable"]`
fn cleanup(value: &Value<'_>) -> TidalCleanup {
    let words = [("duplicates", true), ("unavailable", false)];
    let mut cleanup = TidalCleanup {
        at: value.place(),
        ..TidalCleanup::default()
    };
    for duplicates in value.items().iter().filter_map(|item| item.word(&words)) {
        match duplicates {
            true => cleanup.duplicates = true,
            false => cleanup.unavailable = true,
        }
    }
    cleanup
}

pub(super) fn download(top: &Table<'_>) -> DownloadPolicy {
    let mut download = DownloadPolicy {
        command: None,
        parallel: 2,
        timeout: Duration::from_secs(600),
        ffmpeg: "ffmpeg".to_owned(),
        retry_unavailable: Duration::from_secs(7 * 24 * 3600),
    };
    let Some(table) = top.table("download") else {
        return download;
    };
    table.only(keys::DOWNLOAD);
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
    set(
        &mut download.retry_unavailable,
        table
            .get("retry_unavailable")
            .and_then(|value| duration(&value)),
    );
    download
}

pub(super) fn rekordbox(top: &Table<'_>, surroundings: &Surroundings<'_>) -> RekordboxPolicy {
    let mut rekordbox = RekordboxPolicy {
        database: RekordboxDatabase::Auto,
        folder: vec!["TIDAL".to_owned()],
        write: true,
        xml: None,
        backups: 10,
        relocate: false,
        duplicates: Duplicates::Keep,
    };
    let Some(table) = top.table("rekordbox") else {
        return rekordbox;
    };
    table.only(keys::REKORDBOX);
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
        &mut rekordbox.backups,
        table
            .get("backups")
            .and_then(|value| value.number(1..=1000)),
    );
    set(
        &mut rekordbox.relocate,
        table.get("relocate").and_then(|value| value.flag()),
    );
    let duplicates = [
        ("keep", Duplicates::Keep),
        ("merge", Duplicates::Merge),
        ("merge-all", Duplicates::MergeAll),
    ];
    set(
        &mut rekordbox.duplicates,
        table
            .get("duplicates")
            .and_then(|value| value.word(&duplicates)),
    );
    rekordbox
}

pub(super) fn defaults(top: &Table<'_>) -> Defaults {
    let mut defaults = Defaults {
        playlist_removed: PlaylistRemoved::SoftDelete,
        track_removed: TrackRemoved::KeepFile,
        mode: SyncMode::Manage,
        at: Place::default(),
    };
    let Some(table) = top.table("defaults") else {
        return defaults;
    };
    table.only(keys::DEFAULTS);
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
        at: Place::default(),
    };
    let Some(table) = top.table("safety") else {
        return safety;
    };
    table.only(keys::SAFETY);
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
        rolling.only(keys::ROLLING);
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
    table.only(keys::TRASH);
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
    table.only(keys::MATCH);
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
        name: Owner::Tidal,
        folder: Owner::Tidal,
        mytags: Owner::Tidal,
    };
    let Some(table) = top.table("own") else {
        return own;
    };
    table.only(keys::OWN);
    let owners = [("tidal", Owner::Tidal), ("rekordbox", Owner::Rekordbox)];
    for (key, owner) in [
        ("title", &mut own.title),
        ("artist", &mut own.artist),
        ("album", &mut own.album),
        ("year", &mut own.year),
        ("name", &mut own.name),
        ("folder", &mut own.folder),
        ("mytags", &mut own.mytags),
    ] {
        set(owner, table.get(key).and_then(|value| value.word(&owners)));
    }
    // TIDAL tells neither, so nobody else can own them; the keys are there to be said.
    for key in ["genre", "rating"] {
        if let Some(value) = table.get(key) {
            match value.text() {
                Some("tidal") => {
                    let message = format!("TIDAL tells no {key}, so it cannot own it");
                    let help = Some("write \"rekordbox\", or take the line out".to_owned());
                    value.report(Code::Contradiction, message, help);
                }
                Some(_) => {
                    value.word(&[("rekordbox", ())]);
                }
                None => {}
            }
        }
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
    table.only(keys::LIMIT_KEYS);
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
        let help = "such as [\"your-downloader\", \"{url}\", \"--output\", \"{dir}\"]".to_owned();
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
