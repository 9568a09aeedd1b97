//! `db check`: is everything that the program relies on whole, and does it say what it may say? Database,
//! journal, delivered files, trash, backups; each damage by name, with what to do about it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use crate::{
    cli::{
        engine::Engine,
        error::{CliError, Exit},
        ui::Ui,
        view::{Envelope, db::database::DbCheck},
    },
    domain::{ContentHash, FileStat, MediaPath, State, state::FileRole},
    edge::{
        local::{LocalReader as _, trash},
        store::{ApplyRow, ApplyStatus, OperationRow, OperationStatus, StateReader as _, sqlite},
    },
    plan::canonical,
    record::{Outcome, PostImage, PreImage, XML_KIND, image, restored},
};

/// What the state database itself is held to.
const CHECKS: [&str; 7] = [
    "integrity",
    "foreign_keys",
    "positions",
    "files",
    "tracks",
    "objects",
    "journal",
];

/// `db check`
///
/// # Errors
/// When a world cannot be read at all.
pub async fn check(engine: &mut Engine, ui: &Ui, hashes: bool) -> Result<Exit, CliError> {
    let findings = engine.store.check().await?;
    let of = |name: &str| {
        let mine = findings.iter().filter(|finding| finding.check == name);
        mine.map(|finding| format!("{}: {}", finding.subject, finding.message))
            .collect()
    };
    let mut report = DbCheck {
        path: engine.state_shown(),
        checks: CHECKS
            .iter()
            .map(|name| ((*name).to_owned(), of(name)))
            .collect(),
        files: None,
        edited: Vec::new(),
    };
    let is_torn = !report.is_sound();
    // What stands in a database that is torn says nothing about the rest.
    if !is_torn {
        let known = Known::read(engine).await?;
        report.add("history", known.history);
        if engine.library.canary()?.is_some() {
            let delivered = Delivered::new(&known.state, &known.images);
            report.add("library", delivered.problems(engine));
            report.add("trash", trash_problems(engine, &known.trashed)?);
            if hashes {
                ui.status("Reading every file …");
                report.add_files(&engine.verify_files()?);
                let (damaged, edited) = delivered.contents(engine);
                report.add("content", damaged);
                report.edited = edited;
            }
        } else {
            report.add("library", vec![lost(engine)]);
        }
    }
    report.add("backups", backup_problems(engine).await);
    ui.answer_either(&report, &Envelope::new("db-check", &report))?;
    if is_torn {
        ui.hint("`tidal-cleanup db restore` goes back to a backup of the state; what is there now is saved first");
    }
    Ok(match report.is_sound() {
        true => Exit::Done,
        false => Exit::Error,
    })
}

fn lost(engine: &Engine) -> String {
    let root = engine.policy.library.root.display();
    format!(
        "{root}: its marker .tidal-cleanup/library.toml is not there or cannot be read. Connect the drive; \
         if it is connected, bring that file back from a backup of yours"
    )
}

/// What the journal says, and what is wrong with it.
struct Known {
    state: State,
    history: Vec<String>,
    /// Of completed operations, oldest first.
    images: Vec<PostImage>,
    trashed: Vec<Trashed>,
}

/// A file that the journal says is in the trash.
struct Trashed {
    run: ApplyRow,
    path: MediaPath,
    place: MediaPath,
    size: u64,
}

impl Known {
    async fn read(engine: &Engine) -> Result<Self, CliError> {
        let mut known = Self {
            state: engine.store.state().await?,
            history: Vec::new(),
            images: Vec::new(),
            trashed: Vec::new(),
        };
        let mut applies = engine.store.applies().await?;
        applies.sort_by_key(|row| row.id);
        for run in applies {
            let operations = engine.store.operations(run.id).await?;
            known.look_at_run(&run, &operations);
            if let Some(problem) = plan_problem(engine, &run, &operations).await {
                known.history.push(problem);
            }
        }
        Ok(known)
    }

