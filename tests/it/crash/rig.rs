//! A real world with a plan that does a bit of everything, and the way back to it.

use std::{
    borrow::Borrow,
    collections::BTreeSet,
    fs,
    ops::Deref,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, Weak},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidal_cleanup::{
    domain::RekordboxSchema,
    edge::rekordbox::{ContentFile, ContentRef, Edit, NewContentRow, NodeRef},
    plan::Plan,
};

use super::{
    dump::{self, Dump},
    shim::{self, Fault},
};
use crate::{
    harness::{Said, Setup, Snapshot, World, collection, digits, uuid},
    rekordbox::track,
};

/// A world in which a plan lies ready, kept as it is, and how it looks when the plan is carried out.
pub(crate) struct Rig {
    pub(crate) world: World,
    /// What a reset gives back, the log and the shadow.
    aside: TempDir,
    pub(crate) before: Dump,
    pub(crate) after: Dump,
    pub(crate) plan: Plan,
    missing: BTreeSet<String>,
    /// How many runs there were before the plan's.
    pub(crate) runs: usize,
}

/// How the program ended under a fault.
#[derive(Debug)]
#[expect(dead_code, reason = "what it said is shown when a test fails")]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    out: String,
    err: String,
}

impl Ended {
    pub(crate) fn was_killed(&self) -> bool {
        self.status.signal() == Some(9)
    }
}

/// More than the usual policy: tags, and files that become FLAC.
pub(crate) const MORE: &str = "duplicates = \"merge-all\"\n[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n\
     [safety]\nmax_remove = { count = 50, percent = 100 }\n\
     max_remove_per_playlist = { percent = 100, min = 10 }\n\
     [mytag.Genre]\n\"🇮🇹\" = \"House Italo\"\n\"🏃\" = \"House Progressive\"\n\"💎\" = \"Minimal\"\n";

pub(crate) fn first() -> Snapshot {
    Snapshot::new()
        .list('a', "House 🇮🇹", "0 1 2")
        .list('b', "Party", "2 5 6 5")
        .list('c', "Deep 🏃", "8 9 2")
        .list('e', "Old", "1 13")
}

/// All seven kinds of change, and a list that got another id.
pub(crate) fn second() -> Snapshot {
    Snapshot::new()
        .list('a', "House 2026 🇮🇹", "0! 2 1 8")
        .list('b', "Party", "2 5 6 11")
        .list('n', "Deep 🏃", "2 8")
        .list('d', "New 💎", "12 0!")
}

/// The DJ gives a file another name, and has a recording a second time, in a list of their own.
fn by_hand(world: &World) {
    let folder = world.path("library/Playlists/Party");
    let file = |name: &str| folder.join(name);
    fs::rename(file("Artist 6 - Title 6.flac"), file("six.flac")).unwrap();
    let collection = world.collection();
    let ours = collection
        .contents
        .values()
        .find(|row| row.title == "Title 2");
    let ours = ours.unwrap();
    let mine = collection.nodes.values().find(|node| node.name == "Mine");
    let mine = mine.unwrap();
    let row = NewContentRow {
        file: ContentFile {
            path: "/Music/Vinyl/Title 2.flac".into(),
            size: 1,
            file_id: 77,
        },
        title: "Title 2 (vinyl)".to_owned(),
        isrc: ours.isrc.clone().map(String::from),
        length_s: 1,
        ..track(50)
    };
    let there = mine.entries.iter().map(|entry| entry.content.clone());
    let mut contents: Vec<ContentRef> = there.map(ContentRef::Id).collect();
    contents.push(ContentRef::Id(ours.id.clone().unwrap()));
    contents.push(ContentRef::Staged(0));
    let edits = [
        Edit::AddContent(Box::new(row)),
        Edit::SetEntries {
            node: NodeRef::Id(mine.id.clone()),
            contents,
        },
    ];
    collection::edit(&world.path("rekordbox"), &edits);
}

/// The setting under which files are poor.
pub(crate) const AS_MP3: &str = "format = \"mp3\"\nquality = \"16k\"\n";

