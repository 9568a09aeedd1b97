//! The last plan, where it had nothing to do and nothing changed since: then a plan made anew would say the
//! same. It is no state: deleting it costs time and nothing else.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    time::SystemTime,
};

use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::{Engine, Evidence, Made, Request};
use crate::{
    cli::{error::CliError, pending, ui::Ui, view::plan::is_empty},
    domain::ContentHash,
    edge::{local::LocalReader as _, seal::Seal},
    plan::{Plan, canonical, document::PlanMeta, guard::Leave},
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
            && let Some(plan) = self.same_as_before(marks).await
        {
            return Ok(plan);
        }
        let made = self.plan(request, ui).await?;
        if let Some(marks) = &marks {
            self.keep_plan(marks, &made, ui);
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

    /// The last plan, if it is what a plan made now would be.
    async fn same_as_before(&self, marks: &Marks) -> Option<Plan> {
        let kept = std::fs::read(path(&self.db)).ok()?;
        let kept: Kept = serde_json::from_slice(&kept).ok()?;
        if kept.rest != marks.rest || self.library.stamp().ok()?? != kept.library {
            return None;
        }
        let mut plan = canonical::parse(kept.plan.as_bytes()).ok()?;
        if !is_empty(&plan.body) {
            return None;
        }
        plan.meta = PlanMeta {
            generated_at: Some(Timestamp::now()),
            ..plan.meta
        };
        plan.meta.estimates = self.estimates(&plan).await;
        Some(plan)
    }

    /// Keeps a plan that has nothing to do, was told no problem of, and was made from what `marks` tells.
    fn keep_plan(&self, marks: &Marks, made: &Made, ui: &Ui) {
        let observation = &made.observation;
        let is_whole = observation.tidal.problems.is_empty()
            && observation.library.problems.is_empty()
            && observation
                .rekordbox
                .iter()
                .all(|read| read.problems.is_empty())
            && ui.warnings() == marks.warned;
        if let Some(library) = self.library.scanned()
            && is_whole
            && is_empty(&made.plan.body)
        {
            let kept = Kept {
                rest: marks.rest,
                library,
                plan: canonical::to_json(&made.plan),
            };
            // A cache that cannot be written costs time and nothing else.
            let _ = pending::save(&path(&self.db), &kept);
        }
    }
}

fn path(db: &Path) -> PathBuf {
    db.with_extension("plan.cache")
}
