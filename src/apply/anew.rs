//! Lists that an earlier part of the run made before all of their tracks were there: a resumed run does
//! them once more, on top of what they are, so that it ends where an undisturbed one does.
//!
//! The journal keeps one row an action. While such a row is running, its pre-image also holds what the
//! earlier pass did; when it is settled, both passes become one: from what stood there first to what
//! stands there last. A pass that fails, or that never happened, leaves the earlier one as it was.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::run::{
    Phase, Result, Run,
    journal::{number, trash_path},
};
use crate::{
    domain::ContentHash,
    edge::{
        download::Downloader,
        local::LocalLibrary,
        rekordbox::{Probe, RekordboxLibrary, RowEdits, Staged},
        store::{OperationStatus, Settlement, StateStore},
    },
    plan::document::Effect,
    record::{
        Done, Intent, Made, Outcome, PostImage, PreImage,
        image::{self, Earlier},
        rows::compose,
        state::reversal,
    },
};

/// Why a list is not done once more.
const CHANGED: &str = "it was made before all of its tracks were there, and changed since";

impl<L, R, D, S> Run<'_, L, R, D, S>
where
    L: LocalLibrary,
    R: RekordboxLibrary,
    D: Downloader,
    S: StateStore,
{
    /// Opens lists again of which something is still to come, or came after them, the newest first: what
    /// the state remembers because of them is taken back, so that it is written again behind what comes.
    pub(super) async fn reopen_lists(&mut self) -> Result<()> {
        let is_list = |effect: &Effect| match effect {
            Effect::EntriesSet { .. } => true,
            Effect::FileLink { after, .. } => after.of.is_none(),
            _ => false,
        };
        let mut lists = Vec::new();
        for seq in self.done_of(is_list) {
            if !self.is_outdated(seq) {
                continue;
            }
            match self.is_as_left(seq).await {
                true => lists.push(seq),
                false => self.odd.push((seq, CHANGED.to_owned())),
            }
        }
        let is_open = |seq: &usize| self.status[*seq] != OperationStatus::Completed;
        if !lists.is_empty() || (0..self.actions.len()).any(|seq| is_open(&seq)) {
            lists.extend(self.done_of(|effect| matches!(effect, Effect::StateRecord { .. })));
        }
        lists.sort_by_key(|seq| std::cmp::Reverse((self.times[*seq], *seq)));
        self.reopen(&lists).await
    }

    /// The playlist XML follows what was written after it.
    pub(super) async fn reopen_xml(&mut self, seq: usize) -> Result<()> {
        let written = |seq: &usize| self.phases.get(*seq) == Some(&Phase::Rekordbox);
        let behind = self.post.get(&seq).is_some_and(|image| image.outdated);
        match behind || self.fresh.iter().any(written) {
            true => self.reopen(&[seq]).await,
            false => Ok(()),
        }
    }

    fn done_of(&self, is_it: impl Fn(&Effect) -> bool) -> Vec<usize> {
        (0..self.actions.len())
            .filter(|seq| self.status[*seq] == OperationStatus::Completed)
            .filter(|seq| is_it(&self.actions[*seq].effect))
            .collect()
    }

    fn is_outdated(&self, seq: usize) -> bool {
        let behind = self.post.get(&seq).is_some_and(|image| image.outdated);
        behind
            || self.late.contains_key(&seq)
            || self.names_old_places(seq)
            || self.awaits_a_track(seq)
    }

    /// Whether something is still to be done, or was done later, about a track that it names.
    fn awaits_a_track(&self, seq: usize) -> bool {
        let playlist = match &self.actions[seq].effect {
            Effect::EntriesSet { after, .. } => &after.playlist,
            Effect::FileLink { after, .. } => &after.playlist,
            _ => return false,
        };
        let Some(planned) = self.plan.body.playlists.get(playlist) else {
            return false;
        };
        (0..self.actions.len()).any(|other| {
            let is_done = self.status[other] == OperationStatus::Completed;
            let before = self.phases[other] <= self.phases[seq];
            let late = !is_done || self.times[other] > self.times[seq];
            let track = self.actions[other].subject.track.as_ref();
            before && late && track.is_some_and(|track| planned.entries.contains(track))
        })
    }

    /// Whether the list is as the earlier pass left it.
    async fn is_as_left(&self, seq: usize) -> bool {
        if let Some(file) = self.post.get(&seq).and_then(PostImage::file) {
            return self.is_there(file).unwrap_or(false);
        }
        let (Some(rekordbox), Some(pre)) = (self.rekordbox.as_ref(), self.pre.get(&seq)) else {
            return false;
        };
        match &pre.intent {
            Intent::Rows(staged) if staged.rows.0.is_empty() => true,
            // What was taken back and set again in between reads as both.
            Intent::Rows(staged) => matches!(rekordbox.probe(&staged.rows).await, Ok(Probe::After)),
            _ => false,
        }
    }

    async fn reopen(&mut self, seqs: &[usize]) -> Result<()> {
        let mut settlements = Vec::new();
        for seq in seqs.iter().copied() {
            let (Some(pre), Some(post)) = (self.pre.get(&seq), self.post.get(&seq)) else {
                continue;
            };
            let Ok(rows) = reversal(&post.rows, &self.state, &BTreeMap::new()) else {
                self.odd.push((seq, CHANGED.to_owned()));
                continue;
            };
            let earlier = Earlier {
                pre: pre.clone(),
                post: post.clone(),
            };
            let pre = PreImage {
                earlier: Some(Box::new(earlier)),
                ..pre.clone()
            };
            settlements.push(Settlement {
                seq: number(seq),
                status: OperationStatus::Pending,
                pre_image: Some(image::to_value(&pre)),
                post_image: None,
                trash_path: trash_path(&post.outcome).map(ToString::to_string),
                error_message: None,
                rows: rows.clone(),
            });
            self.ledger.apply(&mut self.state, &rows);
            self.pre.insert(seq, pre);
            self.status[seq] = OperationStatus::Pending;
        }
        if settlements.is_empty() {
            return Ok(());
        }
        let now = self.now();
        Ok(self.store.settle(self.apply, &settlements, now).await?)
    }

    /// Another pass over a list is not made: the list stays as the earlier one left it.
    pub(super) fn leave_as_is(&mut self, seq: usize, now: Timestamp) -> Settlement {
        let earlier = self.pre.get_mut(&seq).and_then(|pre| pre.earlier.take());
        let (pre, mut post) = match earlier {
            Some(earlier) => (earlier.pre, earlier.post),
            None => (PreImage::of(Intent::State), PostImage::nothing()),
        };
        post.outdated = true;
        post.rows = match self.actions.get(seq) {
            Some(action) => {
                let staged = match &pre.intent {
                    Intent::Rows(staged) => Some(staged),
                    _ => None,
                };
                let done = Done {
                    outcome: &post.outcome,
                    staged,
                    tags: Some(&self.tags),
                    stat: None,
                    now,
                };
                self.ledger.changes(action, done, &self.state)
            }
            None => Vec::new(),
        };
        self.ledger.apply(&mut self.state, &post.rows);
        self.status[seq] = OperationStatus::Completed;
        let settlement = Settlement {
            seq: number(seq),
            status: OperationStatus::Completed,
            pre_image: Some(image::to_value(&pre)),
            post_image: Some(image::to_value(&post)),
            trash_path: trash_path(&post.outcome).map(ToString::to_string),
            error_message: None,
            rows: post.rows.clone(),
        };
        self.pre.insert(seq, pre);
        self.post.insert(seq, post);
        settlement
    }

    /// The same of all lists that are still open when the run ends.
    pub(super) async fn put_back_open(&mut self) -> Result<()> {
        let open = |seq: &usize| {
            let again = self.pre.get(seq).is_some_and(|pre| pre.earlier.is_some());
            again && self.status[*seq] == OperationStatus::Pending
        };
        let open: Vec<usize> = (0..self.status.len()).filter(open).collect();
        if open.is_empty() {
            return Ok(());
        }
        let now = self.now();
        let settlements: Vec<Settlement> = open
            .into_iter()
            .map(|seq| self.leave_as_is(seq, now))
            .collect();
        Ok(self.store.settle(self.apply, &settlements, now).await?)
    }

    /// The pre-image of another pass over what was done already.
    pub(super) fn with_earlier(&self, seq: usize, mut image: PreImage) -> PreImage {
        image.earlier = self.pre.get(&seq).and_then(|pre| pre.earlier.clone());
        image
    }

    /// Whether a playlist file was written when its tracks lay elsewhere.
    pub(super) fn names_old_places(&self, seq: usize) -> bool {
        let (Effect::FileLink { after, .. }, Some(file)) = (
            &self.actions[seq].effect,
            self.post.get(&seq).and_then(PostImage::file),
        ) else {
            return false;
        };
        // A copy or hard link holds a track and names nothing.
        if after.of.is_some() {
            return false;
        }
        ContentHash::of(self.playlist_file(after).as_bytes()) != file.sha256
    }
}

