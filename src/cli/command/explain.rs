//! `policy explain`: one track or playlist through every rule, from the last readings.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use jiff::Zoned;
use serde_json::{Value, json};

use crate::{
    cli::{
        args::PlanInputs,
        engine::{Engine, Request, TidalSource},
        error::{CliError, Exit},
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    desired::{DesiredState, language, naming},
    domain::{MediaPath, PlaylistId, TrackId, text::fold_name},
    observe::Observation,
    plan::{PlanInput, explain::Explainer, guard},
    policy::{
        Facts, Policy, SyncMode, condition::Truth, explain, survey::Seen, verdict::verdict_during,
    },
};

/// As many candidates as are shown.
const MOST_CANDIDATES: usize = 10;

/// What `policy explain` is asked about.
pub struct Question<'a> {
    pub what: &'a str,
    pub desired: Option<&'a Path>,
    pub as_of: Option<jiff::civil::Date>,
}

/// What was found under the name.
enum Subject {
    Track(TrackId),
    File(MediaPath),
    Playlist(PlaylistId),
}

/// `policy explain`
///
/// # Errors
/// When nothing or too much is called so, or there is no reading of TIDAL to look it up in.
pub async fn explain_one(
    settings: &Settings,
    ui: &Ui,
    question: &Question<'_>,
) -> Result<Exit, CliError> {
    let mut engine = Engine::look_at(settings, ui).await?;
    let inputs = PlanInputs {
        desired: question.desired.map(Path::to_owned),
        as_of: question.as_of,
        ..PlanInputs::default()
    };
    let mut observation = look(&mut engine, &inputs, ui).await?;
    let request = Request {
        inputs,
        ..Request::default()
    };
    let answer = engine
        .decide(&request, &mut observation, ui, |input| {
            let subject = find(input, question.what);
            let traced = subject.map(|subject| trace(input, &subject));
            (traced, BTreeSet::new())
        })
        .await??;
    let text = text_of(&answer);
    ui.answer_either(text, &Envelope::new("policy-explain", answer))?;
    Ok(Exit::Done)
}

/// What `policy check` holds the policy against; `None` when nothing has been read yet, or the library
/// is away.
pub async fn seen(engine: &mut Engine, ui: &Ui) -> Option<Seen> {
    if engine.require_canary().await.is_err() {
        return None;
    }
    let mut observation = look(engine, &PlanInputs::default(), ui).await.ok()?;
    let gather = |input: &PlanInput<'_>| {
        let seen = Seen {
            playlists: playlists(input)
                .into_iter()
                .map(|(id, name)| (id.to_string(), name))
                .collect(),
            facts: Explainer::new(input).all(),
            collisions: collisions(input.policy, input.desired),
        };
        (seen, BTreeSet::new())
    };
    let request = Request::default();
    engine
        .decide(&request, &mut observation, ui, gather)
        .await
        .ok()
}

/// Names that several playlists want: in a Rekordbox folder, or for their own folders.
fn collisions(policy: &Policy, desired: &DesiredState) -> Vec<(String, String, Vec<String>)> {
    let mut wanted: BTreeMap<(String, String), (String, Vec<String>)> = BTreeMap::new();
    for list in desired.playlists.values() {
        let spoken = language::speak(&policy.my_tags, &list.name);
        let folder = match list.rekordbox_folder.is_empty() {
            true => "Rekordbox".to_owned(),
            false => format!("Rekordbox's {}", list.rekordbox_folder.join("/")),
        };
        let on_disk = naming::playlist_folder_name(&list.name);
        let places = [
            (folder, spoken.display),
            ("the library".to_owned(), on_disk),
        ];
        for (place, name) in places {
            let (_, lists) = wanted
                .entry((place, fold_name(&name)))
                .or_insert_with(|| (name, Vec::new()));
            lists.push(list.name.clone());
        }
    }
    wanted
        .into_iter()
        .filter(|(_, (_, lists))| lists.len() > 1)
        .map(|((place, _), (name, lists))| (place, name, lists))
        .collect()
}

/// Reads the worlds without asking TIDAL.
async fn look(engine: &mut Engine, inputs: &PlanInputs, ui: &Ui) -> Result<Observation, CliError> {
    let offline = PlanInputs {
        offline: inputs.desired.is_none() && engine.policy.tidal.snapshot.is_none(),
        ..inputs.clone()
    };
    let source: TidalSource = engine.tidal(&offline, ui).await?;
    let observation = engine.observe(&source).await;
    ui.end_progress();
    observation
}

