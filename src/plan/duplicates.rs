//! Several rows of Rekordbox for one recording: the one with the most work stands for the others.
//!
//! Rows are one recording when they are one file (the same path, the same inode, the same bytes), when
//! they are the same track of TIDAL, or when they have the same ISRC and the same length. Rows of
//! different TIDAL tracks are never merged: what TIDAL tells apart stays apart. No row is ever deleted;
//! merging means that its places in playlists and its MyTags go to the row that stands for it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::{
        CollectionPlaylist, Content, ContentHash, ContentId, Isrc, NodeKind, PlaylistId, TagName,
        TrackId, collection::merged, state::ObjectKey, text::nfc,
    },
    plan::{
        canonical,
        contents::write_hold,
        document::{
            Action, Class, DecisionKind, DecisionOption, DecisionRequest, Effect, ListAt,
            MergedRows, Mode, NONE_OF_THESE, Precondition, Subject, TagSet,
        },
        draft::{Draft, act},
        drift,
        removals::{probation, work_text},
        tracks::linked_rows,
    },
    policy::Duplicates,
};

/// The rule of every action here.
const RULE: &str = "duplicates";

/// Rows that are one recording, and the one that stands for all.
#[derive(Clone, Debug)]
pub(super) struct Group {
    stays: ContentId,
    others: Vec<ContentId>,
    /// `same file`, `same ISRC and length`
    why: BTreeSet<&'static str>,
}

/// Finds the rows that others stand for, and asks where two have cues.
pub(super) fn find(draft: &mut Draft<'_>) {
    if draft.input.policy.rekordbox.duplicates == Duplicates::Keep {
        return find_former(draft);
    }
    let linked = linked_rows(draft);
    for (members, why) in Rows::new(draft).groups() {
        let members: Vec<ContentId> = members.into_iter().cloned().collect();
        if !is_relevant(draft, &members, &linked) {
            continue;
        }
        let Some(stays) = chosen(draft, &members, &why) else {
            continue;
        };
        let others: Vec<ContentId> = members.into_iter().filter(|id| *id != stays).collect();
        for other in &others {
            draft.stands_for.insert(other.clone(), stays.clone());
            if draft.index.is_same_file(other, &stays) {
                draft.index.stand_in(other, &stays);
            }
        }
        draft.duplicates.push(Group { stays, others, why });
    }
}

/// Where the policy of the last apply merged: the rows that it put into our lists for others are none that
/// the DJ added there.
fn find_former(draft: &mut Draft<'_>) {
    let former = draft.input.conditions.former;
    if former.is_none_or(|former| former.rekordbox.duplicates == Duplicates::Keep) {
        return;
    }
    let linked = linked_rows(draft);
    // Nobody is asked about rows that stay apart.
    let asked = draft.decisions.len();
    for (members, why) in Rows::new(draft).groups() {
        let members: Vec<ContentId> = members.into_iter().cloned().collect();
        if !members.iter().any(|id| linked.contains(id)) {
            continue;
        }
        let stood = chosen(draft, &members, &why);
        draft.decisions.truncate(asked);
        for other in members {
            if let Some(stood) = stood.as_ref().filter(|stood| **stood != other) {
                draft.stood_for.insert(other, stood.clone());
            }
        }
    }
}

impl Draft<'_> {
    /// The row that stands for a row: itself, as a rule.
    pub(super) fn row<'a>(&'a self, content: &'a ContentId) -> &'a ContentId {
        self.stands_for.get(content).unwrap_or(content)
    }
}

/// Whether merging could change anything that the policy lets us change; `linked`: rows that stand for
/// tracks, also those of which this plan finds out.
fn is_relevant(draft: &Draft<'_>, members: &[ContentId], linked: &BTreeSet<ContentId>) -> bool {
    let all = draft.input.policy.rekordbox.duplicates == Duplicates::MergeAll;
    let in_lists = |id: &ContentId| {
        let own = if all { 0 } else { draft.index.own_lists(id) };
        draft.index.lists(id) > own
    };
    members.iter().any(|id| in_lists(id) || linked.contains(id))
}

