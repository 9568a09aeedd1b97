//! The library's folder and its volume, the other folders that are read, and the clock.

use std::path::Path;

use jiff::Timestamp;

use crate::{
    cli::{
        settings::Settings,
        view::{
            doctor::{Area, Finding},
            text::bytes,
        },
    },
    domain::LinkForm,
    edge::local::{
        ability::{Abilities, abilities},
        canary,
    },
    policy::Policy,
};

/// Less room than this, and the next downloads will not fit.
const LITTLE_ROOM: u64 = 2 << 30;

/// No clock that is right is before this day.
const FIRST_DAY: jiff::civil::Date = jiff::civil::date(2026, 1, 1);

/// The library and the sources.
pub(super) fn library(policy: Option<&Policy>) -> Vec<Finding> {
    let Some(policy) = policy else {
        return Vec::new();
    };
    let root = policy.library.root.as_path();
    let mut findings = vec![marker(root)];
    if root.is_dir() {
        findings.push(permission(root));
        findings.extend(volume(policy, &abilities(root)));
    }
    for source in &policy.library.sources {
        let shown = source.path.display();
        findings.push(match std::fs::read_dir(&source.path) {
            Ok(_) => Finding::fine(
                Area::Library,
                "library.source",
                format!("source {shown} can be read"),
            ),
            Err(error) => Finding::wrong(
                Area::Library,
                "library.source",
                format!("source {shown} cannot be read: {error}"),
            )
            .remedy("connect its drive, or take it out of `[library] sources`"),
        });
    }
    findings
}

fn marker(root: &Path) -> Finding {
    let shown = root.display();
    match canary::read(root) {
        Ok(Some(id)) => Finding::fine(
            Area::Library,
            "library.marker",
            format!("{shown} is there (library {id})"),
        ),
        Ok(None) if root.is_dir() => Finding::wrong(
            Area::Library,
            "library.marker",
            format!("{shown} has no marker (TC101)"),
        )
        .remedy("is the right drive mounted there? Then nothing is planned or touched until it is")
        .remedy("if the library is new: `tidal-cleanup init`"),
        Ok(None) => Finding::wrong(
            Area::Library,
            "library.marker",
            format!("{shown} is not there"),
        )
        .remedy("connect its drive, or correct `[library] root` in the policy"),
        Err(error) => Finding::wrong(Area::Library, "library.marker", error.to_string()).remedy(
            "put the file back from a backup, or ask `tidal-cleanup db init` to write it anew",
        ),
    }
}

#[cfg(unix)]
fn permission(root: &Path) -> Finding {
    use rustix::fs::{Access, access};
    let rights = Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK;
    match access(root, rights) {
        Ok(()) => Finding::fine(
            Area::Library,
            "library.permission",
            "it may be read and written",
        ),
        Err(error) => Finding::wrong(
            Area::Library,
            "library.permission",
            format!("it may not be written: {error}"),
        )
        .remedy("is the volume mounted read-only, or does another user own the folder?"),
    }
}

#[cfg(not(unix))]
fn permission(root: &Path) -> Finding {
    match std::fs::metadata(root) {
        Ok(facts) if facts.permissions().readonly() => {
            Finding::wrong(Area::Library, "library.permission", "it may not be written")
                .remedy("take the read-only mark off the folder")
        }
        Ok(_) => Finding::fine(
            Area::Library,
            "library.permission",
            "it may be read and written",
        ),
        Err(error) => Finding::wrong(Area::Library, "library.permission", error.to_string()),
    }
}

fn volume(policy: &Policy, able: &Abilities) -> Vec<Finding> {
    let name = able
        .file_system
        .as_deref()
        .unwrap_or("a file system unknown to us");
    let room = able
        .free
        .map_or_else(String::new, |free| format!(", {} free", bytes(free)));
    let place = if able.removable { ", removable" } else { "" };
    let mut findings = vec![Finding::fine(
        Area::Library,
        "library.volume",
        format!("its volume is {name}{place}{room}"),
    )];
    let mut note = |check, found: &str, remedy: &str| {
        findings.push(Finding::note(Area::Library, check, found).remedy(remedy));
    };
    if able.hard_links == Some(false) && policy.library.sharing == LinkForm::Hardlink {
        note(
            "library.hardlinks",
            "it knows no hard links, and the policy shares files by them",
            "`sharing = \"m3u8\"` in `[library]`; else each becomes a copy",
        );
    }
    if able.time_step.is_some_and(|step| step > 1) {
        note(
            "library.times",
            "it keeps times in steps of two seconds: a change in the same two seconds that keeps the size goes unseen",
            "`tidal-cleanup db check --hashes` sees all; exFAT has finer times",
        );
    }
    if let Some(largest) = able.largest_file {
        note(
            "library.large",
            &format!("it takes no file above {}", bytes(largest)),
            "fine for tracks; long sets as WAV may not fit",
        );
    }
    if able.read_only {
        findings.push(
            Finding::wrong(
                Area::Library,
                "library.read-only",
                "it is mounted read-only",
            )
            .remedy("mount it for writing; plans work as it is, applies do not"),
        );
    }
    match able.free {
        Some(free) if free < LITTLE_ROOM => findings.push(
            Finding::note(
                Area::Library,
                "library.room",
                format!("only {} are free", bytes(free)),
            )
            .remedy("`tidal-cleanup trash list` shows what lies in the trash; an apply that would not fit is refused (TC601)"),
        ),
        Some(_) | None => {}
    }
    findings
}

/// The clock and the environment.
pub(super) fn system(settings: &Settings) -> Vec<Finding> {
    let now = Timestamp::now();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let clock = match today < FIRST_DAY {
        true => Finding::wrong(
            Area::System,
            "system.clock",
            format!("the clock says {today}: ages, freezes and backups go by it"),
        )
        .remedy("set the clock"),
        false => Finding::fine(
            Area::System,
            "system.clock",
            format!("the clock says {today}"),
        ),
    };
    let mut findings = vec![clock];
    if settings.around.home.is_none() {
        findings.push(
            Finding::note(Area::System, "system.home", "there is no home folder")
                .remedy("`--db PATH` and `--policy FILE` name what would lie there"),
        );
    }
    findings
}
