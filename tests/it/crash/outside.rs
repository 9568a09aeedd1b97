//! Kills from outside, at any time, of random plans: nothing stands between the program and the system.

use std::{process::Stdio, thread, time::Duration};

use tidal_cleanup::domain::RekordboxSchema;

use super::rig::{MORE, Rig};
use crate::harness::{Setup, Snapshot, World};

/// A small generator of numbers, so that a run can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn entries(&mut self) -> String {
        let count = self.below(6);
        let entries: Vec<String> = (0..count)
            .map(|_| {
                let renamed = if self.below(6) == 0 { "!" } else { "" };
                format!("{}{renamed}", self.below(14))
            })
            .collect();
        entries.join(" ")
    }

    fn snapshot(&mut self) -> Snapshot {
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
            if self.below(5) > 0 {
                let name = names[self.below(6) as usize];
                snapshot = snapshot.list(list, name, &self.entries());
            }
        }
        snapshot
    }
}

/// `None`: the second reading asks for nothing new.
fn random(dice: &mut Dice) -> Option<Rig> {
    let sharing = ["m3u8", "hardlink", "copy"][dice.below(3) as usize];
    let world = World::new(Setup {
        rekordbox: Some([RekordboxSchema::V6, RekordboxSchema::V7][dice.below(2) as usize]),
        library: match sharing {
            "m3u8" => "sharing = \"m3u8\"\n",
            "hardlink" => "sharing = \"hardlink\"\n",
            _ => "sharing = \"copy\"\n",
        },
        download: "parallel = 2\n",
        more: MORE,
        ..Setup::default()
    });
    world.sync_with(&dice.snapshot());
    world.tidal(&dice.snapshot());
    let said = world.run(&["plan", "--out", "plan.json", "--detailed-exitcode"]);
    let plan = (said.code == 2).then(|| world.saved())?;
    plan.body.applyable.then(|| Rig::of(world, plan))
}

#[test]
#[ignore = "hundreds of kills; TIDAL_CLEANUP_KILLS says how many, TIDAL_CLEANUP_SEED where to begin"]
fn kills_at_any_time_of_any_plan() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let wanted: usize = number("TIDAL_CLEANUP_KILLS").unwrap_or(300) as usize;
    let mut dice = Dice(number("TIDAL_CLEANUP_SEED").unwrap_or(7_u64) * 0x9e37_79b9 + 1);
    let (mut kills, mut plans) = (0, 0);
    while kills < wanted {
        let Some(rig) = random(&mut dice) else {
            continue;
        };
        plans += 1;
        for _ in 0..15 {
            rig.reset();
            let length = kill_after(&rig, &rig.apply(), Duration::from_millis(dice.below(1500)));
            if !length {
                rig.assert_done("whole");
                continue;
            }
            kills += 1;
            let what = format!("plan {plans}, kill {kills}");
            rig.assert_fit(&what);
            let resume = dice.below(2) == 0;
            let args: &[&str] = match resume {
                true => &["apply", "--resume", "--yes"],
                false => &["undo", "--yes"],
            };
            if rig.has_begun() && dice.below(2) == 0 {
                let late = Duration::from_millis(dice.below(800));
                kills += usize::from(kill_after(&rig, args, late));
                rig.assert_fit(&what);
            }
            match resume {
                true => rig.finish(&what),
                false => rig.take_back(&what),
            }
        }
        println!("{kills} kills, {plans} plans");
    }
}

/// Whether it was killed before its end.
fn kill_after(rig: &Rig, args: &[&str], time: Duration) -> bool {
    let mut command = rig.world.command(args);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(time);
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    let status = child.wait().unwrap();
    rig.wait_for_children();
    alive && !status.success()
}