/// Two passes over one operation as one.
pub(super) fn joined(pre: &PreImage, post: PostImage) -> (PreImage, PostImage) {
    let Some(earlier) = &pre.earlier else {
        return (pre.clone(), post);
    };
    let Earlier {
        pre: first,
        post: before,
    } = earlier.as_ref();
    let mut folders = first.folders.clone();
    folders.extend(pre.folders.iter().cloned());
    let intent = match (&first.intent, &pre.intent) {
        (Intent::Rows(first), Intent::Rows(last)) => Intent::Rows(both(first, last)),
        (Intent::Write { replaces, .. }, Intent::Write { path, sha256, .. }) => Intent::Write {
            path: path.clone(),
            sha256: *sha256,
            replaces: replaces.clone(),
        },
        (_, last) => last.clone(),
    };
    let outcome = match (&before.outcome, post.outcome) {
        // The first pass wrote nothing: what stood there is what the last one replaced.
        (Outcome::File(made), Outcome::File(last)) if first.left_in_place(made) => {
            Outcome::File(last)
        }
        // What the first pass wrote lies in the trash; what stood there before it comes back in an undo.
        (Outcome::File(made), Outcome::File(last)) => Outcome::File(Made {
            file: last.file,
            replaced: made.replaced.clone(),
        }),
        (_, last) => last,
    };
    let pre = PreImage {
        folders,
        intent,
        earlier: None,
    };
    let post = PostImage {
        outcome,
        // The earlier ones were taken back when the list was opened again.
        rows: post.rows,
        outdated: false,
    };
    (pre, post)
}

