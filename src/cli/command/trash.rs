//! `trash …`: what lies there, back from there, and the one way in which files are deleted.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::{
    cli::{
        args::{Consent, TrashCommand},
        consent::Occasion,
        engine::{Engine, allows},
        error::{CliError, Exit},
        interrupt::Interrupt,
        settings::Settings,
        ui::Ui,
        view::{Envelope, text},
    },
    domain::{ContentHash, MediaPath},
    edge::{
        local::{LocalReader as _, trash},
        store::StateReader as _,
    },
    plan::{
        canonical,
        document::{Base, Body, CheckStatus, PlanMeta, PolicyInput},
        trash::{Ground, Lying, purge_plan, restore_plan},
    },
    policy::{Policy, TrashPolicy},
};

use super::apply::{lock, run, show};

/// `trash …`
///
/// # Errors
/// When there is no policy that names the library, its drive is away, or a plan is refused.
pub async fn trash(
    settings: &Settings,
    ui: &Ui,
    interrupt: &Interrupt,
    command: &TrashCommand,
) -> Result<Exit, CliError> {
    match command {
        TrashCommand::List => list(settings, ui),
        TrashCommand::Restore { what, consent } => {
            let engine = Engine::open(settings, ui).await?;
            restore(engine, ui, interrupt, what, consent).await
        }
        TrashCommand::Purge {
            older_than,
            consent,
        } => {
            let engine = Engine::open(settings, ui).await?;
            purge(engine, ui, interrupt, *older_than, consent).await
        }
    }
}

/// What lies in the trash.
///
/// # Errors
/// When the library is away or a manifest cannot be read.
pub fn lying(policy: &Policy) -> Result<Vec<Lying>, CliError> {
    // A trash that is away is not empty.
    let root = &policy.library.root;
    let folder = root.join(trash::folder());
    let read = |error| CliError::file("read", &folder, error);
    if let Err(error) = std::fs::read_dir(root.join(".tidal-cleanup")) {
        return Err(read(error).hint("is the library's drive mounted?"));
    }
    let found = trash::contents(root).map_err(read)?;
    let lying = found.into_iter().map(|file| Lying {
        run: file.run,
        place: file.place,
        path: file.path,
        size: file.size,
        mtime: file.mtime,
        sha256: file.sha256,
        at: file.at,
    });
    Ok(lying.collect())
}

/// A file in the trash.
#[derive(Debug, Serialize)]
struct Trashed<'a> {
    /// The run that put it there, or `placed` for the old name of a file that was copied.
    apply: &'a str,
    /// The path that it had.
    path: String,
    /// Where it lies.
    place: String,
    bytes: u64,
    /// Since when; `None` when we did not put it there.
    since: Option<Timestamp>,
    /// Whether it is what was put there.
    unchanged: bool,
}

fn list(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let policy = crate::cli::engine::load_policy(settings, ui)?;
    let lying = lying(&policy)?;
    let files: Vec<Trashed<'_>> = lying
        .iter()
        .map(|file| Trashed {
            apply: &file.run,
            path: file.path.to_string(),
            place: file.place.to_string(),
            bytes: file.size,
            since: file.at,
            unchanged: file.sha256.is_some(),
        })
        .collect();
    let line = |file: &Trashed<'_>| {
        let since = file.since.map(|at| ui.look().time(at));
        let mark = match (file.since, file.unchanged) {
            (None, _) => "  (not put there by tidal-cleanup)",
            (Some(_), false) => "  (changed since)",
            (Some(_), true) => "",
        };
        format!(
            "apply {:<4}  {:<16}  {:>8}  {}{mark}",
            file.apply,
            since.unwrap_or_default(),
            text::bytes(file.bytes),
            file.path
        )
    };
    let mut lines: Vec<String> = files.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("The trash is empty.".to_owned());
    }
    let answer = serde_json::json!({ "files": files });
    ui.answer_either(lines.join("\n"), &Envelope::new("trash", answer))?;
    if let Some(text) = due(&policy.trash, &lying) {
        ui.hint(text);
    }
    Ok(Exit::Done)
}

/// What a purge would do now, where it would do something.
#[must_use]
pub fn due(policy: &TrashPolicy, lying: &[Lying]) -> Option<String> {
    let ground = Ground {
        base: Base::default(),
        policy: PolicyInput {
            path: String::new(),
            sha256: ContentHash::of(b""),
            settings: std::collections::BTreeMap::new(),
        },
        now: Timestamp::now(),
    };
    let plan = purge_plan(lying, policy, None, &[], ground);
    let files = plan.actions.len();
    (files > 0).then(|| {
        format!(
            "{} older than `[trash] keep`, or above `max_bytes`: `tidal-cleanup trash purge` deletes them",
            text::count(files, "file is", "files are")
        )
    })
}