/// Which row stands for the others; `None`: they stay apart, or a person is asked.
fn chosen(
    draft: &mut Draft<'_>,
    members: &[ContentId],
    why: &BTreeSet<&'static str>,
) -> Option<ContentId> {
    let with_cues: Vec<&ContentId> = members
        .iter()
        .filter(|id| draft.index.content(id).is_some_and(has_cues))
        .collect();
    if with_cues.len() > 1 {
        let key: Vec<&str> = with_cues.iter().map(|id| id.as_str()).collect();
        let key = key.join("+");
        return match draft.input.rows.get(&key) {
            Some(Some(answer)) if with_cues.contains(&answer) => Some(answer.clone()),
            Some(None) => None,
            Some(Some(_)) | None => {
                let request = question(draft, key, &with_cues, why);
                draft.decisions.push(request);
                None
            }
        };
    }
    let state = &draft.input.observation.state;
    let rank = |id: &&ContentId| {
        let content = draft.index.content(id)?;
        let by_hand = draft.index.tags(id);
        let by_hand = by_hand.difference(&draft.index.our_tags(id)).count();
        let ours = state.object(&ObjectKey::Content((*id).clone())).is_some();
        Some((
            has_cues(content),
            content.analysed,
            content.rating,
            content.play_count,
            by_hand,
            !ours,
            std::cmp::Reverse((*id).clone()),
        ))
    };
    let playable = members.iter().filter(|id| is_playable(draft, id));
    playable.max_by_key(rank).cloned()
}

const fn has_cues(content: &Content) -> bool {
    content.hot_cues + content.memory_cues > 0
}

/// Whether its file is there, as far as that can be told. Outside the library it is believed.
fn is_playable(draft: &Draft<'_>, id: &ContentId) -> bool {
    let is_file = draft.index.content(id).is_some_and(|it| !it.is_streaming());
    let at = draft.index.location(id);
    is_file && at.is_none_or(|at| draft.index.file(&at).is_some())
}

fn label(content: &Content) -> String {
    match &content.artist {
        Some(artist) => format!("{artist} – {}", content.title),
        None => content.title.to_string(),
    }
}

fn question(
    draft: &Draft<'_>,
    key: String,
    rows: &[&ContentId],
    why: &BTreeSet<&'static str>,
) -> DecisionRequest {
    let option = |(number, id): (usize, &&ContentId)| {
        let content = draft.index.content(id)?;
        let lists = draft.index.lists(id);
        let plural = if lists == 1 { "" } else { "s" };
        Some(DecisionOption {
            key: (number + 1).to_string(),
            label: format!(
                "{}: {}, in {lists} playlist{plural}",
                content.folder_path,
                work_text(draft.index.risk(id))
            ),
            path: None,
            row: Some((*id).clone()),
            score: None,
            veto: Vec::new(),
            actions: Vec::new(),
        })
    };
    let mut options: Vec<_> = rows.iter().enumerate().filter_map(option).collect();
    options.push(DecisionOption {
        key: NONE_OF_THESE.into(),
        label: "none of these: they stay apart".into(),
        path: None,
        row: None,
        score: None,
        veto: Vec::new(),
        actions: Vec::new(),
    });
    let name = rows.first().and_then(|id| draft.index.content(id));
    let why: Vec<&str> = why.iter().copied().collect();
    DecisionRequest {
        id: canonical::decision_id(None, &format!("{RULE} {key}")),
        kind: DecisionKind::Duplicate,
        question: format!(
            "Which row of Rekordbox stands for “{}”? {} have cues ({})",
            name.map(label).unwrap_or_default(),
            rows.len(),
            why.join(", ")
        ),
        track: None,
        rows: Some(key),
        default: "defer".into(),
        options,
    }
}

/// Plans what the lists of TIDAL's playlists do not show anyway: other lists, and MyTags.
pub(super) fn plan_duplicates(draft: &mut Draft<'_>) {
    if draft.duplicates.is_empty() && draft.stood_for.is_empty()
        || draft.input.scope.is_some()
        || draft.input.mode != Mode::Normal
    {
        return;
    }
    untag_former(draft);
    let nodes = draft.index.collection().map(|it| it.nodes.values());
    for node in nodes.into_iter().flatten() {
        if node.kind == NodeKind::List {
            plan_list(draft, node);
        }
    }
    for group in std::mem::take(&mut draft.duplicates) {
        plan_tags(draft, &group);
    }
}