/// From now on files come as they are, and a rule replaces lossy ones; `more` stands before it.
pub(crate) fn ask_for_better_files(world: &World, more: &str) {
    let rule = "[[rule]]\nname = \"better\"\n\
         when = { file.lossless = false, tidal.quality = \"LOSSLESS\" }\nthen = \"upgrade\"\n";
    world.write_policy(&format!("{more}{rule}"));
    let path = world.path("tidal-cleanup.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(AS_MP3), "{text}");
    fs::write(path, text.replace(AS_MP3, "")).unwrap();
}

/// A rig that the next test uses when this one needs it no longer: making one takes seconds. Whoever gets
/// one begins with [`Rig::reset`].
pub(crate) struct Lent {
    rig: Option<Rig>,
    shelf: Arc<Shelf>,
}

/// Rigs that nobody uses. It goes, and their folders with it, when the last test that has one ends.
#[derive(Default)]
struct Shelf(Mutex<Vec<Rig>>);

impl Deref for Lent {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        self.rig.as_ref().unwrap()
    }
}

impl Borrow<Rig> for Lent {
    fn borrow(&self) -> &Rig {
        self
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // One that failed is not trusted.
        if !thread::panicking() {
            self.shelf.0.lock().unwrap().extend(self.rig.take());
        }
    }
}

impl Rig {
    pub(crate) fn lent() -> Lent {
        static SHELF: Mutex<Weak<Shelf>> = Mutex::new(Weak::new());
        let shelf = {
            let mut known = SHELF.lock().unwrap();
            known.upgrade().unwrap_or_else(|| {
                let shelf = Arc::default();
                *known = Arc::downgrade(&shelf);
                shelf
            })
        };
        let kept = shelf.0.lock().unwrap().pop();
        let rig = Some(kept.unwrap_or_else(Self::make));
        Lent { rig, shelf }
    }

    fn make() -> Self {
        let world = World::new(Setup {
            rekordbox: Some(RekordboxSchema::V7),
            library: "format = \"flac\"\n",
            download: "parallel = 1\n",
            more: MORE,
            ..Setup::default()
        });
        world.sync_with(&first());
        by_hand(&world);
        let (from, to) = (uuid('c'), uuid('n'));
        world.write_policy(&format!("[[moved]]\nfrom = {from:?}\nto = {to:?}\n"));
        world.tidal(&second());
        let plan = world.plan(2);
        Self::of(world, plan)
    }

    /// Poor files of two lists, one of them rated, are about to be replaced by better ones.
    pub(crate) fn of_better_files() -> Self {
        let world = World::new(Setup {
            rekordbox: Some(RekordboxSchema::V7),
            library: AS_MP3,
            download: "parallel = 1\n",
            more: MORE,
            ..Setup::default()
        });
        let lists = Snapshot::new().list('a', "House", "1 2");
        world.sync_with(&lists.list('b', "Party", "2 3"));
        world.rate_title("Title 1", 5);
        ask_for_better_files(&world, "");
        let plan = world.plan(2);
        Self::of(world, plan)
    }

    pub(crate) fn of(world: World, plan: Plan) -> Self {
        let before = Dump::of(&world);
        let aside = TempDir::new_in("/dev/shm").unwrap();
        fs::create_dir(aside.path().join("template")).unwrap();
        copy(&world.path(""), &aside.path().join("template"));
        let mut rig = Self {
            missing: before.missing(),
            runs: dump::runs(&world).len(),
            after: before.clone(),
            world,
            aside,
            before,
            plan,
        };
        rig.reset();
        rig.world.expect(0, &rig.apply());
        rig.after = rig.dump();
        rig
    }

    pub(crate) fn apply(&self) -> [&str; 4] {
        ["apply", "plan.json", "--approve", digits(&self.plan)]
    }

