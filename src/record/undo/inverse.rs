//! The actions that take a step back.

use std::collections::BTreeMap;

use super::steps::Step;
use crate::{
    domain::{ActionId, MediaPath, PlaylistId, TrackId, state::StateRow},
    edge::store::{ApplyRow, OperationRow},
    plan::{
        canonical::action_id,
        document::{
            Action, At, Class, Effect, Estimate, FromTrash, Held, Precondition, Reversal, Subject,
            Trashed, Undo, Why,
        },
    },
    record::{FileImage, Outcome, image::Replaced, image_hash},
};

/// The effects that take one step back: of files or rows first, of the state last.
pub(super) struct Inverse {
    pub(super) effects: Vec<(Effect, Vec<Precondition>)>,
    pub(super) state: Option<(Effect, Vec<Precondition>)>,
}

pub(super) fn effects(apply: &ApplyRow, step: &Step<'_>, steps: &[Step<'_>]) -> Inverse {
    let reversal = || Reversal {
        apply: apply.id,
        action: step.operation.action_id.clone(),
        image: image_hash(step.operation),
    };
    let as_left = || {
        vec![Precondition::AsLeft {
            reversal: reversal(),
        }]
    };
    let mut effects = Vec::new();
    match &step.post.outcome {
        Outcome::File(made) => {
            if step.found.made {
                effects.push(trash(&made.file));
            }
            if let Some((was, trash_path)) = &made.replaced
                && step.found.replaced
            {
                effects.push(restore(was, trash_path));
            }
        }
        Outcome::Placed {
            from,
            to,
            size,
            mtime,
        } => {
            let (effect, mut pre) = place_back(step, from, to, (*size, *mtime));
            // A further name of it that the run made there goes first.
            let makes_way = |other: &usize| {
                let made = steps[*other].post.file();
                steps[*other].found.made && made.is_some_and(|file| file.path == *from)
            };
            if step.found.old_name || step.dependents.iter().any(makes_way) {
                // It is the same file, which never lost that name.
                pre.truncate(1);
            }
            effects.push((effect, pre));
        }
        Outcome::Trashed { was, trash_path } => effects.push(restore(was, trash_path)),
        Outcome::Rows if step.row_keys().next().is_some() => {
            let before = reversal();
            effects.push((Effect::RowsRestore { before }, as_left()));
        }
        Outcome::TidalRemoved(entry) => {
            let (before, after) = (reversal(), entry.clone());
            effects.push((Effect::TidalEntryRestore { before, after }, as_left()));
        }
        Outcome::TidalRestored { entry, .. } => {
            let before = entry.clone();
            effects.push((Effect::TidalEntryRemove { before }, as_left()));
        }
        Outcome::Rows | Outcome::Waiting { .. } | Outcome::Nothing => {}
    }
    let restores = !step.post.rows.is_empty();
    let state = restores.then(|| {
        let before = reversal();
        (Effect::StateRestore { before }, as_left())
    });
    Inverse { effects, state }
}

pub(super) fn trash(file: &FileImage) -> (Effect, Vec<Precondition>) {
    let before = Trashed {
        path: file.path.clone(),
        size: file.size,
        sha256: file.sha256,
    };
    let pre = Precondition::File {
        path: file.path.clone(),
        size: file.size,
        mtime: file.mtime,
        sha256: Some(file.sha256),
    };
    (Effect::FileTrash { before }, vec![pre])
}

pub(super) fn restore(was: &Replaced, trash_path: &MediaPath) -> (Effect, Vec<Precondition>) {
    let before = FromTrash {
        trash_path: trash_path.clone(),
        sha256: was.sha256,
    };
    let after = At {
        path: was.path.clone(),
        home: None,
    };
    (Effect::FileRestore { before, after }, Vec::new())
}

pub(super) fn place_back(
    step: &Step<'_>,
    from: &MediaPath,
    to: &MediaPath,
    (size, mtime): (u64, (i64, u32)),
) -> (Effect, Vec<Precondition>) {
    let old_home = step.post.rows.iter().find_map(|row| match &row.before {
        Some(StateRow::Track(row)) => row.home.clone(),
        _ => None,
    });
    let before = At {
        path: to.clone(),
        home: None,
    };
    let after = At {
        path: from.clone(),
        home: old_home,
    };
    let pre = vec![
        Precondition::File {
            path: to.clone(),
            size,
            mtime,
            sha256: None,
        },
        Precondition::Vacant { path: from.clone() },
    ];
    (Effect::FilePlace { before, after }, pre)
}