    fn look_at_run(&mut self, run: &ApplyRow, operations: &[OperationRow]) {
        let id = run.id;
        let counted = run.pending + run.running + run.completed + run.failed + run.skipped;
        let there = i64::try_from(operations.len()).unwrap_or(i64::MAX);
        let is_closed = run.status != ApplyStatus::Running;
        if is_closed && counted != there {
            self.history.push(format!(
                "apply {id}: it counts {counted} operations and {there} are there. It cannot be undone \
                 reliably; `tidal-cleanup db restore` goes back to a backup"
            ));
        }
        if run.mode == restored::MODE {
            return;
        }
        for row in operations {
            let at = format!("apply {id}, operation {} ({})", row.seq, row.label);
            let begun = row.pre_image.as_ref();
            if begun.is_some() && image::from_value::<PreImage>(begun).is_none() {
                self.history
                    .push(unreadable(&at, "what stood there before"));
            }
            let ended = row
                .post_image
                .as_ref()
                .filter(|_| row.status == OperationStatus::Completed);
            let Some(post) = image::from_value::<PostImage>(ended) else {
                if ended.is_some()
                    || row.status == OperationStatus::Completed && row.kind != XML_KIND
                {
                    self.history.push(unreadable(&at, "what it did"));
                }
                continue;
            };
            self.note_trash(run, &post.outcome);
            self.images.push(post);
        }
    }

    fn note_trash(&mut self, run: &ApplyRow, outcome: &Outcome) {
        let lies = match outcome {
            Outcome::Trashed { was, trash_path } => Some((was, trash_path)),
            Outcome::File(made) => made.replaced.as_ref().map(|(was, place)| (was, place)),
            Outcome::Waiting { .. }
            | Outcome::Placed { .. }
            | Outcome::Rows
            | Outcome::TidalRemoved(_)
            | Outcome::TidalRestored { .. }
            | Outcome::Nothing => None,
        };
        if let Some((was, place)) = lies.filter(|_| run.status != ApplyStatus::Undone) {
            self.trashed.push(Trashed {
                run: run.clone(),
                path: was.path.clone(),
                place: place.clone(),
                size: was.size,
            });
        }
    }
}

fn unreadable(at: &str, what: &str) -> String {
    format!(
        "{at}: {what} cannot be read any more, so it cannot be undone. `tidal-cleanup db restore` goes \
         back to a backup that has it"
    )
}

/// What is wrong with the plan that stands beside a run.
async fn plan_problem(
    engine: &Engine,
    run: &ApplyRow,
    operations: &[OperationRow],
) -> Option<String> {
    let id = run.id;
    let advice = "its operations are still there, and `history` shows them; `undo` and `--resume` of it \
                  need a backup (`tidal-cleanup db restore`)";
    let text = match engine.store.applied_plan(id).await {
        Ok(Some(text)) => text,
        Ok(None) => return Some(format!("apply {id}: its plan is not there; {advice}")),
        Err(error) => {
            return Some(format!(
                "apply {id}: its plan cannot be read ({error}); {advice}"
            ));
        }
    };
    let plan = match canonical::parse(text.as_bytes()) {
        Ok(plan) => plan,
        Err(error) => {
            return Some(format!(
                "apply {id}: its plan is damaged ({error}); {advice}"
            ));
        }
    };
    if canonical::digest(&plan.body) != run.digest {
        return Some(format!(
            "apply {id}: its plan is not the one that was approved; {advice}"
        ));
    }
    let options = plan.body.decisions.iter().flat_map(|it| &it.options);
    let answers = options.flat_map(|option| &option.actions);
    let actions: BTreeSet<_> = plan
        .body
        .actions
        .iter()
        .chain(answers)
        .map(|it| &it.id)
        .collect();
    let is_foreign = |row: &&OperationRow| {
        row.kind != XML_KIND && run.mode != restored::MODE && !actions.contains(&row.action_id)
    };
    let foreign = operations.iter().find(is_foreign)?;
    Some(format!(
        "apply {id}: operation {} is not in its plan; {advice}",
        foreign.seq
    ))
}

