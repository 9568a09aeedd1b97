//! The state database: its integrity, what runs or was interrupted, its backups and permissions.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    cli::{
        server,
        settings::Settings,
        view::{
            Look,
            doctor::{Area, Finding},
            text::count,
        },
    },
    edge::store::{
        ApplyStatus, SqliteReader, StateReader, StoreError, freeze::HandFreeze, lock::holder_of,
    },
    plan::guard,
    policy::Policy,
};

const AREA: Area = Area::State;

/// Findings of the database itself that are told one by one.
const TOLD: usize = 5;

/// Looks at the state.
pub(super) async fn look(policy: Option<&Policy>, settings: &Settings) -> Vec<Finding> {
    if server::address(settings, policy).is_some() {
        return vec![
            Finding::note(
                AREA,
                "state.server",
                "it is on a server, which is not asked here",
            )
            .remedy("`tidal-cleanup db check` looks at it"),
        ];
    }
    let place = match settings.place(policy) {
        Ok(place) => place,
        Err(error) => {
            return vec![
                Finding::wrong(AREA, "state.place", error.to_string())
                    .remedy("name it with `--db PATH`"),
            ];
        }
    };
    let db = place.db.as_path();
    let mut findings = match SqliteReader::open(db).await {
        Ok(reader) => {
            let mut findings = vec![Finding::fine(
                AREA,
                "state.database",
                db.display().to_string(),
            )];
            findings.extend(inside(&reader, db, policy).await);
            reader.close().await;
            findings
        }
        Err(error) => vec![closed(&error, db)],
    };
    findings.extend(privacy(db));
    findings.extend(backups(settings, db));
    findings.extend(frozen(policy, db));
    findings
}

/// Why it could not be opened.
fn closed(error: &StoreError, db: &Path) -> Finding {
    match error {
        StoreError::Missing { .. } => Finding::note(
            AREA,
            "state.database",
            format!("there is none yet at {}", db.display()),
        )
        .remedy("the first `tidal-cleanup init` or `plan` makes it"),
        StoreError::Outdated { .. } => Finding::note(AREA, "state.database", error.to_string())
            .remedy("the next `tidal-cleanup plan` does that, after a backup"),
        StoreError::Newer { .. } => Finding::wrong(AREA, "state.database", error.to_string())
            .remedy("install the newer version of this program"),
        _ => Finding::wrong(AREA, "state.database", error.to_string())
            .remedy("`tidal-cleanup db restore` goes back to a backup"),
    }
}

async fn inside(reader: &impl StateReader, db: &Path, policy: Option<&Policy>) -> Vec<Finding> {
    let mut findings = Vec::new();
    match reader.check().await {
        Ok(found) if found.is_empty() => {
            findings.push(Finding::fine(AREA, "state.integrity", "it is sound"));
        }
        Ok(found) => {
            for one in found.iter().take(TOLD) {
                findings.push(Finding::wrong(
                    AREA,
                    "state.integrity",
                    format!("{}: {}", one.subject, one.message),
                ));
            }
            if let Some(last) = findings.last_mut() {
                let more = found.len().saturating_sub(TOLD);
                let all = match more {
                    0 => "`tidal-cleanup db check` says it in detail".to_owned(),
                    more => format!("{more} more: `tidal-cleanup db check` lists all"),
                };
                *last = last.clone().remedy(all);
            }
        }
        Err(error) => {
            findings.push(Finding::wrong(AREA, "state.integrity", error.to_string()));
        }
    }
    findings.extend(runs(reader, db).await);
    findings.extend(library(reader, policy).await);
    findings
}

