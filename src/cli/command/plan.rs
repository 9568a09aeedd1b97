//! `plan`, `show` and `db sync`.

use std::path::{Path, PathBuf};

use crate::{
    apply::verify::{Verification, verify},
    cli::{
        approvals,
        args::{Overrides, PlanArgs, Rendering, ShowArgs},
        engine::{Engine, Request, load_policy},
        error::{CliError, Exit, Kind},
        observed,
        plan::{Beside, exit, explain, present, write_document, write_whole},
        settings::Settings,
        ui::Ui,
        view::{Envelope, db::shell_word, text::count},
    },
    edge::store::StateReader as _,
    observe::Observation,
    plan::{
        Plan, canonical,
        document::{KIND, Precondition},
    },
    policy::Policy,
};

/// Where a plan is saved unless a flag says otherwise.
const PLAN_FILE: &str = "plan.json";

/// `plan`
///
/// # Errors
/// When a source cannot be read at all.
pub async fn plan(settings: &Settings, ui: &Ui, args: &PlanArgs) -> Result<Exit, CliError> {
    let request = Request {
        inputs: args.inputs.clone(),
        overrides: args.overrides.clone(),
        ..Request::default()
    };
    if let Some(observed) = &args.observed {
        let policy = load_policy(settings, ui)?;
        let made = observed::plan(settings, ui, &policy, observed, &request).await?;
        show_made(
            settings,
            ui,
            args,
            &policy,
            (&made.plan, Some(&made.observation)),
        )?;
        return Ok(exit(&made.plan, args.detailed_exitcode));
    }
    let mut engine = Engine::look_at(settings, ui).await?;
    engine.tell_unfinished(ui).await?;
    let (plan, seen) = match args.rendering.redact {
        // Names are taken out by what was read.
        true => {
            let made = engine.plan(&request, ui).await?;
            (made.plan, Some(made.observation))
        }
        false => (engine.plan_alone(&request, ui).await?, None),
    };
    show_made(settings, ui, args, &engine.policy, (&plan, seen.as_ref()))?;
    if request.inputs.playlists.is_empty() {
        crate::cli::pending::note(&engine.db, &plan.body, jiff::Timestamp::now());
    }
    tell_moment(&engine, &plan, &args.overrides, ui);
    Ok(exit(&plan, args.detailed_exitcode))
}

/// Saves and shows a plan that was just made, `seen`: from what.
fn show_made(
    settings: &Settings,
    ui: &Ui,
    args: &PlanArgs,
    policy: &Policy,
    (plan, seen): (&Plan, Option<&Observation>),
) -> Result<(), CliError> {
    let json = canonical::to_json(plan);
    let for_programs = ui.is_json() || args.rendering.is_for_programs();
    let out = args.out.as_deref();
    let saved = save_as(settings, ui, out, for_programs, plan, &json)?;
    let shown = saved.as_deref().map(|saved| saved.display().to_string());
    let next = shown.map(|shown| next(plan, &shown));
    let beside = Beside {
        saved,
        may_be_saved: true,
        undo_until: undo_until(policy, plan),
        names: match args.rendering.redact {
            true => seen.map(names_of).unwrap_or_default(),
            false => Vec::new(),
        },
        ..beside(settings, &args.rendering)?
    };
    present(ui, plan, &json, &args.rendering, &beside)?;
    // A script knows what it does next.
    if ui.can_ask() {
        next.into_iter().flatten().for_each(|hint| ui.hint(hint));
    }
    Ok(())
}

/// What to type after a plan that was saved as `saved`.
fn next(plan: &Plan, saved: &str) -> Vec<String> {
    let saved = shell_word(saved);
    let mut hints = Vec::new();
    if !plan.body.decisions.is_empty() {
        let questions = count(plan.body.decisions.len(), "question", "questions");
        hints.push(format!("`tidal-cleanup decide` goes through {questions}"));
    }
    if !plan.body.actions.is_empty() {
        hints.push(format!(
            "`tidal-cleanup apply {saved}` does all of it and asks first; `tidal-cleanup review {saved}` \
             leaves out what you don't want"
        ));
    }
    hints
}