fn plan_list(draft: &mut Draft<'_>, node: &CollectionPlaylist) {
    let entries: Vec<ContentId> = node.entries.iter().map(|it| it.content.clone()).collect();
    let rows: BTreeMap<ContentId, ContentId> = entries
        .iter()
        .filter_map(|id| Some((id.clone(), draft.stands_for.get(id)?.clone())))
        .collect();
    if rows.is_empty() {
        return;
    }
    let playlist = playlist_of(draft, node);
    let desired = draft.input.desired;
    let settled = playlist.as_ref().is_some_and(|id| {
        // Its entries follow TIDAL's, or the policy leaves it alone.
        desired.playlists.contains_key(id) || desired.unmanaged.contains(id)
    });
    if settled {
        return;
    }
    let all = draft.input.policy.rekordbox.duplicates == Duplicates::MergeAll;
    if playlist.is_none() && !all {
        let count = entries.iter().filter(|id| rows.contains_key(id)).count();
        let plural = if count == 1 { "" } else { "s" };
        let text = format!("{count} track{plural} by another row than our playlists");
        drift::keep(draft, None, &node.name, text, "duplicates = \"merge\"");
        return;
    }
    let after = merged(&entries, &rows);
    let sha256 = canonical::entries_hash(entries.iter().map(ContentId::as_str));
    let evidence: Vec<String> = rows
        .iter()
        .map(|(from, to)| evidence(draft, from, to))
        .collect();
    let effect = Effect::EntriesMerge {
        before: ListAt {
            id: node.id.clone(),
            name: node.name.clone(),
            count: entries.len(),
            sha256,
        },
        after: MergedRows {
            count: after.len(),
            rows,
        },
    };
    let pre = Precondition::Entries {
        id: node.id.clone(),
        count: entries.len(),
        sha256,
    };
    let about = Subject {
        track: None,
        label: node.name.clone(),
    };
    let text = "the row with the most work stands for each recording";
    let mut action = act(Class::Change, effect, about)
        .provided([pre])
        .because(RULE, text);
    action.why.evidence = evidence;
    push(draft, action);
}

/// The playlist of TIDAL behind a list of ours.
fn playlist_of(draft: &Draft<'_>, node: &CollectionPlaylist) -> Option<PlaylistId> {
    let objects = &draft.input.observation.state.objects;
    objects.values().find_map(|row| match &row.key {
        ObjectKey::Playlist(id) if row.id == node.id.as_str() => Some(id.clone()),
        ObjectKey::Playlist(_)
        | ObjectKey::Folder(_)
        | ObjectKey::Smart(_)
        | ObjectKey::Tag(..)
        | ObjectKey::TagLink(..)
        | ObjectKey::Content(_) => None,
    })
}

/// `Artist – Title: row 11 → row 12 (3 hot cues)`
pub(super) fn evidence(draft: &Draft<'_>, from: &ContentId, to: &ContentId) -> String {
    let name = draft.index.content(to).map(label).unwrap_or_default();
    let work = work_text(draft.index.risk(to));
    let work = match work.is_empty() {
        true => String::new(),
        false => format!(" ({work})"),
    };
    format!("{name}: row {from} → row {to}{work}")
}

/// The tags that the DJ set on the others come to the row that stays; ours leave the others.
fn plan_tags(draft: &mut Draft<'_>, group: &Group) {
    let name = draft
        .index
        .content(&group.stays)
        .map(label)
        .unwrap_or_default();
    let why: Vec<&str> = group.why.iter().copied().collect();
    let why = why.join(", ");
    let goes = format!("another row stands for it ({why}); our tags go there");
    let comes = format!("it stands for other rows ({why}) and gets their tags");
    let there = draft.index.tags(&group.stays);
    let mut wanted: BTreeSet<TagName> = BTreeSet::new();
    for other in &group.others {
        let (tags, ours) = (draft.index.tags(other), draft.index.our_tags(other));
        wanted.extend(tags.difference(&ours).cloned());
        let gone: Vec<TagName> = ours.intersection(&tags).cloned().collect();
        set_tags(draft, (other, &name, &goes), gone, Vec::new());
    }
    let come: Vec<TagName> = wanted.difference(&there).cloned().collect();
    set_tags(draft, (&group.stays, &name, &comes), Vec::new(), come);
}

