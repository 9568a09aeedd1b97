//! Invariants I3 and I4: an effect starts only after its intent is durable, and every intent can be
//! settled by looking at the world alone, whatever somebody did to it meanwhile.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::Value;

use super::{
    dump, everything, on_all_cores,
    rig::Rig,
    shim::{Fault, Plan},
};

/// Calls of an apply that change the user's files or Rekordbox, from 1.
fn effects(rig: &Rig) -> Vec<usize> {
    rig.reset();
    let calls = rig.count(&rig.apply());
    let is_effect = |path: &str| {
        (path.starts_with("library/") && !path.contains(".tidal-cleanup"))
            || path.starts_with("rekordbox/master")
    };
    let all = calls.iter().enumerate();
    all.filter(|(_, (_, path))| is_effect(path))
        .map(|(at, _)| at + 1)
        .collect()
}

/// So many of them, evenly.
fn some(all: Vec<usize>, most: usize) -> Vec<usize> {
    let step = if everything() {
        1
    } else {
        all.len().div_ceil(most)
    };
    all.into_iter().step_by(step).collect()
}

/// I3. The power goes right after an effect, and takes every byte along that was not synced, but not the
/// names: what is different in the world stands in what is left of the journal.
#[test]
fn an_effect_starts_only_after_its_intent_is_durable() {
    let rig = Rig::lent();
    let points = some(effects(&rig), 24);
    let (changed, written) = (AtomicUsize::new(0), AtomicUsize::new(0));
    on_all_cores(&rig, &points, |rig, at| {
        let what = format!("power after call {at}");
        rig.reset();
        let ended = rig.run(&rig.apply(), &Plan::new(Fault::Data, at + 1));
        assert!(ended.was_killed(), "{what}: {ended:?}");
        let begun = dump::begun(&rig.world, rig.runs as i64);
        let (files, rows) = rig.dump().changed_since(&rig.before);
        changed.fetch_add(files.len(), Ordering::Relaxed);
        written.fetch_add(usize::from(rows), Ordering::Relaxed);
        for file in files {
            // A folder is named by what lies in it, and what is half written by what it becomes there.
            let path = Path::new(&file);
            let half = file.contains("/.tidal-cleanup-") && file.ends_with(".part");
            let name = match half {
                true => path.parent().unwrap().to_owned(),
                false => path.with_extension(""),
            };
            let name = name.to_str().unwrap().trim_end_matches('/');
            assert!(
                begun
                    .iter()
                    .any(|operation| operation.intent.contains(name)),
                "{what}: {file} was changed, and the journal has {begun:#?}"
            );
        }
        let of_rows = |kind: &str| kind.starts_with("rb.");
        assert!(
            !rows || begun.iter().any(|operation| of_rows(&operation.kind)),
            "{what}: rows were changed, and the journal has {begun:#?}"
        );
    });
    let (changed, written) = (changed.into_inner(), written.into_inner());
    println!("{changed} changed files, rows changed {written} times");
    assert!(changed >= 50 && written >= 3, "{changed}, {written}");
}

/// The places that an intent writes to.
fn targets(intent: &Value, found: &mut Vec<String>) {
    match intent {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(path) if ["to", "path"].contains(&name.as_str()) => {
                        found.push(path.clone());
                    }
                    other => targets(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| targets(item, found)),
        _ => {}
    }
}

/// Whether a file of these bytes is anywhere in the library, the trash included.
fn holds(root: &Path, bytes: &[u8]) -> bool {
    let files = walkdir::WalkDir::new(root).into_iter().flatten();
    let mut files = files.filter(|entry| entry.file_type().is_file());
    files.any(|entry| fs::read(entry.path()).is_ok_and(|found| found == bytes))
}

/// I4. Killed with intents open, and before the recovery the DJ puts a file of their own wherever one of
/// them was about to write: each intent is settled, and the DJ's file is kept.
#[test]
fn every_intent_is_settled_by_looking_at_the_world() {
    let rig = Rig::lent();
    let points = some(effects(&rig), 24);
    let met = AtomicUsize::new(0);
    on_all_cores(&rig, &points, |rig, at| {
        let resume = at % 2 == 0;
        let what = format!("a kill at {at}, then the DJ, then resume: {resume}");
        rig.reset();
        let ended = rig.run(&rig.apply(), &Plan::new(Fault::Kill, *at));
        assert!(ended.was_killed(), "{what}: {ended:?}");
        let library = rig.world.path("library");
        let begun = dump::begun(&rig.world, rig.runs as i64);
        let open = begun.iter().filter(|it| it.status == "running");
        let mut theirs = Vec::new();
        for (n, operation) in open.enumerate() {
            let mut places = Vec::new();
            targets(
                &serde_json::from_str(&operation.intent).unwrap(),
                &mut places,
            );
            for place in places {
                let path = library.join(&place);
                if place.contains(".tidal-cleanup") || !path.parent().unwrap().is_dir() {
                    continue;
                }
                let bytes = format!("the DJ's own, {at} {n} {place}").into_bytes();
                // As an editor does: a new file under the name of the old one.
                let new = path.with_file_name("new by hand");
                fs::write(&new, &bytes).unwrap();
                fs::rename(new, path).unwrap();
                theirs.push((place, bytes));
            }
        }
        let args: &[&str] = match resume {
            true => &["apply", "--resume", "--yes"],
            false => &["undo", "--yes"],
        };
        let said = rig.world.run(args);
        assert!([0, 7].contains(&said.code), "{what}: {said:?}");
        let left = dump::begun(&rig.world, rig.runs as i64);
        let open: Vec<_> = left.iter().filter(|it| it.status == "running").collect();
        assert!(open.is_empty(), "{what}: {open:#?}");
        met.fetch_add(theirs.len(), Ordering::Relaxed);
        for (place, bytes) in theirs {
            assert!(holds(&library, &bytes), "{what}: {place} is lost");
        }
        rig.assert_fit(&what);
    });
    let met = met.into_inner();
    println!("{met} files of the DJ's in the way");
    assert!(met >= 20, "{met}");
}