/// What the flags name besides the plan.
fn beside(settings: &Settings, rendering: &Rendering) -> Result<Beside, CliError> {
    let older = rendering.diff.as_deref();
    let older = older.map(|path| read_plan(&settings.around.absolute(path)));
    Ok(Beside {
        older: older.transpose()?,
        html: rendering
            .html
            .as_deref()
            .map(|path| settings.around.absolute(path)),
        ..Beside::default()
    })
}

/// Every name that was read: of playlists, tracks, files.
fn names_of(observation: &Observation) -> Vec<String> {
    let lists = &observation.tidal.value.playlists;
    let lists = lists.iter().map(|list| list.name.clone());
    let items = observation
        .tidal
        .value
        .playlists
        .iter()
        .flat_map(|list| &list.items);
    let tracks = items.filter_map(|item| item.track.as_ref());
    let tracks = tracks.flat_map(|track| [track.label(), track.title.clone(), track.artist()]);
    let files = &observation.library.value.files;
    let files = files.iter().flat_map(|file| {
        let tags = &file.tags;
        let tags = [tags.title.clone(), tags.album.clone()]
            .into_iter()
            .flatten();
        let path = [
            file.path.to_string(),
            file.path.file_name(),
            file.path.file_stem(),
        ];
        path.into_iter()
            .chain(tags)
            .chain(file.tags.artists.clone())
    });
    let rekordbox = observation.rekordbox.iter().flat_map(|read| {
        let nodes = read.value.nodes.values().map(|node| node.name.clone());
        let rows = read.value.contents.values();
        nodes.chain(rows.flat_map(|row| {
            [&row.title]
                .into_iter()
                .chain(&row.artist)
                .chain(&row.album)
                .map(ToString::to_string)
        }))
    });
    let known = observation
        .state
        .playlists
        .values()
        .map(|row| row.name.clone());
    lists
        .chain(tracks)
        .chain(files)
        .chain(rekordbox)
        .chain(known)
        .collect()
}

/// Saves the plan: where `out` says, else as `plan.json` when there is something to apply and the
/// answer is for a person. Never over a file that is no plan.
pub fn save_as(
    settings: &Settings,
    ui: &Ui,
    out: Option<&Path>,
    is_for_programs: bool,
    plan: &Plan,
    json: &str,
) -> Result<Option<PathBuf>, CliError> {
    if let Some(out) = out {
        write_document(&settings.around.absolute(out), json)?;
        return Ok(Some(out.to_owned()));
    }
    if is_for_programs || plan.body.actions.is_empty() {
        return Ok(None);
    }
    let path = settings.around.absolute(Path::new(PLAN_FILE));
    let plan_or_nothing = match std::fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).contains(KIND),
        Err(_) => true,
    };
    match plan_or_nothing.then(|| write_whole(&path, json)) {
        Some(Ok(())) => Ok(Some(PathBuf::from(PLAN_FILE))),
        Some(Err(_)) | None => {
            ui.warning(format!(
                "{PLAN_FILE} here was not written; `--out FILE` names another place"
            ));
            Ok(None)
        }
    }
}

/// Until when what goes to the trash can be brought back.
pub fn undo_until(policy: &Policy, plan: &Plan) -> Option<jiff::civil::Date> {
    let as_of: jiff::civil::Date = plan.body.inputs.as_of.parse().ok()?;
    let days = i64::try_from(policy.trash.keep.as_secs() / 86_400).ok()?;
    as_of
        .checked_add(jiff::Span::new().try_days(days).ok()?)
        .ok()
}

/// What would stand in the way of an apply right now, and is no part of the plan.
fn tell_moment(engine: &Engine, plan: &Plan, overrides: &Overrides, ui: &Ui) {
    if plan.body.actions.is_empty() {
        return;
    }
    let needed = approvals::needed(&engine.policy, &plan.body.actions);
    if needed > 0 {
        ui.warning(format!(
            "TC702: {} must agree to this plan before it is applied: `tidal-cleanup approve plan.json`",
            count(needed, "other person", "other people")
        ));
    }
    for check in engine.moment(plan, overrides) {
        if check.status == crate::plan::document::CheckStatus::Refuse {
            ui.warning(format!("{}: {}", check.code, check.text));
        }
    }
}