/// Our tags leave the rows that stand for no other any more; what the DJ set stays.
fn untag_former(draft: &mut Draft<'_>) {
    let linked = linked_rows(draft);
    let stood: BTreeSet<ContentId> = draft.stood_for.values().cloned().collect();
    for row in stood.difference(&linked) {
        let tags = draft.index.tags(row);
        let ours = draft.index.our_tags(row);
        let ours = ours.intersection(&tags).cloned();
        let name = draft.index.content(row).map(label).unwrap_or_default();
        let text = "it stands for no other row any more";
        set_tags(draft, (row, &name, text), ours.collect(), Vec::new());
    }
}

fn set_tags(
    draft: &mut Draft<'_>,
    (row, label, text): (&ContentId, &str, &str),
    gone: Vec<TagName>,
    come: Vec<TagName>,
) {
    if gone.is_empty() && come.is_empty() {
        return;
    }
    let set = |tags, djs| TagSet {
        track: None,
        row: Some(row.clone()),
        djs,
        tags,
    };
    let djs = !come.is_empty();
    let effect = Effect::MyTagSet {
        before: set(gone, false),
        after: set(come, djs),
    };
    let about = Subject {
        track: None,
        label: label.to_owned(),
    };
    push(draft, act(Class::Change, effect, about).because(RULE, text));
}

fn push(draft: &mut Draft<'_>, action: Action) {
    if let Some(hold) = probation(draft) {
        draft.hold(&action, hold);
    } else if draft.writes_rekordbox() {
        draft.push(action);
    } else {
        draft.hold(&action, write_hold());
    }
}

/// What makes two rows one recording.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    Path(String),
    Inode(u64, u64),
    Bytes(ContentHash),
    Track(TrackId),
}

impl Same {
    const fn why(&self) -> &'static str {
        match self {
            Self::Path(_) | Self::Inode(..) => "same file",
            Self::Bytes(_) => "same bytes",
            Self::Track(_) => "same track of TIDAL",
        }
    }
}

/// The rows of a collection, put together step by step.
struct Rows<'a> {
    ids: Vec<&'a ContentId>,
    /// Of each row, one that it belongs to; of the first row of a group itself.
    above: Vec<usize>,
    tracks: Vec<Option<TrackId>>,
    why: Vec<BTreeSet<&'static str>>,
    same: BTreeMap<Same, Vec<usize>>,
    isrc: BTreeMap<Isrc, Vec<(u64, usize)>>,
    tolerance_ms: u64,
}

impl<'a> Rows<'a> {
    fn new(draft: &Draft<'a>) -> Self {
        let tolerance = draft.input.policy.matching.duration_tolerance.as_millis();
        let mut rows = Self {
            ids: Vec::new(),
            above: Vec::new(),
            tracks: Vec::new(),
            why: Vec::new(),
            same: BTreeMap::new(),
            isrc: BTreeMap::new(),
            tolerance_ms: u64::try_from(tolerance).unwrap_or(u64::MAX),
        };
        let tracks = tracks_of(draft);
        let contents = draft.index.collection().map(|it| it.contents.iter());
        for (id, content) in contents.into_iter().flatten() {
            // What cannot be played stands for nothing; with cues on it, it is not replaced either.
            if !content.folder_path.is_empty() && (is_playable(draft, id) || !has_cues(content)) {
                rows.add(draft, id, content, tracks.get(id).cloned());
            }
        }
        rows
    }

