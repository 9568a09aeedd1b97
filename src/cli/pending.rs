//! Since when something is pending or held: the first plan that had it. Kept beside the state database; it
//! is no state, and deleting it costs no more than these times.

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{domain::ActionId, plan::document::Body};

/// How long ago the oldest of them appeared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Since {
    /// Of what a plan would do.
    pub pending: Option<Timestamp>,
    /// Of what is held back.
    pub held: Option<Timestamp>,
}

/// The file: when each action was in a plan for the first time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    first: BTreeMap<ActionId, Timestamp>,
}

/// Notes what a plan of everything has, forgets what it has no more, and tells since when. Where the file
/// cannot be written, the times begin anew with the next plan.
pub fn note(db: &Path, body: &Body, now: Timestamp) -> Since {
    let path = path(db);
    let old = std::fs::read(&path).ok();
    let old = old.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let old: Seen = old.unwrap_or_default();
    let (new, since) = noted(&old, body, now);
    if new != old {
        let _ = save(&path, &new);
    }
    since
}

fn noted(old: &Seen, body: &Body, now: Timestamp) -> (Seen, Since) {
    let mut new = Seen::default();
    let mut oldest = |ids: &mut dyn Iterator<Item = &ActionId>| {
        let times = ids.map(|id| {
            // A clock that was set back makes nothing come from the future.
            let first = old.first.get(id).copied().unwrap_or(now).min(now);
            new.first.insert(id.clone(), first);
            first
        });
        times.min()
    };
    let since = Since {
        pending: oldest(&mut body.actions.iter().map(|action| &action.id)),
        held: oldest(&mut body.held.iter().map(|held| &held.id)),
    };
    (new, since)
}

/// Writes what is kept beside the state database, whole or not at all.
pub(super) fn save(path: &Path, kept: &impl Serialize) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(kept)?)?;
    file.persist(path)?;
    Ok(())
}

fn path(db: &Path) -> PathBuf {
    db.with_extension("pending.cache")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::document::{Base, Held, Mode, PolicyInput};

    fn body(held: &[&str]) -> Body {
        let policy = PolicyInput {
            path: String::new(),
            sha256: crate::domain::ContentHash::of(b""),
            settings: BTreeMap::new(),
        };
        let held = held.iter().map(|id| Held {
            id: ActionId::new(*id),
            label: String::new(),
            playlist: None,
            would: String::new(),
            gate: String::new(),
            rule: String::new(),
            at: String::new(),
            text: String::new(),
        });
        Body {
            held: held.collect(),
            ..Body::bare(Mode::Normal, Base::default(), policy, String::new())
        }
    }

    #[test]
    fn the_oldest_counts_and_what_is_gone_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("sync.db");
        let day = |n: i64| Timestamp::from_second(n * 86_400).unwrap();
        let held = |ids: &[&str], at| note(&db, &body(ids), at).held;
        assert_eq!(held(&[], day(1)), None);
        assert_eq!(held(&["a"], day(2)), Some(day(2)));
        assert_eq!(held(&["a", "b"], day(3)), Some(day(2)));
        assert_eq!(held(&["b"], day(4)), Some(day(3)));
        assert_eq!(held(&["a"], day(5)), Some(day(5)), "it came back");
        assert_eq!(held(&["a"], day(1)), Some(day(1)), "the clock was set back");
        std::fs::write(path(&db), "torn").unwrap();
        assert_eq!(held(&["a"], day(6)), Some(day(6)));
    }
}
