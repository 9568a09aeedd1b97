//! What leaves: files to the trash, folders that are empty now.

use std::collections::BTreeSet;

use crate::{
    apply::run::{Attempt, DESTRUCTIVE_BATCH, Effected, Failure, Phase, Result, Run, failed},
    domain::{MediaPath, PlaylistId, state::StateRow},
    edge::{
        download::Downloader, local::LocalLibrary, rekordbox::RekordboxLibrary, store::StateStore,
    },
    plan::document::{Effect, Forgotten},
    record::{Intent, Outcome, PreImage, image::Replaced},
};

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Moves files to the trash; not after a failure.
    pub(in crate::apply) async fn trash(&mut self) -> Result<()> {
        let pending = self.pending(Phase::Trash);
        for batch in pending.chunks(DESTRUCTIVE_BATCH) {
            self.check_stop()?;
            let (mut intents, mut ended) = (Vec::new(), Vec::new());
            let mut together = BTreeSet::new();
            for seq in batch.iter().copied() {
                match self.trash_intent(seq, &together) {
                    Ok(image) => {
                        together.insert(seq);
                        intents.push((seq, image));
                    }
                    Err(failure) => ended.push((seq, Err(failure))),
                }
            }
            let begun: Vec<usize> = intents.iter().map(|(seq, _)| *seq).collect();
            self.settle(ended).await?;
            self.intend(intents).await?;
            let mut ended = Vec::new();
            let mut broken = false;
            for seq in begun {
                let result = match broken {
                    true => Err(Failure::Cancelled(
                        "nothing is removed after a failure".to_owned(),
                    )),
                    false if self.may_act().await? => self.trash_one(seq),
                    false => Err(Failure::Untouched),
                };
                broken |= matches!(result, Err(Failure::Failed(_)));
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    pub(super) fn trash_intent(&self, seq: usize, together: &BTreeSet<usize>) -> Attempt<PreImage> {
        self.blocked(seq, together)?;
        if self.phases[seq] == Phase::Trash {
            self.cancelled()?;
        }
        self.unchanged(seq)?;
        if let Effect::TrashPurge { before } = &self.actions[seq].effect {
            return Ok(PreImage::of(Intent::Purge {
                trash_path: before.trash_path.clone(),
                sha256: before.sha256,
            }));
        }
        let Effect::FileTrash { before } = &self.actions[seq].effect else {
            return Err(Failure::Failed("it is no trashing".to_owned()));
        };
        let stat = self.stat(&before.path)?;
        let stat = stat.ok_or_else(|| Failure::Failed(format!("{} is not there", before.path)))?;
        Ok(PreImage::of(Intent::Trash(Replaced {
            path: before.path.clone(),
            size: stat.size,
            mtime: stat.mtime,
            sha256: before.sha256,
        })))
    }

    pub(super) fn trash_one(&mut self, seq: usize) -> Attempt<Effected> {
        if let Some(Intent::Purge { trash_path, sha256 }) =
            self.pre.get(&seq).map(|image| image.intent.clone())
        {
            let purged = self.local.purge(&trash_path, sha256);
            purged.map_err(|e| failed(&e))?;
            return Ok(Effected::of(Outcome::Nothing));
        }
        let Some(Intent::Trash(was)) = self.pre.get(&seq).map(|image| image.intent.clone()) else {
            return Err(Failure::Failed("its intent is unknown".to_owned()));
        };
        // Once more, now that the intent is durable: the right bytes or none.
        let sha256 = self.local.hash(&was.path).map_err(|e| failed(&e))?;
        if sha256 != was.sha256 {
            return Err(Failure::Failed(format!("{} changed", was.path)));
        }
        let reason = self.actions[seq].why.rule.clone();
        let trash_path = self.move_to_trash(&was, &reason)?;
        Ok(Effected::of(Outcome::Trashed { was, trash_path }))
    }

    pub(super) fn move_to_trash(&mut self, was: &Replaced, reason: &str) -> Attempt<MediaPath> {
        match self.local.trash(&was.path, self.apply, reason) {
            Ok(trash_path) => Ok(trash_path),
            // It may be there all the same.
            Err(error) => match self.find_trashed(was)? {
                Some(trash_path) if self.stat(&was.path)?.is_none() => Ok(trash_path),
                _ => Err(failed(&error)),
            },
        }
    }

    /// Removes folders of playlists that nothing needs any more, if the run has emptied them.
    pub(in crate::apply) fn remove_left_folders(&mut self) {
        let planned = &self.plan.body.playlists;
        let forgotten: BTreeSet<&PlaylistId> = self
            .actions
            .iter()
            .filter_map(|action| match &action.effect {
                Effect::StateForget {
                    before: Forgotten::Playlist(id),
                } => Some(id),
                _ => None,
            })
            .collect();
        let mut wanted: BTreeSet<&MediaPath> =
            planned.values().map(|playlist| &playlist.folder).collect();
        let mut ours: BTreeSet<&MediaPath> = BTreeSet::new();
        for row in self.state.playlists.values() {
            ours.extend(&row.folder);
            if row.deleted_at.is_none() && !forgotten.contains(&row.id) {
                let planned = planned.get(&row.id).map(|playlist| &playlist.folder);
                wanted.extend(planned.or(row.folder.as_ref()));
            }
        }
        let mut left = BTreeSet::new();
        for image in self.post.values() {
            match &image.outcome {
                Outcome::Placed { from, .. } => left.extend(from.parent()),
                Outcome::Trashed { was, .. } => left.extend(was.path.parent()),
                _ => {}
            }
            // Where playlists were before this run.
            ours.extend(image.rows.iter().filter_map(|row| match &row.before {
                Some(StateRow::Playlist(row)) => row.folder.as_ref(),
                _ => None,
            }));
        }
        let mut folders = BTreeSet::new();
        for folder in left {
            let parents = std::iter::successors(Some(folder), MediaPath::parent);
            let is_ours = |folder: &MediaPath| ours.iter().any(|own| is_within(folder, own));
            let removable = parents
                .take_while(|folder| !folders.contains(folder) && is_ours(folder))
                .filter(|folder| !wanted.iter().any(|want| is_within(want, folder)));
            folders.extend(removable.collect::<Vec<_>>());
        }
        self.remove_folders(&folders.into_iter().collect::<Vec<_>>());
    }

    pub(in crate::apply) fn remove_folders(&mut self, folders: &[MediaPath]) {
        if folders.is_empty() {
            return;
        }
        // An empty folder that stays harms nobody.
        if let Err(error) = self.local.remove_empty_folders(folders) {
            tracing::warn!(%error, "could not remove empty folders");
        }
    }
}

/// Whether `path` is `folder` or inside it.
fn is_within(path: &MediaPath, folder: &MediaPath) -> bool {
    path.root() == folder.root() && path.relative().starts_with(folder.relative())
}
