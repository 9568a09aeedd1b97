//! Changes of TIDAL itself: one request at a time, each looked up afterwards.
//!
//! That something was done is believed when the playlist shows it, whatever the answer said. A change
//! whose answer is lost is therefore looked for before it is sent again, and then under the same key,
//! which is made of the journal's own words. If TIDAL cannot be looked at, the run stays open.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ApplyError,
    recover::{Recovery, not_done},
    run::{Attempt, Effected, Failure, Phase, Result, Run},
};
use crate::{
    domain::{ContentHash, ItemId, PlaylistEntry, PlaylistId},
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::RekordboxLibrary,
        store::{NewSnapshot, OperationStatus, StateStore},
        tidal::{
            EntryRef, ListEdit, WriteError, snapshot,
            write::{MOST_CHANGED, MOST_MOVED},
        },
    },
    plan::{
        canonical,
        document::{Cause, Effect, Mode, Precondition, TidalEntry},
    },
    record::{Intent, Outcome, PreImage},
};

mod place;

use place::{Back, Slot, place};

/// How often a change is sent whose answer is lost.
const TRIES: usize = 5;
/// How often the list is looked at for a change that TIDAL says is done.
const LOOKS: usize = 3;

/// What is said of a change that was accepted and cannot be seen.
const UNSEEN: &str = "TIDAL says that it is done, and the playlist does not show it";