async fn runs(reader: &impl StateReader, db: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    let holder = holder_of(db);
    if let Some(holder) = &holder {
        findings.push(Finding::note(
            AREA,
            "state.lock",
            format!("an apply runs right now ({holder})"),
        ));
    }
    let applies = match reader.applies().await {
        Ok(applies) => applies,
        Err(error) => {
            findings.push(Finding::wrong(AREA, "state.applies", error.to_string()));
            return findings;
        }
    };
    let look = Look {
        zone: jiff::tz::TimeZone::system(),
        ..Look::plain()
    };
    let Some(last) = applies.first() else {
        return findings;
    };
    let when = look.time(last.started_at);
    let found = match last.status {
        ApplyStatus::Running if holder.is_none() => Finding::wrong(
            AREA,
            "state.unfinished",
            format!("apply {} of {when} was interrupted", last.id),
        )
        .remedy("`tidal-cleanup apply --resume` finishes it, `tidal-cleanup undo` takes it back"),
        ApplyStatus::Partial => Finding::note(
            AREA,
            "state.partial",
            format!("apply {} of {when} was done in part", last.id),
        )
        .remedy("`tidal-cleanup apply --resume` tries the rest again"),
        ApplyStatus::Running | ApplyStatus::Completed | ApplyStatus::Undone => Finding::fine(
            AREA,
            "state.applies",
            format!("last apply: {} of {when}", last.id),
        ),
    };
    findings.push(found);
    if last.started_at > Timestamp::now() {
        findings.push(
            Finding::wrong(
                Area::System,
                "system.clock-back",
                format!("the last apply is of {when}, which is still to come: the clock went back"),
            )
            .remedy("set the clock"),
        );
    }
    findings
}

/// Whether the database belongs to the library that is there.
async fn library(reader: &impl StateReader, policy: Option<&Policy>) -> Option<Finding> {
    let root = &policy?.library.root;
    let there = crate::edge::local::canary::read(root).ok().flatten()?;
    let known = reader.meta().await.ok()?.library_id?;
    (there != known).then(|| {
        Finding::wrong(
            AREA,
            "state.library",
            format!(
                "it belongs to library {known}, and {} is {there}",
                root.display()
            ),
        )
        .remedy("connect the other drive, or name this library's database with `--db PATH`")
    })
}

/// The database tells what somebody listens to: nobody else needs to read it.
#[cfg(unix)]
fn privacy(db: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(db).ok()?.permissions().mode() & 0o777;
    Some(match mode & 0o077 {
        0 => Finding::fine(AREA, "state.permission", "only you can read it"),
        _ => Finding::note(
            AREA,
            "state.permission",
            format!("others can read it (mode {mode:o})"),
        )
        .remedy(format!("chmod 600 {}", db.display())),
    })
}

#[cfg(not(unix))]
fn privacy(_db: &Path) -> Option<Finding> {
    None
}

fn backups(settings: &Settings, db: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !settings.auto_backup {
        findings.push(
            Finding::note(
                AREA,
                "state.auto-backup",
                "TIDAL_CLEANUP_DB_AUTO_BACKUP is off: no apply backs it up",
            )
            .remedy("unset it"),
        );
    }
    let folder = settings.backups(db);
    let files = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let kept = files
        .filter(|entry| entry.path().extension().is_some_and(|it| it == "db"))
        .count();
    if kept > 0 {
        findings.push(Finding::fine(
            AREA,
            "state.backups",
            format!(
                "{} in {}",
                count(kept, "backup", "backups"),
                folder.display()
            ),
        ));
    }
    findings
}

fn frozen(policy: Option<&Policy>, db: &Path) -> Option<Finding> {
    let now = jiff::Zoned::now();
    match HandFreeze::read(db) {
        Err(error) => {
            return Some(
                Finding::wrong(
                    AREA,
                    "state.freeze",
                    format!("the freeze cannot be read: {error}"),
                )
                .remedy("`tidal-cleanup freeze --off`, then set it again"),
            );
        }
        Ok(Some(freeze)) if freeze.is_on(now.timestamp()) => {
            return Some(
                Finding::note(AREA, "state.freeze", "a freeze set by hand is on (TC501)")
                    .remedy("`tidal-cleanup freeze` shows it, `--off` ends it"),
            );
        }
        Ok(_) => {}
    }
    let freeze = guard::freeze_active(policy?, &now)?;
    Some(Finding::note(
        AREA,
        "state.freeze",
        format!("the freeze “{}” is on ({}) (TC501)", freeze.name, freeze.at),
    ))
}
