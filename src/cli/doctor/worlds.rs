//! Rekordbox and TIDAL: is the library found and fit to be written, and is somebody logged in?

use jiff::Timestamp;

use crate::{
    cli::{
        engine::{Located, locate_rekordbox, rekordbox_options},
        readings,
        settings::Settings,
        view::{
            Look,
            doctor::{Area, Finding},
        },
    },
    edge::{
        rekordbox::{MasterDb, RekordboxError, RekordboxReader as _, exports},
        store::{SqliteReader, StateReader as _},
        tidal::tokens::TokenFile,
    },
    policy::Policy,
};

/// A backup older than this protects little.
const OLD_READING_DAYS: i64 = 7;

/// Looks at the Rekordbox library.
pub(super) async fn rekordbox(policy: Option<&Policy>, settings: &Settings) -> Vec<Finding> {
    const AREA: Area = Area::Rekordbox;
    let path = match locate_rekordbox(policy, settings) {
        Ok(Located::At(path, _)) => path,
        Ok(Located::Missing(path)) => {
            return vec![
                Finding::note(
                    AREA,
                    "rekordbox.found",
                    format!("no library at {}; plans go without it", path.display()),
                )
                .remedy("start Rekordbox once, or name it in `[rekordbox] database`"),
            ];
        }
        Ok(Located::Unwanted) => {
            return vec![Finding::fine(
                AREA,
                "rekordbox.found",
                "the policy leaves it alone",
            )];
        }
        Ok(Located::Elsewhere) => {
            return vec![
                Finding::note(
                    AREA,
                    "rekordbox.found",
                    "it does not run on this system, and no library is named",
                )
                .remedy("name one in `[rekordbox] database`, or say \"none\" there"),
            ];
        }
        Err(error) => {
            return vec![
                Finding::wrong(AREA, "rekordbox.found", error.to_string())
                    .remedy("connect its drive; another library is never taken instead"),
            ];
        }
    };
    let db = settings
        .place(policy)
        .map(|place| place.db)
        .unwrap_or_default();
    match MasterDb::open(&path, rekordbox_options(settings, &db, policy)) {
        Ok(library) => library_of(&library, policy, settings).await,
        Err(error) => vec![unreadable(&error)],
    }
}

fn unreadable(error: &RekordboxError) -> Finding {
    Finding::wrong(Area::Rekordbox, "rekordbox.readable", error.to_string()).remedy(
        "`tidal-cleanup rekordbox restore` goes back to a backup; Rekordbox has its own, too",
    )
}

async fn library_of(
    library: &MasterDb,
    policy: Option<&Policy>,
    settings: &Settings,
) -> Vec<Finding> {
    const AREA: Area = Area::Rekordbox;
    let facts = match library.facts().await {
        Ok(facts) => facts,
        Err(error) => return vec![unreadable(&error)],
    };
    let version = facts.db_version.as_deref().unwrap_or("unknown");
    let mut findings = vec![Finding::fine(
        AREA,
        "rekordbox.readable",
        format!("{} (layout {version})", library.path().display()),
    )];
    if let Some(reason) = &facts.read_only {
        findings.push(
            Finding::wrong(
                AREA,
                "rekordbox.layout",
                format!("it is only read: {reason}"),
            )
            .remedy(
                "set `[rekordbox] write = false` and `xml`, or wait for a version that knows it",
            ),
        );
    }
    let running = library.running();
    findings.push(match &running {
        Ok(names) if names.is_empty() => {
            Finding::fine(AREA, "rekordbox.running", "Rekordbox does not run")
        }
        Ok(names) => Finding::note(
            AREA,
            "rekordbox.running",
            format!(
                "{} runs: no apply writes meanwhile (TC502)",
                names.join(", ")
            ),
        )
        .remedy("quit it, and rekordboxAgent in the menu bar or tray, before an apply"),
        Err(error) => Finding::wrong(
            AREA,
            "rekordbox.running",
            format!("it cannot be told whether Rekordbox runs: {error}"),
        )
        .remedy("no apply writes to it until that can be told"),
    });
    let quiet = running.is_ok_and(|names| names.is_empty());
    if let Some(wal) = library.leftover_wal().filter(|_| quiet) {
        findings.push(
            Finding::wrong(
                AREA,
                "rekordbox.wal",
                format!("a crash left {} behind", wal.display()),
            )
            .remedy("start Rekordbox and quit it: it brings its database in order"),
        );
    }
    if facts.last_sync.is_some() {
        findings.push(
            Finding::note(
                AREA,
                "rekordbox.cloud",
                "Cloud Library Sync has been used with it",
            )
            .remedy(
                "switch it off for the first apply, and look at the result before the next sync",
            ),
        );
    }
    if !library.xml_path().is_file() {
        findings.push(
            Finding::note(
                AREA,
                "rekordbox.xml",
                "there is no masterPlaylists6.xml beside it",
            )
            .remedy("start Rekordbox once: without it new playlists stay invisible"),
        );
    }
    findings.push(match library.backup_list().first() {
        Some(newest) => Finding::fine(
            AREA,
            "rekordbox.backups",
            format!("newest backup: {}", look().time(newest.at)),
        ),
        None => Finding::note(AREA, "rekordbox.backups", "there is no backup of ours yet")
            .remedy("`tidal-cleanup rekordbox backup`; every apply that writes makes one"),
    });
    findings.extend(sticks(library, policy, settings));
    findings
}