type List = Vec<PlaylistEntry>;

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Takes entries out of TIDAL's playlists, or puts them back.
    pub(super) async fn change_tidal(&mut self) -> Result<()> {
        let mut open = self.pending(Phase::Tidal);
        open.extend(self.running(Phase::Tidal));
        let mut lists: BTreeMap<PlaylistId, Vec<usize>> = BTreeMap::new();
        for seq in open {
            let playlist = self.entry(seq).playlist.clone();
            lists.entry(playlist).or_default().push(seq);
        }
        for (playlist, mut seqs) in lists {
            seqs.sort_by_key(|seq| self.entry(*seq).position);
            let (leaving, coming): (Vec<_>, Vec<_>) = seqs.into_iter().partition(|seq| {
                matches!(self.actions[*seq].effect, Effect::TidalEntryRemove { .. })
            });
            for chunk in leaving.chunks(MOST_CHANGED) {
                self.check_stop()?;
                self.take_out(&playlist, chunk).await?;
            }
            for chunk in coming.chunks(MOST_CHANGED) {
                self.check_stop()?;
                self.put_back(&playlist, chunk).await?;
            }
        }
        self.refresh_reading().await
    }

    /// The entry that an action of this phase is about.
    fn entry(&self, seq: usize) -> &TidalEntry {
        match &self.actions[seq].effect {
            Effect::TidalEntryRemove { before } => before,
            Effect::TidalEntryRestore { after, .. } => after,
            other => unreachable!("{} is not of this phase", other.kind()),
        }
    }

    /// The playlist as it is now.
    async fn look(&mut self, playlist: &PlaylistId) -> std::result::Result<List, String> {
        let Some(tidal) = &self.tidal else {
            return Err("TIDAL is not lent to this run".to_owned());
        };
        let read = tidal.entries(playlist).await;
        let list = read.map_err(|error| super::run::causes(&error))?;
        self.lists.insert(playlist.clone(), list.clone());
        Ok(list)
    }

    async fn take_out(&mut self, playlist: &PlaylistId, chunk: &[usize]) -> Result<()> {
        let before = match self.look(playlist).await {
            Ok(list) => list,
            Err(reason) => return self.fail(chunk, &reason).await,
        };
        let (mut going, mut ended) = (Vec::new(), Vec::new());
        for seq in chunk.iter().copied() {
            match self.may_go(seq, &before) {
                Ok(()) => going.push(seq),
                Err(failure) => ended.push((seq, Err(failure))),
            }
        }
        self.settle(ended).await?;
        if going.is_empty() {
            return Ok(());
        }
        let wanted: BTreeSet<ItemId> = going
            .iter()
            .map(|seq| self.entry(*seq).item.clone())
            .collect();
        let refs = before.iter().filter(|entry| is_of(entry, &wanted));
        let edit = ListEdit::Remove(refs.filter_map(entry_ref).collect());
        let key = self.key(playlist, &edit);
        let intents = going.iter().map(|seq| {
            let key = key.clone();
            (*seq, PreImage::of(Intent::TidalRemove { key }))
        });
        self.intend(intents.collect()).await?;
        let gone = |list: &List| !list.iter().any(|entry| is_of(entry, &wanted));
        let (after, reason) = self.send(playlist, &edit, &key, &before, gone).await?;
        let left = ids(&after);
        let ended = going.iter().map(|seq| {
            let entry = self.entry(*seq).clone();
            let result = match left.contains(&Some(&entry.item)) {
                true => Err(Failure::Failed(reason.clone())),
                false => Ok(Effected::of(Outcome::TidalRemoved(entry))),
            };
            (*seq, result)
        });
        let ended: Vec<_> = ended.collect();
        let others = |list: &List| -> Vec<Option<ItemId>> {
            let stay = list.iter().filter(|entry| !is_of(entry, &wanted));
            stay.map(|entry| entry.item_id.clone()).collect()
        };
        if others(&before) != others(&after)
            && let Some(seq) = going.first()
        {
            let text = "somebody else changed the playlist in TIDAL at the same time";
            self.odd.push((*seq, text.to_owned()));
        }
        self.settle(ended).await
    }

    /// Whether the entry may leave the list as it is now.
    fn may_go(&self, seq: usize, list: &List) -> Attempt<()> {
        self.blocked(seq, &BTreeSet::new())?;
        if self.failed_badly() {
            self.cancelled()?;
        }
        let failed = |text: &str| Err(Failure::Failed(text.to_owned()));
        let entry = self.entry(seq);
        let mut there = list.iter();
        let Some(there) = there.find(|it| it.item_id.as_ref() == Some(&entry.item)) else {
            return failed("TIDAL no longer has the entry; plan again");
        };
        for pre in &self.actions[seq].pre {
            if let Precondition::TidalList { count, sha256, .. } = pre
                && !self.is_list(&entry.playlist, list, *count, sha256)
            {
                return failed("the playlist was changed in TIDAL since the plan; plan again");
            }
        }
        // The second reading that has to say so.
        let withheld = entry.cause == Cause::Unavailable && self.plan.body.mode != Mode::Undo;
        if withheld && there.track.is_some() {
            return failed("TIDAL delivers the track again");
        }
        Ok(())
    }

    /// Whether `list` with what this run took out is the one that the plan speaks of.
    fn is_list(
        &self,
        playlist: &PlaylistId,
        list: &List,
        count: usize,
        sha256: &ContentHash,
    ) -> bool {
        let mut taken: Vec<&TidalEntry> = self
            .post
            .values()
            .filter_map(|image| match &image.outcome {
                Outcome::TidalRemoved(entry) if entry.playlist == *playlist => Some(entry),
                _ => None,
            })
            .collect();
        taken.sort_by_key(|entry| entry.position);
        let mut whole: Vec<String> = list.iter().map(PlaylistEntry::own_id).collect();
        for entry in taken {
            let at = entry.position.min(whole.len());
            whole.insert(at, entry.item.to_string());
        }
        whole.len() == count && canonical::entries_hash(whole) == *sha256
    }

    /// Adds entries again, then brings them to their places.
    async fn put_back(&mut self, playlist: &PlaylistId, chunk: &[usize]) -> Result<()> {
        let before = match self.look(playlist).await {
            Ok(list) => list,
            Err(reason)
                if chunk
                    .iter()
                    .all(|seq| self.status[*seq] == OperationStatus::Pending) =>
            {
                return self.fail(chunk, &reason).await;
            }
            Err(reason) => return Err(self.unsettled_tidal(reason)),
        };
        let mut added = self.added(chunk, &before);
        let absent: Vec<usize> = chunk
            .iter()
            .copied()
            .filter(|seq| !added.contains_key(seq))
            .collect();
        let mut reason = String::new();
        let mut now = before;
        if !absent.is_empty() {
            (now, reason) = self.add(playlist, chunk, &absent, now, &added).await?;
            added = self.added(chunk, &now);
        }
        let backs = self.backs(chunk, &added);
        if !backs.is_empty()
            && let Some(text) = self.bring_home(playlist, &backs, now).await?
            && let Some(back) = backs.first()
        {
            self.odd.push((back.seq, text));
        }
        let mut ended = Vec::new();
        for seq in chunk.iter().copied() {
            ended.push((seq, self.restored(seq, added.get(&seq), &reason)));
        }
        self.settle(ended).await
    }

    fn restored(&self, seq: usize, item: Option<&ItemId>, reason: &str) -> Attempt<Effected> {
        let entry = self.entry(seq).clone();
        let Some(item) = item else {
            let reason = match reason {
                "" | UNSEEN => "TIDAL did not take the track back; it may no longer have it",
                reason => reason,
            };
            return Err(Failure::Failed(reason.to_owned()));
        };
        let was = entry.item.clone();
        let entry = TidalEntry {
            item: item.clone(),
            ..entry
        };
        Ok(Effected::of(Outcome::TidalRestored { entry, was }))
    }

    /// Sends the request that adds the entries of `absent`.
    async fn add(
        &mut self,
        playlist: &PlaylistId,
        chunk: &[usize],
        absent: &[usize],
        before: List,
        added: &BTreeMap<usize, ItemId>,
    ) -> Result<(List, String)> {
        let backs = self.backs(absent, &BTreeMap::new());
        let slots = place(&ids_of(&before), &backs);
        let last = slots.iter().rposition(|slot| matches!(slot, Slot::Back(_)));
        // What belongs to the end must be added there: nothing else can get there for certain.
        let anchor = last.and_then(|last| match slots.get(last + 1) {
            Some(Slot::There(item)) => Some(item.clone()),
            Some(Slot::Back(_)) | None => None,
        });
        let order: Vec<usize> = slots
            .iter()
            .filter_map(|slot| match slot {
                Slot::Back(seq) => Some(*seq),
                Slot::There(_) => None,
            })
            .collect();
        let edit = ListEdit::Add {
            tracks: order
                .iter()
                .map(|seq| self.entry(*seq).track.clone())
                .collect(),
            before: anchor,
        };
        let key = self.key(playlist, &edit);
        let intents = absent.iter().map(|seq| {
            let track = &self.entry(*seq).track;
            let known = before.iter().filter(|entry| entry.id == *track);
            let known = known.filter_map(|entry| entry.item_id.clone()).collect();
            let key = key.clone();
            (*seq, PreImage::of(Intent::TidalAdd { key, known }))
        });
        let intents: Vec<_> = intents.collect();
        self.intend(intents).await?;
        let known = ids_of(&before);
        let wanted = absent.len();
        let all = |list: &List| {
            let new = ids_of(list).into_iter().filter(|id| !known.contains(id));
            new.count() >= wanted
        };
        debug_assert!(
            absent.len() + added.len() == chunk.len(),
            "each is there or not"
        );
        self.send(playlist, &edit, &key, &before, all).await
    }

    /// Which entries of `list` are those that this run added, by action.
    fn added(&self, chunk: &[usize], list: &List) -> BTreeMap<usize, ItemId> {
        let mut taken: BTreeSet<&ItemId> = self
            .post
            .values()
            .filter_map(|image| match &image.outcome {
                Outcome::TidalRestored { entry, .. } => Some(&entry.item),
                _ => None,
            })
            .collect();
        let mut added = BTreeMap::new();
        for seq in chunk {
            let Some(Intent::TidalAdd { known, .. }) = self.pre.get(seq).map(|pre| &pre.intent)
            else {
                continue;
            };
            let track = &self.entry(*seq).track;
            let new = list
                .iter()
                .filter(|entry| entry.id == *track)
                .filter_map(|entry| entry.item_id.as_ref())
                .find(|item| !known.contains(item) && !taken.contains(item));
            if let Some(item) = new {
                taken.insert(item);
                added.insert(*seq, item.clone());
            }
        }
        added
    }

    /// What is to come back, in its old order; with the id that it has by now, if it has one.
    fn backs(&self, seqs: &[usize], added: &BTreeMap<usize, ItemId>) -> Vec<Back> {
        let known = self.renamed();
        let now = |item: &Option<ItemId>| {
            let item = item.as_ref()?;
            Some(known.get(item).unwrap_or(item).clone())
        };
        let all_there = |seq: &&usize| added.is_empty() || added.contains_key(seq);
        seqs.iter()
            .filter(all_there)
            .map(|seq| {
                let entry = self.entry(*seq);
                Back {
                    seq: *seq,
                    was: entry.item.clone(),
                    item: added.get(seq).cloned(),
                    position: entry.position,
                    previous: now(&entry.previous),
                    next: now(&entry.next),
                }
            })
            .collect()
    }

    /// The new ids of entries that this run has brought back, by their old ones.
    fn renamed(&self) -> BTreeMap<ItemId, ItemId> {
        self.post
            .values()
            .filter_map(|image| match &image.outcome {
                Outcome::TidalRestored { entry, was } => Some((was.clone(), entry.item.clone())),
                _ => None,
            })
            .collect()
    }

    /// Moves what came back to where it was; `Some` text when it could not be brought there.
    async fn bring_home(
        &mut self,
        playlist: &PlaylistId,
        backs: &[Back],
        mut now: List,
    ) -> Result<Option<String>> {
        // Each move brings one run of entries home; there are no more runs than entries.
        for _ in 0..=backs.len() {
            let wanted = place::wanted(&ids_of(&now), backs);
            let Some((moved, anchor)) = place::next_move(&ids_of(&now), &wanted, MOST_MOVED) else {
                return Ok(None);
            };
            let entries = moved.iter().filter_map(|item| {
                let mut all = now.iter();
                all.find(|entry| entry.item_id.as_ref() == Some(item))
                    .and_then(entry_ref)
            });
            let edit = ListEdit::Move {
                entries: entries.collect(),
                before: anchor,
            };
            let key = self.key(playlist, &edit);
            let order = ids_of(&now);
            let moved = |list: &List| ids_of(list) != order;
            let before = now;
            let reason;
            (now, reason) = self.send(playlist, &edit, &key, &before, moved).await?;
            if ids_of(&now) == ids_of(&before) {
                return Ok(Some(format!(
                    "it is back, and not at its old place: {reason}"
                )));
            }
        }
        Ok(Some("it is back, and not at its old place".to_owned()))
    }

    /// Sends a change and looks what became of it, until it is done or there is no use in sending it
    /// again. Returns the list as it then is, and why it is not as wanted, if it is not.
    async fn send(
        &mut self,
        playlist: &PlaylistId,
        edit: &ListEdit,
        key: &str,
        before: &List,
        is_done: impl Fn(&List) -> bool,
    ) -> Result<(List, String)> {
        let (mut after, mut reason) = (before.clone(), String::new());
        for _ in 0..TRIES {
            self.hold().await?;
            let Some(tidal) = &mut self.tidal else {
                return Ok((after, "TIDAL is not lent to this run".to_owned()));
            };
            let sent = tidal.write(playlist, edit, key).await;
            let looks = if sent.is_ok() { LOOKS } else { 1 };
            for _ in 0..looks {
                let looked = self.look(playlist).await;
                after = looked.map_err(|reason| self.unsettled_tidal(reason))?;
                if is_done(&after) {
                    return Ok((after, String::new()));
                }
            }
            match sent {
                Ok(()) => return Ok((after, UNSEEN.to_owned())),
                Err(WriteError::Refused(text)) => return Ok((after, text)),
                Err(WriteError::Unknown(text)) => reason = text,
            }
            // Half of a change cannot be sent again as a whole.
            if ids_of(&after) != ids_of(before) {
                break;
            }
        }
        Ok((after, reason))
    }

    fn unsettled_tidal(&self, reason: String) -> ApplyError {
        ApplyError::Unsettled {
            apply: self.apply,
            reason,
        }
    }

    async fn fail(&mut self, chunk: &[usize], reason: &str) -> Result<()> {
        let failed = |seq: &usize| (*seq, Err(Failure::Failed(reason.to_owned())));
        self.settle(chunk.iter().map(failed).collect()).await
    }

    /// The name of a change: the same whenever this run makes the same change.
    fn key(&self, playlist: &PlaylistId, edit: &ListEdit) -> String {
        let text = format!(
            "{}\n{}\n{playlist}\n{edit:?}",
            self.state.meta.lineage, self.apply
        );
        let mut hash = ContentHash::of(text.as_bytes()).to_string();
        hash.truncate(40);
        format!("tidal-cleanup-{hash}")
    }

    /// Settles running changes by what TIDAL shows. Of an entry that was added the place may be
    /// wrong; where the run goes on, it stays running until it is at home.
    pub(super) async fn recover_tidal(&mut self, recovery: Recovery) -> Result<()> {
        let mut lists: BTreeMap<PlaylistId, Vec<usize>> = BTreeMap::new();
        for seq in self.running(Phase::Tidal) {
            let playlist = self.entry(seq).playlist.clone();
            lists.entry(playlist).or_default().push(seq);
        }
        for (playlist, seqs) in lists {
            let list = self.look(&playlist).await;
            let list = list.map_err(|reason| self.unsettled_tidal(reason))?;
            let added = self.added(&seqs, &list);
            let mut ended = Vec::new();
            for seq in seqs {
                let restores = matches!(self.actions[seq].effect, Effect::TidalEntryRestore { .. });
                let gone = !ids(&list).contains(&Some(&self.entry(seq).item));
                let result = match (restores, added.get(&seq)) {
                    (true, Some(_)) if recovery == Recovery::Forward => continue,
                    (true, Some(item)) => self.restored(seq, Some(item), ""),
                    (true, None) => Err(not_done(recovery)),
                    (false, _) if gone => {
                        let entry = self.entry(seq).clone();
                        Ok(Effected::of(Outcome::TidalRemoved(entry)))
                    }
                    (false, _) => Err(not_done(recovery)),
                };
                ended.push((seq, result));
            }
            self.settle(ended).await?;
        }
        Ok(())
    }

    /// Brings the last good reading up to date with what was seen here, for `--offline`; the next
    /// reading reads these playlists again.
    async fn refresh_reading(&mut self) -> Result<()> {
        let lists = std::mem::take(&mut self.lists);
        let Some(text) = self
            .store
            .last_reading()
            .await?
            .filter(|_| !lists.is_empty())
        else {
            return Ok(());
        };
        let Ok(mut reading) = snapshot::parse(text.as_bytes()) else {
            return Ok(());
        };
        for playlist in &mut reading.playlists {
            if let Some(items) = lists.get(&playlist.id) {
                playlist.items.clone_from(items);
                playlist.number_of_items = u32::try_from(items.len()).ok();
                playlist.last_modified_at = None;
            }
        }
        let entries: usize = reading.playlists.iter().map(|list| list.items.len()).sum();
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let data = snapshot::render(&reading);
        let at = self.now();
        let new = NewSnapshot {
            kind: "tidal",
            data: &data,
            playlist_count: count(reading.playlists.len()),
            track_count: count(entries),
            complete: true,
            at,
        };
        Ok(self.store.save_snapshot(new).await?)
    }
}

fn is_of(entry: &PlaylistEntry, wanted: &BTreeSet<ItemId>) -> bool {
    let item = entry.item_id.as_ref();
    item.is_some_and(|item| wanted.contains(item))
}

fn ids(list: &List) -> Vec<Option<&ItemId>> {
    list.iter().map(|entry| entry.item_id.as_ref()).collect()
}

fn ids_of(list: &List) -> Vec<ItemId> {
    let ids = list.iter().filter_map(|entry| entry.item_id.clone());
    ids.collect()
}

fn entry_ref(entry: &PlaylistEntry) -> Option<EntryRef> {
    Some(EntryRef {
        kind: entry.kind.clone(),
        id: entry.id.clone(),
        item: entry.item_id.clone()?,
    })
}
