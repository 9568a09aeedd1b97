//! Kills from outside, at any time, of random plans: nothing stands between the program and the system.
//!
//! CI kills a few dozen times, plans 1 and up. `TIDAL_CLEANUP_KILLS=1000` kills that often;
//! `TIDAL_CLEANUP_SEED=40` begins with plan 40. A failure names its plan, so that it can be had again;
//! the moment of a kill cannot.

use std::{
    fs,
    process::Stdio,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use tidal_cleanup::domain::RekordboxSchema;

use super::{
    dump,
    rig::{AS_MP3, MORE, Rig, ask_for_better_files},
};
use crate::harness::{Setup, Snapshot, World, uuid};

/// Kills of CI's run.
const FEW: usize = 50;
/// Kills of one plan: making it takes as long as some kills.
const OF_ONE_PLAN: usize = 12;

/// A small generator of numbers, so that a plan can be had again.
struct Dice(u64);

impl Dice {
    fn of(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        // Neighbouring seeds begin alike.
        (0..16).for_each(|_| _ = dice.below(2));
        dice
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    /// One time in `n`.
    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn one_of<T: Copy>(&mut self, things: &[T]) -> T {
        things[self.below(things.len() as u64) as usize]
    }

    fn before_end(&mut self, length: Duration) -> Duration {
        length * self.below(1_000) as u32 / 1_000
    }

    fn entries(&mut self) -> String {
        let count = self.below(6);
        let entries: Vec<String> = (0..count)
            .map(|_| {
                let renamed = if self.one_in(6) { "!" } else { "" };
                format!("{}{renamed}", self.below(14))
            })
            .collect();
        entries.join(" ")
    }

    /// `moved`: list `a` stands under another id.
    fn snapshot(&mut self, moved: bool) -> Snapshot {
        let names = [
            "House 🇮🇹",
            "Party",
            "Deep 🏃",
            "New 💎",
            "Old",
            "Late Night",
        ];
        let mut snapshot = Snapshot::new().list('z', "Always", "1 2");
        for list in ['a', 'b', 'c', 'd'] {
            if list == 'a' || !self.one_in(5) {
                let id = if list == 'a' && moved { 'n' } else { list };
                let name = self.one_of(&names);
                snapshot = snapshot.list(id, name, &self.entries());
            }
        }
        snapshot
    }

    /// What a DJ does with files and in Rekordbox between two runs.
    fn meddle(&mut self, world: &World) {
        let files = world.files().into_iter();
        let ours: Vec<String> = files
            .filter(|file| file.contains(" - Title ") && file.starts_with("Playlists"))
            .collect();
        if ours.is_empty() {
            return;
        }
        for _ in 0..self.below(3) {
            let at = self.below(ours.len() as u64) as usize;
            let path = world.path("library").join(&ours[at]);
            let named = path.with_file_name(format!("mine {at}.wav"));
            if path.exists() && !self.one_in(4) {
                let named = named.with_extension(path.extension().unwrap());
                fs::rename(path, named).unwrap();
            } else {
                _ = fs::remove_file(path);
            }
        }
        if self.one_in(2) {
            let title = format!("Title {}", self.below(14));
            let collection = world.collection();
            if collection.contents.values().any(|row| row.title == title) {
                world.rate_title(&title, 1 + self.below(5) as u8);
            }
        }
    }
}

/// `None`: the second reading asks for nothing new, or for more than a gate lets through.
fn random(dice: &mut Dice) -> Option<Rig> {
    let poor = dice.one_in(4);
    let library = match poor {
        true => AS_MP3,
        false => dice.one_of(&[
            "sharing = \"m3u8\"\n",
            "sharing = \"hardlink\"\n",
            "sharing = \"copy\"\n",
            "format = \"flac\"\n",
        ]),
    };
    let world = World::new(Setup {
        rekordbox: Some(dice.one_of(&[RekordboxSchema::V6, RekordboxSchema::V7])),
        library,
        download: dice.one_of(&["parallel = 1\n", "parallel = 3\n"]),
        more: MORE,
        ..Setup::default()
    });
    world.sync_with(&dice.snapshot(false));
    dice.meddle(&world);
    let moved = dice.one_in(3);
    let mut more = String::new();
    if moved {
        let (from, to) = (uuid('a'), uuid('n'));
        more = format!("[[moved]]\nfrom = {from:?}\nto = {to:?}\n");
    }
    match poor {
        true => ask_for_better_files(&world, &more),
        false => world.write_policy(&more),
    }
    world.tidal(&dice.snapshot(moved));
    let said = world.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]);
    if ![2, 3].contains(&said.code) {
        return None;
    }
    let plan = world.saved();
    let has_work = plan.body.applyable && !plan.body.actions.is_empty();
    has_work.then(|| Rig::of(world, plan))
}

