//! A small real world for tests: a home, a library folder, a Rekordbox database, a reading of TIDAL
//! and a download command, driven through the real program.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot build its world has failed"
)]

mod audio;
pub(crate) mod collection;
pub(crate) mod files;
mod tidal;

use std::{
    cell::OnceCell,
    fs,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tidal_cleanup::{
    domain::{ChangeKind, Collection, ContentId, NodeKind, RekordboxSchema},
    edge::rekordbox::MasterDb,
    plan::{Plan, canonical},
};

use crate::postgres;
pub(crate) use tidal::{Snapshot, uuid};

/// The whole world in a temporary folder.
pub(crate) struct World {
    dir: TempDir,
    setup: Setup,
    rekordbox: OnceCell<MasterDb>,
}

/// How a world differs from the usual one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Setup {
    /// The DJ's Rekordbox; `None`: none.
    pub(crate) rekordbox: Option<RekordboxSchema>,
    /// More lines of `[library]`.
    pub(crate) library: &'static str,
    /// More lines of `[download]`.
    pub(crate) download: &'static str,
    /// More tables.
    pub(crate) more: &'static str,
    /// The address of a shared state; `None`: a file.
    pub(crate) server: Option<&'static str>,
}

/// What a run of the program said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Names the folder of a server's socket: worlds without a server of their own have their state there.
pub(crate) const ON_SERVER: &str = "TIDAL_CLEANUP_TEST_SERVER";

/// Enough removals for tests that are about something else, and files that leave the library.
pub(crate) const BOLD: &str = "[defaults]\ntrack_removed = \"trash\"\nplaylist_removed = \"remove\"\n\
     [safety]\nmax_remove = { count = 50, percent = 100 }\n\
     max_remove_per_playlist = { percent = 100, min = 10 }\n\
     [mytag.Genre]\n\"🇮🇹\" = \"House Italo\"\n\"🏃\" = \"House Progressive\"\n";

impl World {
    /// The usual world: Rekordbox 7 with the DJ's own work, and [`BOLD`].
    pub(crate) fn usual() -> Self {
        Self::new(Setup {
            rekordbox: Some(RekordboxSchema::V7),
            more: BOLD,
            ..Setup::default()
        })
    }

    /// The usual world with its state on a server.
    pub(crate) fn on_server(url: &str) -> Self {
        Self::new(Setup {
            rekordbox: Some(RekordboxSchema::V7),
            more: BOLD,
            server: Some(String::leak(url.to_owned())),
            ..Setup::default()
        })
    }

    /// Two files of the DJ's, a policy, and a library that is marked as the program's to work in.
    pub(crate) fn new(setup: Setup) -> Self {
        let dir = TempDir::new_in(scratch()).unwrap();
        // Every test of the library can be one of a shared state as well.
        let elsewhere = || {
            let folder = std::env::var_os(ON_SERVER)?;
            Some(&*String::leak(postgres::database_at(folder.as_ref())))
        };
        let setup = Setup {
            server: setup.server.or_else(elsewhere),
            ..setup
        };
        let world = Self {
            dir,
            setup,
            rekordbox: OnceCell::new(),
        };
        for folder in ["home", "cloud", "library/Playlists/House", "rekordbox"] {
            fs::create_dir_all(world.path(folder)).unwrap();
        }
        let own = world.path("library/own.wav");
        fs::write(&own, audio::tone("own", 1_500)).unwrap();
        let edit = world.path("library/Playlists/House/my own edit.wav");
        fs::write(edit, audio::tone("edit", 2_500)).unwrap();
        if let Some(schema) = setup.rekordbox {
            collection::create(&world.path("rekordbox"), schema, &own);
        }
        world.write_downloader("cp \"$1/$2.wav\" \"$3/\"");
        world.write_policy("");
        world.expect(0, &["db", "init"]);
        world
    }