async fn ground(engine: &Engine) -> Result<Ground, CliError> {
    let meta = engine.store.meta().await?;
    let source = &engine.policy.source;
    let name = source.path.file_name();
    Ok(Ground {
        base: Base {
            library_id: meta.library_id,
            lineage: meta.lineage,
            serial: meta.serial,
            schema_version: meta.schema_version,
        },
        policy: PolicyInput {
            path: name.unwrap_or_default().to_string_lossy().into_owned(),
            sha256: source.sha256,
            settings: std::collections::BTreeMap::new(),
        },
        now: Timestamp::now(),
    })
}

fn sealed(body: Body) -> crate::plan::Plan {
    let meta = PlanMeta {
        generated_at: Some(Timestamp::now()),
        ..PlanMeta::default()
    };
    canonical::seal(body, meta)
}

async fn purge(
    mut engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    older_than: Option<Duration>,
    consent: &Consent,
) -> Result<Exit, CliError> {
    engine.require_canary().await?;
    let locks = lock(&mut engine, consent).await?;
    engine.refuse_unfinished().await?;
    let lying = lying(&engine.policy)?;
    let allow = allows(&consent.overrides);
    let ground = ground(&engine).await?;
    let plan = sealed(purge_plan(
        &lying,
        &engine.policy.trash,
        older_than,
        &allow,
        ground,
    ));
    show(ui, &engine, &plan)?;
    let refused = plan
        .body
        .checks
        .iter()
        .any(|c| c.status == CheckStatus::Refuse);
    if plan.body.actions.is_empty() && !refused {
        return super::apply::nothing(ui, "Nothing in the trash is due.");
    }
    let (interrupt, occasion) = (interrupt, Occasion::Purge);
    run(engine, ui, interrupt, consent, plan, occasion, locks).await
}

async fn restore(
    mut engine: Engine,
    ui: &Ui,
    interrupt: &Interrupt,
    what: &str,
    consent: &Consent,
) -> Result<Exit, CliError> {
    engine.require_canary().await?;
    let locks = lock(&mut engine, consent).await?;
    engine.refuse_unfinished().await?;
    let chosen = chosen(lying(&engine.policy)?, what);
    if chosen.is_empty() {
        return Err(CliError::user(format!("nothing in the trash is {what:?}"))
            .hint("`tidal-cleanup trash list` shows what there is"));
    }
    let mut files = Vec::new();
    for file in chosen {
        let sha256 = match file.sha256 {
            Some(known) => known,
            // What somebody changed there comes back as it is.
            None => engine.library.hash(&file.place)?,
        };
        files.push((file, sha256));
    }
    let plan = sealed(restore_plan(&files, ground(&engine).await?));
    show(ui, &engine, &plan)?;
    let occasion = Occasion::Approved;
    run(engine, ui, interrupt, consent, plan, occasion, locks).await
}

/// The files of that run; or of that path or folder, of each path the newest.
fn chosen(lying: Vec<Lying>, what: &str) -> Vec<Lying> {
    if what.parse::<i64>().is_ok() {
        return lying.into_iter().filter(|file| file.run == what).collect();
    }
    let wanted = MediaPath::new(what.trim_end_matches('/'));
    let fits = |path: &MediaPath| path.relative().starts_with(wanted.relative());
    let mut newest = std::collections::BTreeMap::new();
    for file in lying {
        let by_place = fits(&file.place);
        if !by_place && !fits(&file.path) {
            continue;
        }
        let known = newest.get(&file.path).and_then(|known: &Lying| known.at);
        if known.is_none_or(|at| file.at > Some(at)) {
            newest.insert(file.path.clone(), file);
        }
    }
    newest.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_path_the_newest_comes_back_and_of_a_run_everything() {
        let file = |run: &str, path: &str, at: &str| Lying {
            run: run.to_owned(),
            place: MediaPath::new(format!(".tidal-cleanup/trash/{run}/{path}")),
            path: path.into(),
            size: 1,
            mtime: (0, 0),
            sha256: None,
            at: at.parse().ok(),
        };
        let lying = || {
            vec![
                file("1", "a/x.mp3", "2026-11-01T00:00:00Z"),
                file("2", "a/x.mp3", "2026-11-02T00:00:00Z"),
                file("2", "a/y.mp3", "2026-11-02T00:00:00Z"),
                file("3", "ab/z.mp3", "2026-11-02T00:00:00Z"),
            ]
        };
        let of = |what| {
            let files = chosen(lying(), what).into_iter();
            files.map(|file| file.place.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of("a/x.mp3"), [".tidal-cleanup/trash/2/a/x.mp3"]);
        assert_eq!(of("a").len(), 2);
        assert_eq!(of("2").len(), 2);
        assert_eq!(of(".tidal-cleanup/trash/1/a/x.mp3").len(), 1);
        assert!(of("b").is_empty());
    }
}