/// The track, file or playlist of that name.
fn find(input: &PlanInput<'_>, what: &str) -> Result<Subject, CliError> {
    let labels = labels(input);
    let id = TrackId::from(what.trim());
    if labels.contains_key(&id) {
        return Ok(Subject::Track(id));
    }
    let path = MediaPath::new(what.trim());
    let mut files = input.observation.library.value.files.iter();
    if files.any(|file| file.path == path) {
        return Ok(Subject::File(path));
    }
    let wanted = plain(what);
    let exact: Vec<&TrackId> = labels
        .iter()
        .filter(|(_, label)| plain(label) == wanted)
        .map(|(id, _)| id)
        .collect();
    let lists = playlists(input);
    let list = lists
        .iter()
        .find(|(id, name)| id.as_str() == what.trim() || plain(name) == wanted);
    if let (true, Some((list, _))) = (exact.is_empty(), list) {
        return Ok(Subject::Playlist(list.clone()));
    }
    let found: Vec<&TrackId> = match exact.is_empty() {
        false => exact,
        true => labels
            .iter()
            .filter(|(_, label)| {
                let label = plain(label);
                !wanted.is_empty() && wanted.split(' ').all(|word| label.contains(word))
            })
            .map(|(id, _)| id)
            .collect(),
    };
    match found.as_slice() {
        [one] => Ok(Subject::Track((*one).clone())),
        [] => Err(
            CliError::user(format!("no track, file or playlist is called “{what}”"))
                .hint("write a part of “Artist - Title”, a TIDAL id, a path below the library, or a playlist's name")
                .hint("what was never read is not known: `tidal-cleanup plan` reads anew"),
        ),
        several => {
            let shown = several.iter().take(MOST_CANDIDATES);
            let lines: Vec<String> = shown
                .map(|id| format!("{id}  {}", labels.get(*id).map_or("", String::as_str)))
                .collect();
            let mut error = CliError::user(format!("{} tracks fit “{what}”", several.len()));
            for line in lines {
                error = error.hint(line);
            }
            Err(error.hint("name one by its TIDAL id"))
        }
    }
}

/// For comparison: lower case, one kind of dash, single blanks.
fn plain(text: &str) -> String {
    let folded = fold_name(text).replace(['–', '—'], "-");
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `Artist – Title` of every track that is wanted or remembered.
fn labels(input: &PlanInput<'_>) -> BTreeMap<TrackId, String> {
    let remembered = input.observation.state.tracks.iter();
    let remembered = remembered.map(|(id, row)| (id.clone(), row.track.label()));
    let wanted = input.desired.tracks.iter();
    let wanted = wanted.map(|(id, want)| (id.clone(), want.track.label()));
    remembered.chain(wanted).collect()
}

fn playlists(input: &PlanInput<'_>) -> BTreeMap<PlaylistId, String> {
    let remembered = input.observation.state.playlists.values();
    let remembered = remembered.map(|row| (row.id.clone(), row.name.clone()));
    let read = input.observation.tidal.value.playlists.iter();
    let read = read.map(|list| (list.id.clone(), list.name.clone()));
    remembered.chain(read).collect()
}

fn trace(input: &PlanInput<'_>, subject: &Subject) -> Value {
    let explainer = Explainer::new(input);
    match subject {
        Subject::Track(id) => {
            let label = labels(input).remove(id).unwrap_or_default();
            let files = explainer.track(id).into_iter();
            let rows: Vec<Value> = files
                .map(|known| traced(input, known.path.as_ref(), &known.facts))
                .collect();
            json!({ "about": "track", "id": id, "label": label, "playlists": modes(input, id), "cases": rows })
        }
        Subject::File(path) => {
            let known = explainer.file(path);
            let rows: Vec<Value> = known
                .into_iter()
                .map(|known| traced(input, known.path.as_ref(), &known.facts))
                .collect();
            json!({ "about": "file", "label": path, "playlists": [], "cases": rows })
        }
        Subject::Playlist(id) => {
            let label = playlists(input).remove(id).unwrap_or_default();
            let facts = explainer.playlist(id).unwrap_or_default();
            let rows = [traced(input, None, &facts)];
            let policy = input.policy;
            let (mode, at) = policy.mode(id.as_str(), &label);
            let own = json!([{
                "name": label, "id": id, "mode": mode_word(mode), "at": at.to_string(),
                "managed": policy.tidal.selects(id.as_str(), &label),
            }]);
            json!({ "about": "playlist", "id": id, "label": label, "playlists": own, "cases": rows })
        }
    }
}

/// The playlists of a track, and how far each is managed.
fn modes(input: &PlanInput<'_>, track: &TrackId) -> Vec<Value> {
    let read = input.observation.tidal.value.playlists.iter();
    let holds = read.filter(|list| list.tracks().any(|entry| entry.id == *track));
    holds
        .map(|list| {
            let (mode, at) = input.policy.mode(list.id.as_str(), &list.name);
            json!({
                "name": list.name, "id": list.id, "mode": mode_word(mode), "at": at.to_string(),
                "managed": input.policy.tidal.selects(list.id.as_str(), &list.name),
            })
        })
        .collect()
}

const fn mode_word(mode: SyncMode) -> &'static str {
    match mode {
        SyncMode::Manage => "manage",
        SyncMode::Additive => "additive",
        SyncMode::Observe => "observe",
    }
}