    /// Whether the state is on a server.
    pub(crate) const fn is_on_server(&self) -> bool {
        self.setup.server.is_some()
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    /// Puts an audio file of that pitch and length into the world.
    pub(crate) fn put(&self, below: &str, seed: &str, milliseconds: u32) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, audio::tone(seed, milliseconds)).unwrap();
    }

    /// The download command: `sh fetch.sh CLOUD ID DIR`, which notes that it was called and then does
    /// this. It runs in the world's folder.
    pub(crate) fn write_downloader(&self, body: &str) {
        let home = self.dir.path().display();
        let script = format!("#!/bin/sh\ncd '{home}'\necho \"$2\" >> calls\n{body}\n");
        fs::write(self.path("fetch.sh"), script).unwrap();
    }

    /// The world's policy with `more` behind it.
    pub(crate) fn write_policy(&self, more: &str) {
        let Setup {
            rekordbox,
            library,
            download,
            more: usual,
            server: _,
        } = self.setup;
        let root = self.path("library");
        let (script, cloud) = (self.path("fetch.sh"), self.path("cloud"));
        let database = match rekordbox {
            Some(_) => self.path("rekordbox/master.db").display().to_string(),
            None => "none".to_owned(),
        };
        let text = format!(
            "version = 1\n[library]\nroot = {root:?}\n{library}\n[tidal]\nsnapshot = \"tidal.json\"\n\
             [download]\ncommand = [\"sh\", {script:?}, {cloud:?}, \"{{id}}\", \"{{dir}}\"]\n{download}\n\
             [rekordbox]\ndatabase = {database:?}\nrelocate = true\n{usual}\n{more}\n"
        );
        fs::write(self.path("tidal-cleanup.toml"), text).unwrap();
    }

    /// Writes what TIDAL says, and puts its tracks where the download command finds them.
    pub(crate) fn tidal(&self, snapshot: &Snapshot) {
        fs::write(self.path("tidal.json"), snapshot.json()).unwrap();
        for track in snapshot.tracks() {
            let path = self.path("cloud").join(format!("{track}.wav"));
            if !path.exists() {
                fs::write(path, audio::tone(&track, 1_000)).unwrap();
            }
        }
    }

    /// The tracks that the download command was called for, in order.
    pub(crate) fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// What the program does.
impl World {
    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::from(self.command(args).output().unwrap())
    }

    /// Runs the program with more variables.
    pub(crate) fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = self.command(args);
        command.envs(variables.iter().copied());
        Said::from(command.output().unwrap())
    }

    /// Runs the program and expects this exit code.
    #[track_caller]
    pub(crate) fn expect(&self, code: i32, args: &[&str]) -> Said {
        let said = self.run(args);
        let Said { out, err, .. } = &said;
        assert_eq!(
            said.code, code,
            "{args:?}\n--- stdout\n{out}\n--- stderr\n{err}"
        );
        said
    }

    /// `plan`, which must end with this code, and the plan.
    #[track_caller]
    pub(crate) fn plan(&self, code: i32) -> Plan {
        self.expect(code, &["plan", "--out", "plan.json", "--detailed-exitcode"]);
        self.saved()
    }

    /// The plan that was saved.
    pub(crate) fn saved(&self) -> Plan {
        canonical::parse(&fs::read(self.path("plan.json")).unwrap()).unwrap()
    }

    /// Plans, and applies by the plan's digest.
    #[track_caller]
    pub(crate) fn sync(&self) -> Plan {
        let plan = self.plan(2);
        self.expect(0, &["apply", "plan.json", "--approve", digits(&plan)]);
        plan
    }

    /// What TIDAL says is done.
    #[track_caller]
    pub(crate) fn sync_with(&self, snapshot: &Snapshot) -> Plan {
        self.tidal(snapshot);
        self.sync()
    }

    /// There is nothing left to do.
    #[track_caller]
    pub(crate) fn assert_settled(&self) {
        let said = self.expect(0, &["plan", "--detailed-exitcode"]);
        assert!(said.out.contains("No changes"), "{}", said.out);
    }

    /// Starts the program and kills it as soon as `when` holds; whether it was killed before its end.
    pub(crate) fn kill(&self, args: &[&str], when: impl Fn() -> bool) -> bool {
        let mut command = self.command(args);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child: Child = quiet.spawn().unwrap();
        let late = Instant::now() + Duration::from_secs(60);
        while !when() && Instant::now() < late {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        true
    }

    /// Starts the program, with what it says in pipes.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        let mut command = self.command(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidal-cleanup"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        command
            .env("HOME", self.path("home"))
            .env("PATH", std::env::var_os("PATH").unwrap());
        command
            .env("LANG", "C.UTF-8")
            .env("TZ", "UTC")
            .env("USER", "dj");
        if let Some(url) = self.setup.server {
            command.env("TIDAL_CLEANUP_DATABASE_URL", url);
        }
        command.stdin(Stdio::null());
        command
    }
}

