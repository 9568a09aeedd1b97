//! What is known of a file or playlist, in the words of the policy.

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::{
    desired::{DesiredState, Protection},
    domain::{AudioFile, ContentId, MediaPath, Provenance, TrackId, state::PlaylistRow},
    observe::Observation,
    plan::{
        draft::{Draft, Hold},
        index::Index,
    },
    policy::{Denied, Facts, Policy, condition::Fact, emoji, protection},
};

/// Where facts come from.
struct Known<'a> {
    observation: &'a Observation,
    index: &'a Index<'a>,
    desired: Option<&'a DesiredState>,
}

/// Tracks that a protection keeps in their playlists, whatever TIDAL says; `former`: the policy of the
/// last apply, whose protections count once more.
#[must_use]
pub fn protected(
    policy: &Policy,
    former: Option<&Policy>,
    observation: &Observation,
) -> BTreeMap<TrackId, Protection> {
    let mut policies = std::iter::once(policy).chain(former);
    if !policies.any(|policy| {
        policy
            .protects
            .iter()
            .any(|protect| protect.deny.contains(&Denied::Remove))
    }) {
        return BTreeMap::new();
    }
    let index = Index::new(observation);
    let known = Known {
        observation,
        index: &index,
        desired: None,
    };
    let tracks = observation.state.tracks.iter();
    let found = tracks.filter_map(|(id, row)| {
        let content = index.content_of(id, row.file.as_ref());
        let facts = known.of_track(Some(id), content);
        let now = protection(policy, &facts, Denied::Remove);
        let protect = now.or_else(|| protection(former?, &facts, Denied::Remove))?;
        let risk = content.and_then(|id| index.risk(id));
        Some((
            id.clone(),
            Protection {
                rule: protect.name.clone(),
                at: protect.at.to_string(),
                text: super::removals::work_text(risk),
                former: now.is_none(),
            },
        ))
    });
    found.collect()
}

/// Facts about a file, the track that it is and the Rekordbox row that points at it.
pub(super) fn of_file(draft: &Draft<'_>, file: &AudioFile, track: Option<&TrackId>) -> Facts {
    let content = draft.index.content_at(&file.path);
    let mut facts = draft.known().of_track(track, content);
    let state = &draft.input.observation.state;
    let provenance = match state.provenance(&file.path) {
        Provenance::Tidal => "tidal",
        Provenance::Adopted => "adopted",
        Provenance::Foreign => "foreign",
    };
    facts.insert("file.provenance", Fact::Text(provenance.to_owned()));
    facts.insert("file.orphan", Fact::Flag(false));
    facts.insert("file.duplicate", Fact::Flag(false));
    facts.insert("file.age", Fact::Age(age(draft.input.as_of, file)));
    facts.insert("file.path", Fact::Text(file.path.to_string()));
    facts.insert(
        "file.format",
        Fact::Text(format!("{:?}", file.format).to_lowercase()),
    );
    facts.insert("file.lossless", Fact::Flag(file.format.is_lossless()));
    facts.insert("file.size", number(file.stat.size));
    if let Some(kbps) = file.bitrate_kbps {
        facts.insert("file.bitrate", number(u64::from(kbps)));
    }
    facts
}

/// Facts about a track whose file is not in the library.
pub(super) fn of_track(draft: &Draft<'_>, track: &TrackId, path: Option<&MediaPath>) -> Facts {
    let content = draft.index.content_of(track, path);
    draft.known().of_track(Some(track), content)
}

/// Facts about a playlist that is gone from TIDAL.
pub(super) fn of_removed_playlist(row: &PlaylistRow) -> Facts {
    Facts::from([
        ("playlist.name", Fact::Text(row.name.clone())),
        ("playlist.id", Fact::Text(row.id.to_string())),
        ("playlist.emoji", Fact::Texts(emoji::emoji_of(&row.name))),
        ("playlist.removed", Fact::Flag(true)),
    ])
}

/// The protection that denies this of a track, as what holds the action back.
pub(super) fn denial(
    draft: &Draft<'_>,
    track: &TrackId,
    content: Option<&ContentId>,
    file: Option<&AudioFile>,
    denied: Denied,
) -> Option<Hold> {
    let former = draft.input.conditions.former;
    let protects = |policy: &Policy| !policy.protects.is_empty();
    if !protects(draft.input.policy) && !former.is_some_and(protects) {
        return None;
    }
    let facts = match file {
        Some(file) => of_file(draft, file, Some(track)),
        None => draft.known().of_track(Some(track), content),
    };
    let Some(protect) = protection(draft.input.policy, &facts, denied) else {
        return former_denial(draft, &facts, denied);
    };
    let risk = content.and_then(|id| draft.index.risk(id));
    Some(Hold {
        gate: "protect",
        rule: protect.name.clone(),
        at: protect.at.to_string(),
        text: super::removals::work_text(risk),
    })
}