    /// The world as it was when the plan was made.
    pub(crate) fn reset(&self) {
        let root = self.world.path("");
        for entry in fs::read_dir(&root).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => fs::remove_dir_all(path).unwrap(),
                false => fs::remove_file(path).unwrap(),
            }
        }
        copy(&self.aside.path().join("template"), &root);
    }

    pub(crate) fn dump(&self) -> Dump {
        Dump::of(&self.world)
    }

    /// Runs the program under a fault and lets its children end.
    pub(crate) fn run(&self, args: &[&str], fault: &shim::Plan) -> Ended {
        let mut command = self.armed(args, fault);
        let output = command.output().unwrap();
        self.wait_for_children();
        Ended {
            status: output.status,
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    pub(crate) fn armed(&self, args: &[&str], fault: &shim::Plan) -> Command {
        let shadow = self.aside.path().join("shadow");
        let log = self.log_path();
        _ = fs::remove_file(&log);
        _ = fs::remove_dir_all(&shadow);
        fs::create_dir(&shadow).unwrap();
        let mut command = self.world.command(args);
        command.stdin(Stdio::null());
        let root = self.world.path("");
        let root = Path::new(root.to_str().unwrap().trim_end_matches('/'));
        fault.arm(&mut command, root, &log, &shadow);
        command
    }

    fn log_path(&self) -> PathBuf {
        self.aside.path().join("log")
    }

    /// The calls of the last run: a letter and a path below the world.
    pub(crate) fn calls(&self) -> Vec<(char, String)> {
        let text = fs::read_to_string(self.log_path()).unwrap_or_default();
        let root = self.world.path("").display().to_string();
        let call = |line: &str| {
            let path = line.get(2..)?.strip_prefix(&root)?;
            Some((
                line.chars().next()?,
                path.trim_start_matches('/').to_owned(),
            ))
        };
        text.lines().filter_map(call).collect()
    }

    /// The calls of a run of these words from the present world.
    pub(crate) fn count(&self, args: &[&str]) -> Vec<(char, String)> {
        let ended = self.run(args, &shim::Plan::new(Fault::Count, 0));
        assert!(ended.status.success(), "{args:?}: {ended:?}");
        self.calls()
    }

    /// A download command outlives a program that was killed.
    pub(crate) fn wait_for_children(&self) {
        let root = fs::canonicalize(self.world.path("")).unwrap();
        let late = Instant::now() + Duration::from_secs(20);
        loop {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            let mut there =
                processes.filter_map(|entry| fs::read_link(entry.path().join("cwd")).ok());
            if !there.any(|cwd| cwd.starts_with(&root)) {
                return;
            }
            assert!(Instant::now() < late, "something still runs in the world");
            thread::sleep(Duration::from_millis(2));
        }
    }

    /// Right after a death: fit for a gig.
    #[track_caller]
    pub(crate) fn assert_fit(&self, what: &str) {
        self.dump().assert_fit_for_a_gig(&self.missing, what);
    }

    #[track_caller]
    fn ok(&self, args: &[&str], what: &str) -> Said {
        let said = self.world.run(args);
        assert!(said.code == 0, "{what}: {args:?}: {said:?}");
        said
    }

    /// The plan is carried out, nothing more and nothing less.
    #[track_caller]
    pub(crate) fn assert_done(&self, what: &str) {
        self.dump().assert_is_like(&self.after, &self.before, what);
    }

    /// No file went to the trash after something else had failed.
    #[track_caller]
    pub(crate) fn assert_nothing_removed_after_a_failure(&self, what: &str) {
        for (kind, status, at) in dump::last_operations(&self.world, self.runs as i64) {
            let failed = status == "failed" && kind != "file.trash";
            let later = dump::last_operations(&self.world, self.runs as i64)
                .into_iter()
                .filter(|(kind, status, then)| {
                    kind == "file.trash" && status == "completed" && *then > at
                });
            assert!(
                !failed || later.count() == 0,
                "{what}: a removal after {kind} had failed"
            );
        }
    }

    /// Whether the plan's run is in the journal.
    pub(crate) fn has_begun(&self) -> bool {
        dump::runs(&self.world).len() > self.runs
    }

    /// Resume, and everything is done. What had not begun is begun.
    #[track_caller]
    pub(crate) fn finish(&self, what: &str) {
        if self.has_begun() {
            self.ok(&["apply", "--resume", "--yes"], what);
        } else {
            self.dump().assert_is(&self.before, what);
            self.ok(&self.apply(), what);
        }
        self.assert_done(what);
    }

    /// Undo, and everything is as it was: also where an undo was interrupted.
    #[track_caller]
    pub(crate) fn take_back(&self, what: &str) {
        let mut said = String::new();
        for _ in 0..3 {
            let runs = dump::runs(&self.world);
            let is_ours = |run: &&dump::Run| run.id > self.runs as i64;
            let Some(ours) = runs.iter().rev().find(is_ours) else {
                break;
            };
            let last = runs.first().unwrap();
            if ours.status == "undone" && last.status != "running" {
                break;
            }
            let last = match last.undoes.is_some() && last.status == "running" {
                true => self.ok(&["apply", "--resume", "--yes"], what),
                false => self.ok(&["undo", "--yes"], what),
            };
            said = format!("{said}{}{}", last.out, last.err);
        }
        self.dump()
            .assert_is(&self.before, &format!("{what}: {said}"));
    }
}

/// Copies a tree with modes and times.
pub(crate) fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp")
        .arg("-a")
        .arg(from.join("."))
        .arg(to)
        .status();
    assert!(status.unwrap().success());
}