    fn add(
        &mut self,
        draft: &Draft<'a>,
        id: &'a ContentId,
        content: &'a Content,
        track: Option<TrackId>,
    ) {
        let at = self.ids.len();
        let location = draft.index.location(id);
        let file = location.as_ref().and_then(|path| draft.index.file(path));
        let stat = file.map(|file| file.stat).filter(|stat| stat.inode != 0);
        let streamed = content.folder_path.strip_prefix("tidal:tracks:");
        let track = track.or_else(|| streamed.map(TrackId::new));
        let path = location.map_or_else(|| content.folder_path.clone(), |path| path.to_string());
        let same = [
            (!content.is_streaming()).then(|| Same::Path(nfc(&path))),
            stat.map(|stat| Same::Inode(stat.device, stat.inode)),
            file.and_then(|file| file.hash).map(Same::Bytes),
            track.clone().map(Same::Track),
        ];
        for key in same.into_iter().flatten() {
            self.same.entry(key).or_default().push(at);
        }
        let isrc = content.isrc.clone();
        let isrc = isrc.or_else(|| file.and_then(|file| file.tags.isrc.clone()));
        let length = content.length_s.map(|seconds| u64::from(seconds) * 1000);
        let length = file.and_then(|file| file.duration_ms).or(length);
        if let (Some(isrc), Some(length)) = (isrc, length) {
            self.isrc.entry(isrc).or_default().push((length, at));
        }
        self.ids.push(id);
        self.above.push(at);
        self.tracks.push(track);
        self.why.push(BTreeSet::new());
    }

    /// The groups of more than one row, and why they are one.
    fn groups(mut self) -> Vec<(Vec<&'a ContentId>, BTreeSet<&'static str>)> {
        for (key, rows) in std::mem::take(&mut self.same) {
            for pair in rows.windows(2) {
                self.join(pair[0], pair[1], key.why());
            }
        }
        for (_, mut rows) in std::mem::take(&mut self.isrc) {
            rows.sort_unstable();
            let near =
                |(one, _): &(u64, usize), (two, _): &(u64, usize)| two - one <= self.tolerance_ms;
            let runs: Vec<Vec<usize>> = rows
                .chunk_by(near)
                .map(|run| run.iter().map(|(_, at)| *at).collect())
                .collect();
            for run in runs {
                self.join_by_isrc(&run);
            }
        }
        let mut groups: BTreeMap<usize, Vec<&ContentId>> = BTreeMap::new();
        for at in 0..self.ids.len() {
            groups.entry(self.top(at)).or_default().push(self.ids[at]);
        }
        groups.retain(|_, members| members.len() > 1);
        let mut why = std::mem::take(&mut self.why);
        let why = |top: usize| std::mem::take(&mut why[top]);
        let (tops, members): (Vec<_>, Vec<_>) = groups.into_iter().unzip();
        members.into_iter().zip(tops.into_iter().map(why)).collect()
    }

    /// Where TIDAL has the ISRC more than once, it does not tell which of them a row is.
    fn join_by_isrc(&mut self, run: &[usize]) {
        let tops: Vec<usize> = run.iter().map(|at| self.top(*at)).collect();
        let tracks: BTreeSet<&TrackId> = tops
            .iter()
            .filter_map(|top| self.tracks[*top].as_ref())
            .collect();
        if tracks.len() < 2 {
            for pair in run.windows(2) {
                self.join(pair[0], pair[1], "same ISRC and length");
            }
        }
    }

    fn top(&self, mut at: usize) -> usize {
        while self.above[at] != at {
            at = self.above[at];
        }
        at
    }

    fn join(&mut self, one: usize, two: usize, why: &'static str) {
        let (one, two) = (self.top(one), self.top(two));
        let apart = matches!((&self.tracks[one], &self.tracks[two]), (Some(a), Some(b)) if a != b);
        if one == two || apart {
            return;
        }
        let (top, below) = (one.min(two), one.max(two));
        self.above[below] = top;
        self.tracks[top] = self.tracks[top]
            .take()
            .or_else(|| self.tracks[below].take());
        let more = std::mem::take(&mut self.why[below]);
        self.why[top].extend(more);
        self.why[top].insert(why);
    }
}

/// The TIDAL track of each row, by its link or by its file's.
fn tracks_of(draft: &Draft<'_>) -> BTreeMap<ContentId, TrackId> {
    let state = &draft.input.observation.state;
    let by_file = draft.input.identities.matches.iter();
    let by_file =
        by_file.filter_map(|(track, found)| Some((track, draft.index.content_at(&found.path)?)));
    let by_link = state
        .tracks
        .iter()
        .filter_map(|(track, row)| Some((track, row.content.as_ref()?)));
    by_link
        .chain(by_file)
        .map(|(track, content)| (content.clone(), track.clone()))
        .collect()
}
