//! The walk: what is said, and what is typed.

use crate::cli::error::Exit;

/// One step.
pub(super) struct Step {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) happening: Happening,
}

/// What happens in a step.
#[derive(Clone, Copy)]
pub(super) enum Happening {
    /// These words are typed, and the program ends like this. `DIGEST` stands for the saved plan's.
    Command {
        words: &'static [&'static str],
        exit: Exit,
    },
    /// TIDAL changes.
    AWeekInTidal,
}

const fn typed(words: &'static [&'static str], exit: Exit) -> Happening {
    Happening::Command { words, exit }
}

pub(super) const STORY: &[Step] = &[
    Step {
        title: "Mark the library",
        text: "A small marker in the music folder: without it nothing there is ever touched, so an\n\
               unmounted drive can't look like an empty library.",
        happening: typed(&["init", "--yes"], Exit::Done),
    },
    Step {
        title: "What would change?",
        text: "`plan` reads TIDAL, the music folder and Rekordbox, and writes to none of them.",
        happening: typed(&["plan", "--out", "plan.json"], Exit::Done),
    },
    Step {
        title: "Look at the saved plan again",
        text: "Every action carries what must be true before it runs; `--verify` checks that against\n\
               the world, as `apply` does.",
        happening: typed(&["show", "plan.json", "--verify"], Exit::Done),
    },
    Step {
        title: "Do it",
        text: "Fetches the tracks, puts them into folders, and adds them to Rekordbox with playlists\n\
               and MyTags. It only adds, so `--yes` is enough.",
        happening: typed(&["apply", "plan.json", "--yes"], Exit::Done),
    },
    Step {
        title: "Nothing is left to do",
        text: "",
        happening: typed(&["plan", "--detailed-exitcode"], Exit::Done),
    },
    Step {
        title: "A week passes in TIDAL",
        text: "\"Party Mix 🎉\" gets a new name, \"House Italo R 🇮🇹\" another order and a new track, and a\n\
               track leaves \"Minimal Deep 💎\", the only list that it was in.",
        happening: Happening::AWeekInTidal,
    },
    Step {
        title: "What does that mean here?",
        text: "A rename stays a rename: the same playlist in Rekordbox, with everything on its tracks.\n\
               The policy of this demo sends files that no list needs to the trash; yours need not.",
        happening: typed(&["plan", "--out", "plan.json"], Exit::Done),
    },
    Step {
        title: "Approve exactly that",
        text: "More than additions needs an agreement: on a terminal `apply` asks, in a script the\n\
               digest of the plan that you looked at is the agreement.",
        happening: typed(&["apply", "plan.json", "--approve", "DIGEST"], Exit::Done),
    },
    Step {
        title: "What was done",
        text: "",
        happening: typed(&["history"], Exit::Done),
    },
    Step {
        title: "Take it back",
        text: "The file comes back from the trash with its old name and time, Rekordbox's rows as they\n\
               were. `undo` is a plan like any other.",
        happening: typed(&["undo", "--yes"], Exit::Done),
    },
];

/// What to try afterwards.
pub(super) const NEXT: &[&str] = &[
    "tidal-cleanup status",
    "tidal-cleanup db sync --check",
    "tidal-cleanup plan -v --out plan.json   # with reasons",
    "tidal-cleanup apply plan.json           # asks, and wants the number of files",
    "tidal-cleanup db inspect --playlist \"House Italo R 🇮🇹\"",
    "tidal-cleanup history 1                 # everything that the first apply did",
    "tidal-cleanup undo",
];
