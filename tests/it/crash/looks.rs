//! Commands that only read change nothing outside of the program's caches: seen by the calls that they
//! make, and by the inodes, times and sizes of everything there is.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt as _};

use super::{
    rig::Rig,
    shim::{Fault, Plan},
};

/// The caches, and a temporary name on the way to one.
fn is_cache(path: &str) -> bool {
    let state = path.strip_prefix("home/.tidal-cleanup/");
    state.is_some_and(|name| {
        let cache = name.ends_with(".cache");
        cache || name.starts_with(".tmp") || name.starts_with(".rekordbox-cache.")
    })
}

/// Inode, size, mode and times of everything but caches.
fn facts(rig: &Rig) -> BTreeMap<String, (u64, u64, u32, i64, i64, i64)> {
    let root = rig.world.path("");
    let walk = walkdir::WalkDir::new(&root).into_iter().map(Result::unwrap);
    let name = |path: &std::path::Path| {
        path.strip_prefix(&root)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned()
    };
    let all = walk.map(|entry| {
        (
            name(entry.path()),
            fs::symlink_metadata(entry.path()).unwrap(),
        )
    });
    // The folder of the caches changes with them.
    let foreign = all.filter(|(path, _)| !is_cache(path) && path != "home/.tidal-cleanup");
    foreign
        .map(|(path, it)| {
            let facts = (
                it.ino(),
                it.size(),
                it.mode(),
                it.mtime_nsec(),
                it.ctime(),
                it.ctime_nsec(),
            );
            (path, facts)
        })
        .collect()
}

#[test]
fn what_only_reads_writes_to_caches_alone() {
    let rig = Rig::lent();
    rig.reset();
    let commands: &[&[&str]] = &[
        &["plan", "--json"],
        &["plan", "--markdown"],
        &["plan", "--playlist", "Party", "--json"],
        &["show", "plan.json"],
        &["show", "plan.json", "--verify"],
        &["show", "plan.json", "--json"],
        &["status"],
        &["status", "--json"],
        &["history"],
        &["history", "1"],
        &["library"],
        &["library", "orphans", "--json"],
        &["policy", "check"],
        &["policy", "explain", "1000"],
        &["policy", "test"],
        &["policy", "fmt", "--check"],
        &["db", "check"],
        &["snapshot", "tidal"],
        &["snapshot", "local"],
        &["snapshot", "rekordbox"],
        &["rekordbox", "status"],
        &["trash", "list"],
        &["freeze"],
        &["schema", "plan"],
        &["completions", "bash"],
        &["whoami"],
        &["doctor", "--json"],
        &["report", "--json"],
        &["apply", "plan.json", "--yes"],
    ];
    let (before, kept) = (rig.dump(), facts(&rig));
    for args in commands {
        let ended = rig.run(args, &Plan::new(Fault::Count, 0));
        let code = ended.status.code();
        // Nobody is logged in, there is nobody to ask, and the layout of this policy is another.
        let fine = matches!(
            (args[0], code),
            (_, Some(0)) | ("whoami", _) | ("apply", Some(9))
        ) || args.starts_with(&["policy", "fmt"])
            // The DJ renamed a file, which the check tells.
            || args.starts_with(&["db", "check"])
            || args.starts_with(&["snapshot", "tidal"]);
        assert!(fine, "{args:?}: {ended:?}");
        let calls = rig.calls().into_iter();
        let mut foreign: Vec<_> = calls.filter(|(_, path)| !is_cache(path)).collect();
        if args[0] == "apply" {
            // A lock is all that an apply takes before it is agreed to; the state's folder is there for it.
            foreign.retain(|(_, path)| {
                !path.ends_with("lock") && !is_log(path) && path != "home/.tidal-cleanup"
            });
        }
        assert!(foreign.is_empty(), "{args:?} wrote {foreign:?}");
        if args[0] != "apply" {
            let now = facts(&rig);
            for (path, facts) in &kept {
                assert_eq!(now.get(path), Some(facts), "{args:?} changed {path}");
            }
            assert_eq!(now.len(), kept.len(), "{args:?} made a file");
        }
        rig.dump().assert_is(&before, &format!("{args:?}"));
    }
}

/// SQLite's own files of a database that is open to be written.
fn is_log(path: &str) -> bool {
    path.starts_with("home/.tidal-cleanup/sync.db")
}

/// Beside an interrupted run, whose log nobody has folded in, looking is looking as well.
#[test]
fn looking_at_an_interrupted_run_leaves_it_as_it_is() {
    let rig = Rig::lent();
    rig.reset();
    let calls = rig.count(&rig.apply());
    let files: Vec<usize> = (1..=calls.len())
        .filter(|at| calls[*at - 1].1.starts_with("library/Playlists"))
        .collect();
    rig.reset();
    let at = files[files.len() / 2];
    assert!(
        rig.run(&rig.apply(), &Plan::new(Fault::Kill, at))
            .was_killed()
    );
    let before = rig.dump();
    for args in [
        &["plan", "--json"][..],
        &["status"],
        &["history"],
        &["show", "plan.json"],
    ] {
        let ended = rig.run(args, &Plan::new(Fault::Count, 0));
        assert_eq!(ended.status.code(), Some(0), "{args:?}: {ended:?}");
        let mut foreign = rig.calls();
        foreign.retain(|(_, path)| !is_cache(path));
        assert!(foreign.is_empty(), "{args:?} wrote {foreign:?}");
        rig.dump().assert_is(&before, &format!("{args:?}"));
    }
    rig.finish("after looking");
}