/// What there is.
impl World {
    pub(crate) fn tree(&self) -> files::Tree {
        files::tree(&self.path("library"))
    }

    /// The files in the library.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = self.tree().into_iter().filter(|(_, state)| state.is_some());
        files.map(|(path, _)| path).collect()
    }

    pub(crate) fn rows(&self) -> collection::Rows {
        collection::rows(&self.path("rekordbox"))
    }

    pub(crate) fn collection(&self) -> Collection {
        let open = || collection::open(&self.path("rekordbox"));
        collection::read(self.rekordbox.get_or_init(open))
    }

    /// The titles in a Rekordbox playlist, in order; `None` when there is none of that name.
    pub(crate) fn titles(&self, list: &str) -> Option<Vec<String>> {
        let collection = self.collection();
        let mut nodes = collection.nodes.values();
        let node = nodes.find(|node| node.name == list && node.kind == NodeKind::List)?;
        let title = |id| collection.contents[id].title.to_string();
        Some(
            node.entries
                .iter()
                .map(|entry| title(&entry.content))
                .collect(),
        )
    }

    /// The DJ rates a track in Rekordbox.
    pub(crate) fn rate_title(&self, title: &str, stars: u8) {
        collection::rate_title(&self.path("rekordbox"), title, stars);
    }

    /// The DJ gives a track five stars.
    pub(crate) fn rate(&self, content: &ContentId) {
        collection::rate(&self.path("rekordbox"), content);
    }

    /// Every playlist is in the XML, and nothing else.
    #[track_caller]
    pub(crate) fn assert_xml_names_every_list(&self) {
        let xml = fs::read_to_string(self.path("rekordbox/masterPlaylists6.xml")).unwrap();
        let collection = self.collection();
        for node in collection.nodes.keys() {
            let id: u64 = node.as_str().parse().unwrap();
            assert!(
                xml.contains(&format!("Id=\"{id:X}\"")),
                "{id:X} is not in {xml}"
            );
        }
        assert_eq!(
            xml.matches("<NODE ").count(),
            collection.nodes.len(),
            "{xml}"
        );
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Where worlds are made: in memory where that can be, for it is the disk that takes the time.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    match memory.is_dir() {
        true => memory,
        false => std::env::temp_dir(),
    }
}

/// The digits that approve a plan.
pub(crate) fn digits(plan: &Plan) -> &str {
    &plan.digest["sha256:".len()..][..8]
}

/// The kinds of change in a plan, without repetition.
pub(crate) fn kinds(plan: &Plan) -> Vec<ChangeKind> {
    let mut kinds: Vec<_> = plan.body.changes.iter().map(|change| change.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

/// How a gate decided.
pub(crate) fn gate<'p>(plan: &'p Plan, code: &str) -> &'p tidal_cleanup::plan::document::Check {
    let mut checks = plan.body.checks.iter();
    checks.find(|check| check.code == code).unwrap()
}

/// Titles as tests write them: track numbers separated by blanks.
pub(crate) fn titled(numbers: &str) -> Option<Vec<String>> {
    let title = |number| format!("Title {number}");
    Some(numbers.split_whitespace().map(title).collect())
}