/// TC302: the protection of the last apply that denied this, and that the policy no longer has.
pub(super) fn former_denial(draft: &Draft<'_>, facts: &Facts, denied: Denied) -> Option<Hold> {
    let protect = protection(draft.input.conditions.former?, facts, denied)?;
    Some(former_hold(&protect.name))
}

/// What holds back what a protection held until the last apply.
pub(super) fn former_hold(protect: &str) -> Hold {
    Hold {
        gate: "TC302",
        rule: protect.to_owned(),
        at: String::new(),
        text:
            "its protection was taken out since the last apply; that takes effect one apply later"
                .into(),
    }
}

fn number(n: u64) -> Fact {
    Fact::Number(i64::try_from(n).unwrap_or(i64::MAX))
}

/// Seconds from the file's modification to the plan's date.
fn age(as_of: Date, file: &AudioFile) -> u64 {
    let day = as_of.to_zoned(jiff::tz::TimeZone::UTC);
    let as_of = day.map_or(0, |day| day.timestamp().as_second());
    u64::try_from(as_of - file.stat.mtime.0).unwrap_or(0)
}

impl Draft<'_> {
    fn known(&self) -> Known<'_> {
        Known {
            observation: self.input.observation,
            index: &self.index,
            desired: Some(self.input.desired),
        }
    }
}

impl Known<'_> {
    /// Facts about a track and its Rekordbox row.
    fn of_track(&self, track: Option<&TrackId>, content: Option<&ContentId>) -> Facts {
        let mut facts = Facts::new();
        self.add_content(&mut facts, content);
        self.add_track(&mut facts, track);
        facts
    }

    fn add_content(&self, facts: &mut Facts, content: Option<&ContentId>) {
        let risk = content.and_then(|id| self.index.risk(id));
        facts.insert("rekordbox.in_collection", Fact::Flag(risk.is_some()));
        let risk = risk.unwrap_or_default();
        facts.insert(
            "rekordbox.cues",
            number(u64::from(risk.hot_cues + risk.memory_cues)),
        );
        facts.insert("rekordbox.hot_cues", number(u64::from(risk.hot_cues)));
        facts.insert("rekordbox.memory_cues", number(u64::from(risk.memory_cues)));
        facts.insert("rekordbox.plays", number(u64::from(risk.plays)));
        facts.insert("rekordbox.rating", number(u64::from(risk.rating)));
        let lists = content.map_or(0, |id| self.index.own_lists(id));
        facts.insert("rekordbox.own_playlists", number(lists as u64));
        let tags = content.map(|id| self.index.tags(id)).unwrap_or_default();
        let tags = tags
            .into_iter()
            .map(|tag| format!("{}: {}", tag.group, tag.tag))
            .collect();
        facts.insert("rekordbox.mytags", Fact::Texts(tags));
    }

    fn add_track(&self, facts: &mut Facts, id: Option<&TrackId>) {
        let Some(id) = id else { return };
        let wanted = self.desired.and_then(|desired| desired.tracks.get(id));
        let known = self.observation.state.tracks.get(id);
        let known = known.map(|row| &*row.track);
        facts.insert("track.tidal_id", Fact::Text(id.to_string()));
        if self.desired.is_some() {
            let available = wanted.is_some_and(|want| want.available);
            facts.insert("tidal.available", Fact::Flag(available));
        }
        let Some(track) = wanted.map(|want| &*want.track).or(known) else {
            return;
        };
        facts.insert("track.title", Fact::Text(track.full_title()));
        facts.insert("track.artist", Fact::Text(track.artist()));
        if let Some(album) = &track.album {
            facts.insert("track.album", Fact::Text(album.clone()));
        }
        if let Some(isrc) = &track.isrc {
            facts.insert("track.isrc", Fact::Text(isrc.to_string()));
        }
        if let Some(year) = track.year() {
            facts.insert("track.year", number(u64::from(year)));
        }
        facts.insert("tidal.quality", Fact::Texts(track.media_tags.clone()));
    }
}
