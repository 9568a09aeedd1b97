//! The last plan, where it had nothing to do and nothing changed since: then a plan made anew would say the
//! same, also of what is held back, of open questions and of broken files. It is no state: deleting it costs time
//! and nothing else.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Engine, Evidence, Made, Request, problems, warnings_of};
use crate::{
    cli::{error::CliError, pending, ui::Ui},
    domain::{ContentHash, Problem},
    edge::{local::LocalReader as _, seal::Seal},
    plan::{
        Plan, canonical,
        document::{Body, Check, CheckStatus, PlanMeta},
        guard::Leave,
    },
    policy::Decisions,
};

/// All that a plan is made from, told from outside; taken before anything is read.
struct Marks {
    /// But for the library's files.
    rest: ContentHash,
    /// How many warnings there were before the plan.
    warned: usize,
}

/// The cache.
#[derive(Serialize, Deserialize)]
struct Kept {
    rest: ContentHash,
    library: ContentHash,
    /// What the scan found broken.
    problems: Vec<Problem>,
    /// The plan as it is saved.
    plan: String,
}

impl Engine {
    /// A plan, for those who need nothing of what it was made from: the last one where that cannot be another.
    ///
    /// # Errors
    /// As [`Engine::plan`].
    pub async fn plan_alone(&mut self, request: &Request, ui: &Ui) -> Result<Plan, CliError> {
        self.require_canary().await?;
        let marks = self.marks(request, ui).await?;
        if let Some(marks) = &marks
            && let Some((plan, problems)) = self.same_as_before(marks).await
        {
            let said = warnings_of([&[], &problems, &[]], request.brief, ui);
            said.into_iter().for_each(|text| ui.warning(text));
            return Ok(plan);
        }
        let made = self.plan(request, ui).await?;
        if let Some(marks) = &marks {
            self.keep_plan(marks, &made, request, ui);
        }
        Ok(made.plan)
    }

    /// What a plan of `request` would be made from; `None` where that cannot be told from outside: TIDAL is
    /// asked, the state is on a server, something is overridden, or changed a moment ago.
    async fn marks(&self, request: &Request, ui: &Ui) -> Result<Option<Marks>, CliError> {
        let inputs = &request.inputs;
        let is_plain = inputs.playlists.is_empty()
            && request.overrides.allow.is_empty()
            && request.mode.is_none()
            && request.hints.is_empty()
            && request.leave == Leave::default();
        let snapshot = self.policy.tidal.snapshot.as_ref();
        let tidal = match (&inputs.desired, inputs.offline) {
            (Some(path), _) => Some(self.settings.around.absolute(path)),
            // The last reading is part of the state.
            (None, true) => None,
            (None, false) => match snapshot {
                Some(path) => Some(path.clone()),
                None => return Ok(None),
            },
        };
        if !is_plain || self.store.server().is_some() {
            return Ok(None);
        }
        let evidence = self.evidence(inputs).await?;
        Ok(self.told(request, tidal, &evidence).map(|told| Marks {
            rest: ContentHash::of(&told),
            warned: ui.warnings(),
        }))
    }

    fn told(
        &self,
        request: &Request,
        tidal: Option<PathBuf>,
        evidence: &Evidence,
    ) -> Option<Vec<u8>> {
        let now = SystemTime::now();
        let as_of = request.inputs.as_of.unwrap_or_else(|| Zoned::now().date());
        let mut text = String::new();
        let program = std::env::current_exe().ok()?;
        let decisions = Decisions::beside(&self.policy.source.path);
        let decisions = match std::fs::read(&decisions) {
            Ok(bytes) => Some(ContentHash::of(&bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(_) => return None,
        };
        write!(
            text,
            "{as_of} {:?} {:?} {evidence:?} {decisions:?} {:?} {:?}",
            request.inputs,
            self.policy,
            self.library.roots(),
            self.library.canary().ok()??
        )
        .ok()?;
        let mut told = text.into_bytes();
        let rekordbox = self
            .rekordbox
            .as_ref()
            .map(|rekordbox| rekordbox.path().to_owned());
        let files = [Some(program), tidal, Some(self.db.clone()), rekordbox];
        for file in files {
            told.push(u8::from(file.is_some()));
            let Some(file) = file else { continue };
            let seal = Seal::of(&file).ok().filter(|seal| seal.is_settled(now))?;
            told.extend((seal.bytes().len() as u64).to_le_bytes());
            told.extend(seal.bytes());
        }
        Some(told)
    }

    /// The last plan, if it is what a plan made now would be, and what was broken.
    async fn same_as_before(&self, marks: &Marks) -> Option<(Plan, Vec<Problem>)> {
        let kept = std::fs::read(path(&self.db)).ok()?;
        let kept: Kept = serde_json::from_slice(&kept).ok()?;
        if kept.rest != marks.rest || self.library.stamp().ok()?? != kept.library {
            return None;
        }
        let mut plan = canonical::parse(kept.plan.as_bytes()).ok()?;
        if !is_idle(&plan.body) {
            return None;
        }
        plan.meta = PlanMeta {
            generated_at: Some(Timestamp::now()),
            ..plan.meta
        };
        plan.meta.estimates = self.estimates(&plan).await;
        Some((plan, kept.problems))
    }

    /// Keeps a plan that has nothing to do and was made from what `marks` tells. A file that is broken is so until
    /// it changes; what else could not be read, or was warned of, may be otherwise the next time.
    fn keep_plan(&self, marks: &Marks, made: &Made, request: &Request, ui: &Ui) {
        let problems = problems(&made.observation);
        let [tidal, library, rekordbox] = problems;
        let is_whole = tidal.is_empty()
            && rekordbox.is_empty()
            && !library.iter().any(|problem| problem.leaves_hole);
        let said = warnings_of(problems, request.brief, ui).len();
        if let Some(stamp) = self.library.scanned()
            && is_whole
            && ui.warnings() == marks.warned + said
            && is_idle(&made.plan.body)
        {
            let kept = Kept {
                rest: marks.rest,
                library: stamp,
                problems: library.to_vec(),
                plan: canonical::to_json(&made.plan),
            };
            // A cache that cannot be written costs time and nothing else.
            let _ = pending::save(&path(&self.db), &kept);
        }
    }
}

/// Whether nothing is to be done, and nothing speaks against it.
fn is_idle(body: &Body) -> bool {
    let passes = |check: &Check| check.status == CheckStatus::Pass;
    body.actions.is_empty() && body.changes.is_empty() && body.checks.iter().all(passes)
}

fn path(db: &Path) -> PathBuf {
    db.with_extension("plan.cache")
}
