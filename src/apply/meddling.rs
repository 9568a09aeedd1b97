//! Whether download commands kept to their folder.
//!
//! A command runs as the user does and can write wherever he can: nothing stops one that is set to work
//! in the library itself. So the library is looked at before the first command, behind each batch, and
//! at once when a command has not delivered. What differs is told. Together with a command that brought
//! nothing to its folder it means that this one writes where it must not, and no further one is run;
//! alone it may be the user at work, and is only told.

use std::collections::BTreeMap;

use super::run::{Attempt, Failure};
use crate::{
    domain::{FileStat, Library, MediaPath},
    edge::local::LocalLibrary,
};

/// How many files are named.
const NAMED: usize = 3;

/// The files of the library and how they were when they were last looked at.
pub(super) struct Watch {
    /// `None`: nothing is watched.
    seen: Option<BTreeMap<MediaPath, FileStat>>,
    /// Why no further command may run.
    stopped: Option<String>,
}

impl Watch {
    /// Watches nothing.
    pub(super) const fn none() -> Self {
        Self {
            seen: None,
            stopped: None,
        }
    }

    /// Looks at the library for the first time. What cannot be read cannot be watched.
    pub(super) fn begin(local: &mut impl LocalLibrary) -> Self {
        Self {
            seen: local.scan().ok().map(|scanned| files(&scanned.value)),
            stopped: None,
        }
    }

    /// Whether another command may run.
    pub(super) fn allows(&self) -> Attempt<()> {
        match &self.stopped {
            Some(why) => Err(Failure::Skipped(why.clone())),
            None => Ok(()),
        }
    }

    /// Compares with the last look. `ours`: files that the run brought itself.
    pub(super) fn look(
        &mut self,
        local: &mut impl LocalLibrary,
        ours: impl Fn(&MediaPath) -> bool,
        suspect: bool,
    ) -> Option<String> {
        let before = self.seen.take()?;
        let now = local.scan().ok().map(|scanned| files(&scanned.value))?;
        let found = Meddled::between(&before, &now, ours);
        self.seen = Some(now);
        let found = found?.text();
        if suspect && self.stopped.is_none() {
            self.stopped = Some(format!(
                "no further download command is run, since one wrote elsewhere than to its folder ({found}): \
                 let `[download] command` write to {{dir}} alone"
            ));
        }
        Some(format!("while download commands ran, {found}"))
    }
}

fn files(library: &Library) -> BTreeMap<MediaPath, FileStat> {
    let audio = library.files.iter();
    audio.map(|file| (file.path.clone(), file.stat)).collect()
}

/// What differs.
struct Meddled {
    changed: Vec<MediaPath>,
    gone: Vec<MediaPath>,
    new: Vec<MediaPath>,
}

impl Meddled {
    fn between(
        before: &BTreeMap<MediaPath, FileStat>,
        now: &BTreeMap<MediaPath, FileStat>,
        ours: impl Fn(&MediaPath) -> bool,
    ) -> Option<Self> {
        let differs = |was: &FileStat, is: &FileStat| {
            (was.size, was.mtime, was.inode) != (is.size, is.mtime, is.inode)
        };
        let pick = |paths: &mut dyn Iterator<Item = &MediaPath>| paths.cloned().collect::<Vec<_>>();
        let found = Self {
            changed: pick(
                &mut before
                    .iter()
                    .filter(|(path, was)| now.get(*path).is_some_and(|is| differs(was, is)))
                    .map(|(path, _)| path),
            ),
            gone: pick(&mut before.keys().filter(|path| !now.contains_key(*path))),
            new: pick(
                &mut now
                    .keys()
                    .filter(|path| !before.contains_key(*path) && !ours(path)),
            ),
        };
        let any = !(found.changed.is_empty() && found.gone.is_empty() && found.new.is_empty());
        any.then_some(found)
    }

    fn text(&self) -> String {
        let parts = [
            (&self.changed, "changed"),
            (&self.gone, "went away"),
            (&self.new, "came"),
        ];
        let told = parts
            .iter()
            .filter(|(paths, _)| !paths.is_empty())
            .map(|(paths, verb)| {
                let named: Vec<String> =
                    paths.iter().take(NAMED).map(ToString::to_string).collect();
                let more = match paths.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!("{}{more} {verb}", named.join(", "))
            });
        told.collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(size: u64, mtime: i64) -> FileStat {
        FileStat {
            size,
            mtime: (mtime, 0),
            ctime: (0, 0),
            inode: 1,
            device: 1,
        }
    }

    #[test]
    fn what_changed_went_and_came_is_told_apart() {
        let before = BTreeMap::from([
            ("a.mp3".into(), stat(1, 1)),
            ("b.mp3".into(), stat(1, 1)),
            ("c.mp3".into(), stat(1, 1)),
        ]);
        let now = BTreeMap::from([
            ("a.mp3".into(), stat(1, 2)),
            ("c.mp3".into(), stat(1, 1)),
            ("d.mp3".into(), stat(1, 1)),
            ("ours.mp3".into(), stat(1, 1)),
        ]);
        let ours = |path: &MediaPath| path.as_str() == "ours.mp3";
        let found = Meddled::between(&before, &now, ours).map(|found| found.text());
        assert_eq!(
            found.as_deref(),
            Some("a.mp3 changed; b.mp3 went away; d.mp3 came")
        );
        assert!(Meddled::between(&before, &before, ours).is_none());
    }
}