/// `show`
///
/// # Errors
/// When the plan cannot be read, or with `--verify` is stale.
pub async fn show(settings: &Settings, ui: &Ui, args: &ShowArgs) -> Result<Exit, CliError> {
    let plan = read_plan(&settings.around.absolute(&args.plan))?;
    if let Some(id) = &args.why {
        explain(ui, &plan, args, id)?;
        return Ok(Exit::Done);
    }
    if !args.verify {
        let beside = Beside {
            saved: Some(args.plan.clone()),
            ..beside(settings, &args.rendering)?
        };
        let json = canonical::to_json(&plan);
        present(ui, &plan, &json, &args.rendering, &beside)?;
        tell_approvals(settings, ui, &plan).await?;
        return Ok(Exit::Done);
    }
    let engine = Engine::look_at(settings, ui).await?;
    engine.require_canary().await?;
    verify_plan(&engine, ui, &plan).await?;
    let answer = serde_json::json!({ "digest": plan.digest, "holds": true });
    ui.answer_either(
        "The plan holds: nothing that it rests on has changed.",
        &Envelope::new("verification", answer),
    )?;
    Ok(Exit::Done)
}

/// Who agreed to a plan, where the policy asks for that.
async fn tell_approvals(settings: &Settings, ui: &Ui, plan: &Plan) -> Result<(), CliError> {
    // A plan can be looked at where there is no policy.
    let policy = match settings.policy_path() {
        Ok(_) => load_policy(settings, ui)?,
        Err(_) => return Ok(()),
    };
    let needed = approvals::needed(&policy, crate::apply::chosen(plan)?);
    if needed == 0 {
        return Ok(());
    }
    let library = plan.body.base.library_id.clone();
    let engine = Engine::of_library(policy, settings, ui, library).await?;
    let digest = canonical::approval(plan);
    let known = engine.store.approvals().await?;
    let here = known.into_iter().filter(|it| it.digest == digest).collect();
    let told = match approvals::open(here, &[], needed).first() {
        Some(agreed) => format!("Approved: {}", agreed.in_words()),
        None => format!("Approved by nobody yet (0 of {needed})"),
    };
    ui.status(told);
    Ok(())
}

/// Reads a saved plan.
///
/// # Errors
/// When there is none, or it is torn, edited or not a plan.
pub fn read_plan(path: &Path) -> Result<Plan, CliError> {
    let bytes = std::fs::read(path).map_err(|error| {
        let is_absent = error.kind() == std::io::ErrorKind::NotFound;
        let error = CliError::file("read", path, error);
        match is_absent {
            true => error.hint(format!(
                "`tidal-cleanup plan` makes a plan and saves it as {PLAN_FILE}"
            )),
            false => error,
        }
    })?;
    canonical::parse(&bytes)
        .map_err(|error| CliError::from(error).context(format!("could not use {}", path.display())))
}

/// Checks everything that a plan rests on. TIDAL is asked again only where a removal rests on it.
///
/// # Errors
/// [`Kind::Stale`] with what differs.
pub async fn verify_plan(engine: &Engine, ui: &Ui, plan: &Plan) -> Result<(), CliError> {
    let asks_tidal = plan
        .body
        .actions
        .iter()
        .flat_map(|action| &action.pre)
        .any(|pre| {
            matches!(
                pre,
                Precondition::DesiredAbsent { .. } | Precondition::PlaylistAbsent { .. }
            )
        });
    let reading = if asks_tidal {
        engine.fresh_reading(plan, ui).await?
    } else {
        None
    };
    let reading = engine.with_lists(plan, reading, ui).await?;
    let asked = Verification {
        policy: Some(&engine.policy.source.sha256),
        max_age: Some(engine.policy.safety.plan_max_age),
        now: jiff::Timestamp::now(),
        tidal: reading.as_ref(),
    };
    let violations = verify(
        plan,
        &engine.library,
        engine.rekordbox.as_ref(),
        &engine.store,
        &asked,
    )
    .await?;
    match violations.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            for violation in violations.iter().take(10) {
                ui.warning(violation);
            }
            let more = match violations.len() {
                1 => String::new(),
                n => format!(" and {} more", n - 1),
            };
            Err(CliError::message(
                Kind::Stale,
                format!("the plan no longer fits: {first}{more}"),
            )
            .hint("nothing was changed; make a new one with `tidal-cleanup plan`"))
        }
    }
}
