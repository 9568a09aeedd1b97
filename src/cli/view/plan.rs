//! A plan as text: grouped by playlist, one line a row, one closing line.

mod effect;
mod sections;
mod why;

use std::fmt;

use crate::plan::document::{Body, Plan, Summary};

use super::{
    Look,
    db::shell_word,
    rows::{Rows, paragraph},
    text::{bytes, count, number},
};

pub use sections::{Section, alarms, check_row, sections, sections_of};
pub use why::{WhyView, why};

/// A plan, for a person.
pub struct PlanView<'a> {
    pub plan: &'a Plan,
    pub look: &'a Look,
    /// Where it was saved, if it was.
    pub saved: Option<&'a str>,
    /// Until when trashed files can be brought back, where the policy is at hand.
    pub undo_until: Option<jiff::civil::Date>,
}

impl<'a> PlanView<'a> {
    /// A plan that was not saved.
    #[must_use]
    pub const fn new(plan: &'a Plan, look: &'a Look) -> Self {
        Self {
            plan,
            look,
            saved: None,
            undo_until: None,
        }
    }
}

impl fmt::Display for PlanView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = &self.plan.body;
        for section in sections::Sections::of(self).all() {
            writeln!(f, "{}", section.title(self.look))?;
            write!(
                f,
                "{}",
                Rows {
                    rows: &section.rows,
                    look: self.look
                }
            )?;
        }
        if !is_empty(body) || body.checks.iter().any(alarms) {
            writeln!(f)?;
        }
        f.write_str(&paragraph(&closing(self.plan, self.saved), 0, self.look))?;
        match estimates(self.plan) {
            Some(estimates) => f.write_str(&paragraph(&estimates, 0, self.look)),
            None => Ok(()),
        }
    }
}

/// Whether there is nothing to do, to decide, or held back.
#[must_use]
pub fn is_empty(body: &Body) -> bool {
    body.actions.is_empty() && body.decisions.is_empty() && body.held.is_empty()
}

/// What to type to apply the plan as it was read. `saved`: the name of its file, where it has one.
#[must_use]
pub fn apply_command(plan: &Plan, saved: Option<&str>) -> String {
    let file = shell_word(saved.unwrap_or("plan.json"));
    format!(
        "tidal-cleanup apply {file} --approve {}",
        short_digest(&plan.digest)
    )
}

/// `Plan: 2 to add, 1 to move. Download 38 MB. Digest 9f2c41d0. Saved plan.json.`, or `No changes. …`;
/// one line without its end.
#[must_use]
pub fn closing(plan: &Plan, saved: Option<&str>) -> String {
    let body = &plan.body;
    let saved = saved
        .map(|path| format!(" Saved {path}."))
        .unwrap_or_default();
    if is_empty(body) {
        return format!("No changes. {}{saved}", as_wished(body));
    }
    let counts = match summary(&body.summary) {
        counts if counts.is_empty() => "nothing to do now".to_owned(),
        counts => counts.join(", "),
    };
    if body.actions.is_empty() && body.decisions.is_empty() {
        // What is wished for and what can be done now are two things.
        let held = number(body.summary.held as u64);
        return format!("Nothing to do now: {held} held back.{saved}");
    }
    let down: u64 = body
        .actions
        .iter()
        .map(|action| action.estimate.bytes_down)
        .sum();
    let download = match down {
        0 => String::new(),
        down => format!(" Download {}.", bytes(down)),
    };
    let refused = match body.applyable {
        true => "",
        false => " It cannot be applied.",
    };
    format!(
        "Plan: {counts}.{download} Digest {}.{saved}{refused}",
        short_digest(&plan.digest)
    )
}

/// `About 3 min, as past applies went. 12 requests to TIDAL. 412 GB are free: library.`; nothing where
/// nothing is known or there is nothing to do.
#[must_use]
pub fn estimates(plan: &Plan) -> Option<String> {
    if plan.body.actions.is_empty() {
        return None;
    }
    let of = |name: &str| plan.meta.estimates.get(name).copied();
    let time =
        of("seconds").map(|seconds| format!("About {}, as past applies went.", duration(seconds)));
    let trash = of("bytes_trashed").filter(|bytes| *bytes > 0);
    let trash = trash.map(|trashed| format!("{} to the trash.", bytes(trashed)));
    let requests = of("tidal_requests").filter(|number| *number > 0);
    let requests = requests.map(|requests| {
        format!(
            "{} to TIDAL.",
            count(
                usize::try_from(requests).unwrap_or(usize::MAX),
                "request",
                "requests"
            )
        )
    });
    let down = of("bytes_down").unwrap_or(0);
    let free = plan.meta.estimates.iter().filter_map(|(name, free)| {
        let volume = name.strip_prefix("free:")?;
        let after = match volume {
            "library" if down > 0 && down <= *free => {
                format!(", {} afterwards", bytes(free - down))
            }
            _ => String::new(),
        };
        Some(format!(
            "Free for {}: {}{after}.",
            volume.replace('+', ", "),
            bytes(*free)
        ))
    });
    let said: Vec<String> = [time, trash, requests]
        .into_iter()
        .flatten()
        .chain(free)
        .collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// `40 s`, `3 min`, `2.5 h`
fn duration(seconds: u64) -> String {
    match seconds {
        0..90 => format!("{} s", seconds.max(1)),
        90..5_400 => format!("{} min", (seconds + 30) / 60),
        _ => format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
    }
}

/// The first eight hex digits: enough to approve by.
#[must_use]
pub fn short_digest(digest: &str) -> &str {
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    digits.get(..8).unwrap_or(digits)
}

/// `["2 to add", "1 to move", …]`; what is zero is left out.
#[must_use]
pub fn summary(summary: &Summary) -> Vec<String> {
    let Summary {
        add,
        change,
        moves,
        remove,
        trash,
        tidal,
        adopt,
        decide,
        held,
    } = *summary;
    [
        (add, "to add"),
        (change, "to change"),
        (moves, "to move"),
        (remove, "to remove"),
        (trash, "to trash"),
        (tidal, "in TIDAL itself"),
        (adopt, "to adopt"),
        (decide, "to decide"),
        (held, "held back"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", number(count as u64)))
    .collect()
}

fn as_wished(body: &Body) -> String {
    let playlists = count(body.inputs.tidal.playlists, "playlist", "playlists");
    let files = count(body.inputs.files.files, "file", "files");
    match body.inputs.rekordbox {
        Some(_) => format!("{playlists}, {files} and Rekordbox are as they should be."),
        None => format!("{playlists} and {files} are as they should be."),
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod goldens;
