//! What is held back as a whole, because something could not be read to its end.

use std::collections::BTreeSet;

use crate::{
    domain::{ActionId, AudioFormat, Class, MediaPath},
    plan::{
        document::{Action, Check, CheckStatus, Effect},
        draft::{Draft, Hold, held},
    },
};

/// Moves every removal, and what depends on one, to the held actions.
pub(super) fn hold_removals(draft: &mut Draft<'_>, checks: &[Check]) {
    let of_all = ["TC102", "TC103"];
    let Some(check) = checks
        .iter()
        .find(|check| check.status == CheckStatus::Hold && of_all.contains(&check.code.as_str()))
    else {
        return;
    };
    let gate = if check.code == "TC102" {
        "TC102"
    } else {
        "TC103"
    };
    let hold = Hold {
        gate,
        rule: check.name.clone(),
        at: String::new(),
        text: check.text.clone(),
    };
    hold_all(draft, &hold, |action| {
        // A better file is not fetched where the old one may not go.
        matches!(
            action.class,
            Class::Remove | Class::Destructive | Class::Tidal
        ) || action.effect.replaced().is_some()
    });
}

/// What could not be read may be the list that needs a file: no file goes then.
pub(super) fn hold_trash_of_half_read(draft: &mut Draft<'_>) {
    let observation = draft.input.observation;
    let rekordbox = observation.rekordbox.as_ref();
    let unread = match (
        observation.library.is_complete(),
        rekordbox.is_none_or(|read| read.is_complete()),
    ) {
        (true, true) => return,
        (false, _) => "the library",
        (true, false) => "Rekordbox",
    };
    let hold = Hold {
        gate: "TC102",
        rule: "unread".to_owned(),
        at: String::new(),
        text: format!(
            "not all of {unread} could be read, and what was not may need it; `tidal-cleanup doctor` tells \
             what it was"
        ),
    };
    let is_audio = |path: &MediaPath| AudioFormat::from_extension(&path.extension()).is_some();
    hold_all(draft, &hold, |action| {
        let trashes =
            matches!(&action.effect, Effect::FileTrash { before } if is_audio(&before.path));
        trashes && action.class == Class::Destructive || action.effect.replaced().is_some()
    });
}

/// Holds these, and what hangs on them.
fn hold_all(draft: &mut Draft<'_>, hold: &Hold, which: impl Fn(&Action) -> bool) {
    let mut gone: BTreeSet<ActionId> = BTreeSet::new();
    for action in std::mem::take(&mut draft.actions) {
        if which(&action) || action.depends_on.iter().any(|id| gone.contains(id)) {
            gone.insert(action.id.clone());
            draft.held.push(held(&action, hold.clone()));
        } else {
            draft.actions.push(action);
        }
    }
}