/// USB exports that are mounted hold off what takes files away (TC503).
fn sticks(library: &MasterDb, policy: Option<&Policy>, settings: &Settings) -> Vec<Finding> {
    let around = &settings.around;
    let named = around
        .variable("TIDAL_CLEANUP_VOLUMES")
        .map(std::path::PathBuf::from);
    let user = around.variable("USER");
    exports::mounted(named.as_deref(), user.as_deref())
        .into_iter()
        .filter(|volume| {
            let root = policy.is_some_and(|it| it.library.root.starts_with(volume));
            !root && !library.path().starts_with(volume)
        })
        .map(|volume| {
            Finding::note(
                Area::Rekordbox,
                "rekordbox.export",
                format!(
                    "a Rekordbox export is mounted at {} (TC503)",
                    volume.display()
                ),
            )
            .remedy("eject it before an apply that moves or removes")
        })
        .collect()
}

/// Looks at the log-in and the last reading.
pub(super) async fn tidal(policy: Option<&Policy>, settings: &Settings) -> Vec<Finding> {
    const AREA: Area = Area::Tidal;
    if let Some(file) = policy.and_then(|policy| policy.tidal.snapshot.as_deref()) {
        let shown = file.display();
        return vec![match file.is_file() {
            true => Finding::fine(
                AREA,
                "tidal.snapshot",
                format!("plans are made from {shown}"),
            ),
            false => Finding::wrong(AREA, "tidal.snapshot", format!("{shown} is not there"))
                .remedy("`tidal-cleanup snapshot tidal --out FILE` writes one"),
        }];
    }
    let place = match settings.place(policy) {
        Ok(place) => place,
        Err(error) => return vec![Finding::wrong(AREA, "tidal.account", error.to_string())],
    };
    let mut findings = match readings::tidal_settings(settings, &place) {
        Ok(tidal) => vec![login(policy, &TokenFile::of(&tidal))],
        Err(error) => vec![Finding::wrong(AREA, "tidal.settings", error.to_string())],
    };
    findings.extend(last_reading(&place.db).await);
    findings
}

fn login(policy: Option<&Policy>, file: &TokenFile) -> Finding {
    const CHECK: &str = "tidal.login";
    let tokens = match file.load() {
        Ok(Some(tokens)) => tokens,
        Ok(None) => {
            return Finding::note(Area::Tidal, CHECK, "nobody is logged in")
                .remedy("`tidal-cleanup login`; without it plans are made from a file");
        }
        Err(error) => {
            return Finding::wrong(Area::Tidal, CHECK, error.to_string())
                .remedy("`tidal-cleanup login`");
        }
    };
    let who = tokens.username.as_deref().unwrap_or("somebody").to_owned();
    let ends = look().time(tokens.expires_at);
    if !tokens.renews() && tokens.expires_at <= Timestamp::now() {
        return Finding::wrong(
            Area::Tidal,
            CHECK,
            format!("the log-in of {who} ended on {ends} and cannot be renewed"),
        )
        .remedy("`tidal-cleanup login`");
    }
    let asked = policy.is_some_and(|policy| policy.tidal.cleanup.is_asked_for());
    if asked && !tokens.may_write() {
        return Finding::wrong(
            Area::Tidal,
            CHECK,
            format!("{who} is logged in for reading, and the policy has `cleanup`"),
        )
        .remedy("`tidal-cleanup login --write`");
    }
    let life = match tokens.renews() {
        true => "renews itself".to_owned(),
        false => format!("until {ends}"),
    };
    Finding::fine(Area::Tidal, CHECK, format!("{who} is logged in ({life})"))
}

async fn last_reading(db: &std::path::Path) -> Option<Finding> {
    let reader = SqliteReader::open(db).await.ok()?;
    let snapshot = reader.last_snapshot("tidal").await.ok().flatten();
    reader.close().await;
    let at = snapshot?.at;
    let days = Timestamp::now().duration_since(at).as_hours() / 24;
    let found = format!("last read: {}", look().time(at));
    Some(match days > OLD_READING_DAYS {
        true => Finding::note(Area::Tidal, "tidal.reading", found)
            .remedy("`tidal-cleanup plan` reads it anew"),
        false => Finding::fine(Area::Tidal, "tidal.reading", found),
    })
}

fn look() -> Look {
    Look {
        zone: jiff::tz::TimeZone::system(),
        ..Look::plain()
    }
}