/// Kills so far, and how many are wanted.
struct Series {
    kills: AtomicUsize,
    plans: AtomicUsize,
    wanted: usize,
}

impl Series {
    fn is_over(&self) -> bool {
        self.kills.load(Ordering::Relaxed) >= self.wanted
    }

    /// One plan, killed again and again, each time from its beginning.
    fn plan(&self, seed: u64) {
        let mut dice = Dice::of(seed);
        let Some(rig) = random(&mut dice) else {
            return;
        };
        self.plans.fetch_add(1, Ordering::Relaxed);
        rig.reset();
        let begun = Instant::now();
        rig.world.expect(0, &rig.apply());
        let length = begun.elapsed();
        rig.assert_done(&format!("plan {seed}, undisturbed"));
        for n in 0..OF_ONE_PLAN {
            if self.is_over() {
                return;
            }
            let mut what = format!("plan {seed}, kill {n}");
            rig.reset();
            let after = dice.before_end(length);
            what.push_str(&format!(", apply after {after:?}"));
            if !self.kill(&rig, &rig.apply(), after) {
                rig.assert_done(&what);
                continue;
            }
            rig.assert_fit(&what);
            self.recover(&rig, &mut dice, length, what);
        }
    }

    /// Resumes, or takes back, and is killed meanwhile up to three times.
    fn recover(&self, rig: &Rig, dice: &mut Dice, length: Duration, mut what: String) {
        let mut forward = dice.one_in(2);
        for _ in 0..dice.below(4) {
            if !rig.has_begun() {
                break;
            }
            // A resume that died can still be taken back.
            forward = forward && !dice.one_in(4);
            let undoing = dump::runs(&rig.world)
                .first()
                .is_some_and(|run| run.undoes.is_some());
            let args: &[&str] = match forward || undoing {
                true => &["apply", "--resume", "--yes"],
                false => &["undo", "--yes"],
            };
            let after = dice.before_end(length);
            let killed = self.kill(rig, args, after);
            what.push_str(&format!(", {args:?} after {after:?}: {killed}"));
            rig.assert_fit(&what);
            if !killed {
                break;
            }
        }
        match forward {
            true => rig.finish(&what),
            false => rig.take_back(&what),
        }
        // What was finished in several runs is one run to an undo.
        if forward && dice.one_in(3) {
            rig.take_back(&what);
        }
    }

    /// Whether it was killed before its end.
    fn kill(&self, rig: &Rig, args: &[&str], after: Duration) -> bool {
        let mut command = rig.world.command(args);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().unwrap();
        thread::sleep(after);
        child.kill().unwrap();
        let killed = child.wait().unwrap().code().is_none();
        rig.wait_for_children();
        self.kills.fetch_add(usize::from(killed), Ordering::Relaxed);
        killed
    }
}

#[test]
fn killed_at_any_time_any_plan_ends_whole() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed = AtomicU64::new(number("TIDAL_CLEANUP_SEED").unwrap_or(1));
    let series = Series {
        kills: AtomicUsize::new(0),
        plans: AtomicUsize::new(0),
        wanted: number("TIDAL_CLEANUP_KILLS").map_or(FEW, |kills| kills as usize),
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores.min(8) {
            scope.spawn(|| {
                while !series.is_over() {
                    series.plan(seed.fetch_add(1, Ordering::Relaxed));
                }
            });
        }
    });
    println!(
        "{} kills of {} plans",
        series.kills.load(Ordering::Relaxed),
        series.plans.load(Ordering::Relaxed)
    );
}