fn both(first: &Staged, last: &Staged) -> Staged {
    let rows: [&RowEdits; 2] = [&first.rows, &last.rows];
    let mut links = first.links.clone();
    links.extend(last.links.iter().cloned());
    Staged {
        rows: compose(rows),
        content: last.content.clone().or_else(|| first.content.clone()),
        node: last.node.clone().or_else(|| first.node.clone()),
        tag: last.tag.clone().or_else(|| first.tag.clone()),
        links,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        edge::rekordbox::RowEdit,
        record::{FileImage, image::Replaced},
    };

    fn row(id: &str, before: Option<i64>, after: Option<i64>) -> RowEdit {
        let image = |value: Option<i64>| {
            let value = json!({ "TrackNo": value? });
            value.as_object().cloned()
        };
        RowEdit {
            table: "djmdSongPlaylist".to_owned(),
            id: id.to_owned(),
            before: image(before),
            after: image(after),
        }
    }

    fn nothing(outcome: Outcome) -> PostImage {
        PostImage {
            outcome,
            rows: Vec::new(),
            outdated: false,
        }
    }

    fn second(first: PreImage, post: PostImage, intent: Intent) -> PreImage {
        PreImage {
            earlier: Some(Box::new(Earlier { pre: first, post })),
            ..PreImage::of(intent)
        }
    }

    #[test]
    fn rows_go_from_the_first_to_the_last() {
        let staged = |rows: Vec<RowEdit>| {
            Intent::Rows(Staged {
                rows: RowEdits(rows),
                ..Staged::default()
            })
        };
        let first = PreImage::of(staged(vec![
            row("a", Some(1), None),
            row("b", None, Some(1)),
        ]));
        let last = staged(vec![row("b", Some(1), Some(2)), row("c", None, Some(1))]);
        let pre = second(first, nothing(Outcome::Rows), last);
        let (pre, _) = joined(&pre, nothing(Outcome::Rows));
        assert_eq!(
            pre,
            PreImage::of(staged(vec![
                row("a", Some(1), None),
                row("b", None, Some(2)),
                row("c", None, Some(1)),
            ]))
        );
    }

    #[test]
    fn a_playlist_file_replaced_what_stood_there_first() {
        let hash = |text: &str| ContentHash::of(text.as_bytes());
        let was = Replaced {
            path: "a.m3u8".into(),
            size: 1,
            mtime: (1, 0),
            sha256: hash("old"),
        };
        let file = |text: &str| FileImage {
            path: "a.m3u8".into(),
            size: 1,
            mtime: (2, 0),
            sha256: hash(text),
        };
        let write = |text: &str, replaces| Intent::Write {
            path: "a.m3u8".into(),
            sha256: hash(text),
            replaces,
        };
        let made = |text: &str, replaced| {
            nothing(Outcome::File(Made {
                file: file(text),
                replaced,
            }))
        };
        let in_trash = || Some((was.clone(), "trash/a.m3u8".into()));
        let first = PreImage::of(write("short", Some(was.clone())));
        let short = Replaced {
            sha256: hash("short"),
            ..was.clone()
        };
        let pre = second(
            first,
            made("short", in_trash()),
            write("whole", Some(short.clone())),
        );
        let post = made("whole", Some((short, "trash/a (2).m3u8".into())));
        let (pre, post) = joined(&pre, post);
        assert_eq!(pre, PreImage::of(write("whole", Some(was.clone()))));
        assert_eq!(post, made("whole", in_trash()));
        // A first pass that found it as it was to be has nothing in the trash; the second has.
        let first = PreImage::of(write("old", Some(was.clone())));
        let pre = second(first, made("old", None), write("whole", Some(was.clone())));
        let (pre, post) = joined(&pre, made("whole", in_trash()));
        assert_eq!(pre, PreImage::of(write("whole", Some(was.clone()))));
        assert_eq!(post, made("whole", in_trash()));
    }
}