/// The files that the program delivered, with what is known of each.
struct Delivered<'a> {
    state: &'a State,
    /// The modification time that a file was left with.
    times: BTreeMap<&'a MediaPath, (i64, u32)>,
}

impl<'a> Delivered<'a> {
    fn new(state: &'a State, images: &'a [PostImage]) -> Self {
        let mut times = BTreeMap::new();
        for image in images {
            match &image.outcome {
                Outcome::File(made) => drop(times.insert(&made.file.path, made.file.mtime)),
                Outcome::Placed { to, mtime, .. } => drop(times.insert(to, *mtime)),
                Outcome::Trashed { .. }
                | Outcome::Waiting { .. }
                | Outcome::Rows
                | Outcome::TidalRemoved(_)
                | Outcome::TidalRestored { .. }
                | Outcome::Nothing => {}
            }
        }
        Self { state, times }
    }

    /// What can be told without reading the files.
    fn problems(&self, engine: &Engine) -> Vec<String> {
        let mut found = Vec::new();
        for (path, row) in &self.state.files {
            let track = row.track.as_ref().and_then(|id| self.state.tracks.get(id));
            let elsewhere = track.is_some_and(|track| track.file.as_ref() != Some(path));
            // A file that somebody moved by hand, and that was found again, is not looked for here.
            if !row.provenance.is_ours() || row.role == FileRole::Track && elsewhere {
                continue;
            }
            match engine.library.stat(path) {
                Ok(Some(stat)) if stat.size == 0 && row.size > 0 => {
                    found.push(format!("{path}: it is empty. {}", self.advice(path)));
                }
                Ok(Some(_)) => {}
                Ok(None) => found.push(format!("{path}: it is not there. {}", self.advice(path))),
                Err(error) => found.push(format!("{path}: {error}")),
            }
        }
        found
    }

    fn advice(&self, path: &MediaPath) -> &'static str {
        let role = self.state.files.get(path).map(|row| row.role);
        match role {
            Some(FileRole::Track) => {
                "The next plan shows what to do: link it where it is now, or fetch it again"
            }
            Some(FileRole::Copy | FileRole::Playlist) | None => "The next plan makes it again",
        }
    }

    /// Compares every file with the hash that it was delivered with: what changed in secret, and what
    /// somebody edited.
    fn contents(&self, engine: &Engine) -> (Vec<String>, Vec<String>) {
        let ours = self.state.files.values();
        let ours = ours.filter(|row| row.provenance.is_ours() && row.hash.is_some());
        let there: Vec<(&MediaPath, FileStat, ContentHash)> = ours
            .filter_map(|row| {
                let stat = engine.library.stat(&row.path).ok().flatten()?;
                Some((&row.path, stat, row.hash?))
            })
            .collect();
        let paths: Vec<&MediaPath> = there.iter().map(|(path, ..)| *path).collect();
        let mut damaged = Vec::new();
        let mut edited = Vec::new();
        for ((path, stat, hash), now) in there.into_iter().zip(engine.library.hashes(&paths)) {
            let now = match now {
                Ok(now) => now,
                Err(error) => {
                    damaged.push(format!("{path}: {error}"));
                    continue;
                }
            };
            let as_left = self.times.get(path) == Some(&stat.mtime);
            match now == hash {
                true => {}
                false if as_left => damaged.push(format!(
                    "{path}: its content is not what was delivered, although its time is: a failing disk, \
                     or an editor that hides its traces. Bring it back from a backup of yours, or delete \
                     it and the next plan fetches it again"
                )),
                false => edited.push(path.to_string()),
            }
        }
        (damaged, edited)
    }
}