/// Every protection, freeze and rule over these facts, and what comes of it.
fn traced(input: &PlanInput<'_>, path: Option<&MediaPath>, facts: &Facts) -> Value {
    let policy = input.policy;
    let now = Zoned::now();
    let freeze = guard::freeze_active(policy, &now);
    let tried: Vec<Value> = explain(policy, facts)
        .iter()
        .map(|tried| {
            let tests: Vec<Value> = tried
                .findings
                .iter()
                .map(|test| json!({ "test": test.test, "fact": test.fact, "holds": truth(test.truth) }))
                .collect();
            json!({
                "kind": tried.by.to_string(), "name": tried.name, "at": tried.at.to_string(),
                "would": tried.would, "holds": truth(tried.truth), "tests": tests,
                "applies": tried.applies,
            })
        })
        .collect();
    let freezes: Vec<Value> = policy
        .freezes
        .iter()
        .map(|it| {
            let on = freeze.is_some_and(|on| on.name == it.name);
            json!({ "name": it.name, "at": it.at.to_string(), "on": on })
        })
        .collect();
    let verdict = verdict_during(policy, facts, freeze);
    let facts: BTreeMap<&str, String> = facts
        .iter()
        .map(|(key, fact)| (*key, fact.to_string()))
        .collect();
    json!({
        "file": path, "facts": facts, "rules": tried, "freezes": freezes,
        "verdict": { "text": verdict.to_string(), "at": verdict.at.to_string(), "evidence": verdict.evidence },
    })
}

const fn truth(truth: Truth) -> &'static str {
    match truth {
        Truth::Yes => "yes",
        Truth::No => "no",
        Truth::Unknown => "unknown",
    }
}

/// The answer for a person.
fn text_of(answer: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let empty = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    let mut out = String::new();
    let id = text(&answer["id"]);
    let id = if id.is_empty() {
        id
    } else {
        format!("  ({id})")
    };
    let _ = writeln!(out, "{}{id}", text(&answer["label"]));
    for playlist in list(&answer["playlists"]) {
        let managed = match playlist["managed"].as_bool() {
            Some(false) => "not managed: [tidal] playlists and exclude leave it out".to_owned(),
            Some(true) | None => {
                format!("mode {}{}", text(&playlist["mode"]), place(&playlist["at"]))
            }
        };
        let _ = writeln!(out, "  playlist  {}: {managed}", text(&playlist["name"]));
    }
    for case in list(&answer["cases"]) {
        let file = match case["file"].as_str() {
            Some(path) => path.to_owned(),
            None if answer["about"] == "playlist" => String::new(),
            None => "no file here".to_owned(),
        };
        if !file.is_empty() {
            let _ = writeln!(out, "\n{file}");
        }
        let _ = writeln!(out, "\n  What is known");
        for (key, fact) in case["facts"].as_object().into_iter().flatten() {
            let _ = writeln!(out, "    {key} = {}", text(fact));
        }
        for (kind, title) in [
            ("protect", "Protections"),
            ("rule", "Rules, the first yes decides"),
        ] {
            let rows: Vec<Value> = list(&case["rules"])
                .into_iter()
                .filter(|row| row["kind"] == kind)
                .collect();
            if !rows.is_empty() {
                let _ = writeln!(out, "\n  {title}");
            }
            for row in rows {
                let _ = writeln!(out, "    {}", row_text(&row));
                for test in list(&row["tests"]) {
                    let known = match test["fact"].as_str() {
                        Some(fact) => format!("it is {fact}"),
                        None => "not known".to_owned(),
                    };
                    let holds = text(&test["holds"]);
                    let _ = writeln!(
                        out,
                        "             {holds:<8} {} ({known})",
                        text(&test["test"])
                    );
                }
            }
            if kind == "protect" {
                freezes(&mut out, &list(&case["freezes"]));
            }
        }
        let verdict = &case["verdict"];
        let _ = writeln!(
            out,
            "\n  So: {}{}",
            text(&verdict["text"]),
            place(&verdict["at"])
        );
    }
    out.trim_end().to_owned()
}

fn freezes(out: &mut String, freezes: &[Value]) {
    if freezes.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n  Freezes");
    for freeze in freezes {
        let on = if freeze["on"] == true { "yes" } else { "no" };
        let name = freeze["name"].as_str().unwrap_or_default();
        let _ = writeln!(out, "    {on:<8} {name}{}", place(&freeze["at"]));
    }
}

fn row_text(row: &Value) -> String {
    let text = |key: &str| row[key].as_str().unwrap_or_default();
    let applies = match row["applies"].as_bool() {
        Some(false) => ", which is for the other kind of thing",
        Some(true) | None => "",
    };
    format!(
        "{:<8} {}{}: would {}{applies}",
        text("holds"),
        text("name"),
        place(&row["at"]),
        text("would")
    )
}

fn place(at: &Value) -> String {
    match at.as_str() {
        Some(at) if !at.is_empty() => format!(" ({at})"),
        Some(_) | None => String::new(),
    }
}