pub(super) struct Writer<'a> {
    pub(super) apply: &'a ApplyRow,
    pub(super) steps: &'a [Step<'a>],
    pub(super) inverse: BTreeMap<usize, Inverse>,
    pub(super) actions: Vec<Action>,
    /// For each action that is taken back, those that do it.
    pub(super) taken_back: BTreeMap<ActionId, Vec<ActionId>>,
    pub(super) held: Vec<Held>,
}

impl Writer<'_> {
    pub(super) fn write(&mut self, at: usize) {
        let step = &self.steps[at];
        let Some(inverse) = self.inverse.get(&at).filter(|_| !step.left) else {
            return;
        };
        let subject = subject(step.operation);
        if let Some(obstacle) = &step.obstacle {
            let first = inverse.effects.iter().chain(&inverse.state).next();
            if let Some((effect, _)) = first {
                self.held.push(Held {
                    id: action_id(effect, &subject),
                    label: subject.label.clone(),
                    playlist: playlist(step.operation),
                    would: format!("would take back {}", step.operation.kind),
                    gate: "changed".to_owned(),
                    rule: "undo".to_owned(),
                    at: String::new(),
                    text: obstacle.clone(),
                });
            }
            return;
        }
        let earlier = step.dependents.iter().chain(&step.follows);
        let needs: Vec<ActionId> = earlier.flat_map(|other| self.ids(*other)).collect();
        let mut own = Vec::new();
        let mut actions = Vec::new();
        for (effect, pre) in &inverse.effects {
            let mut depends_on = needs.clone();
            depends_on.extend(own.iter().cloned());
            let action = self.action(step, effect, pre, depends_on);
            own.push(action.id.clone());
            actions.push(action);
        }
        if let Some((effect, pre)) = &inverse.state {
            own.extend(step.records.iter().flat_map(|other| self.ids(*other)));
            actions.push(self.action(step, effect, pre, own));
        }
        let ids = actions.iter().map(|action| action.id.clone()).collect();
        self.taken_back
            .insert(step.operation.action_id.clone(), ids);
        self.actions.extend(actions);
    }

    /// The ids of the actions that take a step's effect back.
    pub(super) fn ids(&self, at: usize) -> Vec<ActionId> {
        let subject = subject(self.steps[at].operation);
        let inverse = self.inverse.get(&at);
        let effects = inverse.into_iter().flat_map(|inverse| &inverse.effects);
        effects
            .map(|(effect, _)| action_id(effect, &subject))
            .collect()
    }

    pub(super) fn action(
        &self,
        step: &Step<'_>,
        effect: &Effect,
        pre: &[Precondition],
        depends_on: Vec<ActionId>,
    ) -> Action {
        let subject = subject(step.operation);
        let bytes_trashed = match effect {
            Effect::FileTrash { before } => before.size,
            _ => 0,
        };
        Action {
            id: action_id(effect, &subject),
            class: class(effect, step),
            effect: effect.clone(),
            subject,
            playlist: playlist(step.operation),
            pre: pre.to_vec(),
            why: Why {
                rule: "undo".to_owned(),
                at: String::new(),
                text: format!(
                    "takes back {} of apply {}",
                    step.operation.kind, self.apply.id
                ),
                evidence: Vec::new(),
            },
            risk: None,
            undo: match effect {
                Effect::FileTrash { .. }
                | Effect::FilePlace { .. }
                | Effect::FileRestore { .. } => Undo::ByteIdentical,
                Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => Undo::Readd,
                _ => Undo::RowIdentical,
            },
            depends_on,
            estimate: Estimate {
                bytes_down: 0,
                bytes_trashed,
            },
        }
    }
}

pub(super) fn class(effect: &Effect, step: &Step<'_>) -> Class {
    match effect {
        Effect::FileTrash { .. } => Class::Destructive,
        Effect::FilePlace { .. } => Class::Move,
        Effect::FileRestore { .. } => Class::Additive,
        Effect::RowsRestore { .. } => {
            let rows = step.staged().map(|staged| staged.rows.0.as_slice());
            let mut rows = rows.unwrap_or_default().iter();
            match rows.any(|row| row.before.is_none()) {
                true => Class::Remove,
                false => Class::Change,
            }
        }
        Effect::TidalEntryRemove { .. } | Effect::TidalEntryRestore { .. } => Class::Tidal,
        _ => Class::Change,
    }
}

pub(super) fn subject(operation: &OperationRow) -> Subject {
    Subject {
        track: operation.track.as_deref().map(TrackId::from),
        label: operation.label.clone(),
    }
}

pub(super) fn playlist(operation: &OperationRow) -> Option<PlaylistId> {
    operation.playlist.as_deref().map(PlaylistId::from)
}