/// Files that should lie in the trash and don't, that lie there and nobody knows of, or that changed
/// there.
fn trash_problems(engine: &Engine, trashed: &[Trashed]) -> Result<Vec<String>, CliError> {
    let root = engine.policy.library.root.as_path();
    let folder = root.join(trash::folder());
    let read = |error| CliError::file("read", &folder, error);
    let mut found = Vec::new();
    let lying = trash::contents(root).map_err(read)?;
    let by_place: BTreeMap<&MediaPath, &trash::Lying> =
        lying.iter().map(|file| (&file.place, file)).collect();
    let mut runs: BTreeMap<String, Vec<trash::Event>> = BTreeMap::new();
    for file in trashed {
        let run = file.run.id.to_string();
        if !runs.contains_key(&run) {
            let events = trash::events(root, &run).map_err(read)?;
            runs.insert(run.clone(), events);
        }
        let (path, place, id) = (&file.path, &file.place, file.run.id);
        match by_place.get(place) {
            Some(there) if there.size != file.size => found.push(format!(
                "{place}: it has another size than {path} had. `undo {id}` leaves it where it is; look at \
                 it, and move it by hand"
            )),
            Some(_) => {}
            None if left(&runs[&run], place) || is_back(root, file) => {}
            None => found.push(format!(
                "{place}: it is not in the trash any more, so `undo {id}` cannot bring {path} back"
            )),
        }
    }
    for file in &lying {
        let place = &file.place;
        let known = trashed.iter().any(|it| it.place == *place);
        if file.at.is_none() && file.run != trash::PLACED {
            let what = match known {
                true => {
                    "its folder's manifest.jsonl does not name it. `undo` brings it back all the same"
                }
                false => {
                    "nobody put it there that the manifest.jsonl beside it names. Move it where it \
                          belongs"
                }
            };
            found.push(format!("{place}: {what}"));
        } else if file.sha256.is_none() && known {
            found.push(format!(
                "{place}: it was changed in the trash. Look at it, and move it by hand"
            ));
        }
    }
    Ok(found)
}

/// Whether the manifest says that the file left the trash.
fn left(events: &[trash::Event], place: &MediaPath) -> bool {
    let mut last = None;
    for event in events {
        match event {
            trash::Event::Trashed { place: of, .. } if of == place => last = Some(false),
            trash::Event::Purged { place: of, .. } | trash::Event::Restored { place: of, .. }
                if of == place =>
            {
                last = Some(true);
            }
            trash::Event::Trashed { .. }
            | trash::Event::Failed { .. }
            | trash::Event::Purged { .. }
            | trash::Event::Restored { .. } => {}
        }
    }
    last == Some(true)
}

/// Brought back by hand, as the trash's own README says.
fn is_back(root: &std::path::Path, file: &Trashed) -> bool {
    let there = fs::metadata(root.join(file.path.relative()));
    there.is_ok_and(|facts| facts.len() == file.size)
}

/// Backups that would not serve any more.
async fn backup_problems(engine: &Engine) -> Vec<String> {
    let mut found = Vec::new();
    let folder = engine.settings.backups(&engine.db);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let mut backups: Vec<_> = entries.map(|entry| entry.path()).collect();
    backups.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".db") && !name.ends_with("-damaged.db")
    });
    backups.sort();
    for backup in backups {
        if let Err(error) = sqlite::verify_backup(&backup).await {
            found.push(format!(
                "{}: {error}. Delete it; the other backups and the next apply's serve",
                backup.display()
            ));
        }
    }
    if let Some(rekordbox) = &engine.rekordbox {
        for backup in rekordbox.backup_list() {
            if let Err(error) = rekordbox.verify_backup(&backup).await {
                found.push(format!(
                    "{}: {error}. Delete that folder; `tidal-cleanup rekordbox backup` makes a new one",
                    backup.path.display()
                ));
            }
        }
    }
    found
}
