//! Which actions of a plan are carried out: by playlist, by kind, by name. What a person leaves out
//! stands in the plan's `review`, and takes along what cannot be done without it.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use crate::{
    apply::chosen,
    domain::{ActionId, Class, PlaylistId, TrackId},
    plan::document::{Action, Body, Effect, Plan, Review},
    policy::glob,
};

use super::{
    error::CliError,
    select::PlaylistSelector,
    view::{attributes, text::count},
};

/// A class of actions, or a pattern over kinds: `additive`, `file.*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Only {
    Class(Class),
    Trash,
    Kind(String),
}

impl Only {
    /// The words for classes.
    const WORDS: [(&'static str, Self); 7] = [
        ("additive", Self::Class(Class::Additive)),
        ("move", Self::Class(Class::Move)),
        ("change", Self::Class(Class::Change)),
        ("remove", Self::Class(Class::Remove)),
        ("destructive", Self::Class(Class::Destructive)),
        ("tidal", Self::Class(Class::Tidal)),
        ("trash", Self::Trash),
    ];

    fn fits(&self, action: &Action) -> bool {
        match self {
            Self::Class(class) => action.class == *class,
            Self::Trash => matches!(action.effect, Effect::FileTrash { .. }),
            Self::Kind(pattern) => glob::matches(pattern, action.effect.kind()),
        }
    }
}

impl FromStr for Only {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let word = text.trim();
        if let Some((_, only)) = Self::WORDS.into_iter().find(|(name, _)| *name == word) {
            return Ok(only);
        }
        let is_kind = word.contains('.') && glob::check(word).is_ok();
        if is_kind {
            return Ok(Self::Kind(word.to_owned()));
        }
        let words = Self::WORDS.map(|(name, _)| name).join(", ");
        Err(format!(
            "{word:?} is no class of actions; there are {words}, and kinds such as file.fetch or rb.*"
        ))
    }
}

/// What is to be carried out.
#[derive(Clone, Debug, Default)]
pub struct Wish<'a> {
    /// Only what belongs to these playlists, and what that needs; empty: all.
    pub playlists: &'a [PlaylistSelector],
    /// Only these classes and kinds; empty: all.
    pub only: &'a [Only],
    /// Not these: the beginning of an id, a kind, a pattern over names and paths.
    pub exclude: &'a [String],
}

/// Writes into the plan's review what the wish leaves out.
///
/// # Errors
/// When it names a playlist, action or pattern that the plan has not.
pub fn narrow(plan: &mut Plan, wish: &Wish<'_>) -> Result<(), CliError> {
    let mut out: BTreeSet<ActionId> = BTreeSet::new();
    for pattern in wish.exclude {
        out.extend(named(plan, pattern)?);
    }
    if !wish.only.is_empty() {
        let others = actions(plan).filter(|action| !wish.only.iter().any(|only| only.fits(action)));
        out.extend(others.map(|action| action.id.clone()));
    }
    if !wish.playlists.is_empty() {
        let kept = of_playlists(plan, wish.playlists)?;
        let others = actions(plan).filter(|action| !kept.contains(&action.id));
        out.extend(others.map(|action| action.id.clone()));
    }
    if !out.is_empty() {
        let review = review_of(plan);
        let mut all: BTreeSet<ActionId> = review.exclude.drain(..).collect();
        all.append(&mut out);
        review.exclude = all.into_iter().collect();
    }
    Ok(())
}

/// The plan's review, made where there is none.
pub fn review_of(plan: &mut Plan) -> &mut Review {
    let digest = plan.digest.clone();
    plan.review.get_or_insert_with(|| Review {
        for_digest: digest,
        ..Review::default()
    })
}

/// The actions of the plan and of the answers in its review.
fn actions(plan: &Plan) -> impl Iterator<Item = &Action> {
    let review = plan.review.as_ref();
    let answered = plan.body.decisions.iter().flat_map(move |asked| {
        let key = review.and_then(|review| review.decisions.get(&asked.id));
        let options = asked.options.iter();
        options.filter(move |option| key.is_some_and(|key| option.key == *key))
    });
    plan.body
        .actions
        .iter()
        .chain(answered.flat_map(|option| &option.actions))
}

fn named(plan: &Plan, pattern: &str) -> Result<Vec<ActionId>, CliError> {
    let ids: Vec<ActionId> = actions(plan).map(|action| action.id.clone()).collect();
    let starts: Vec<&ActionId> = ids
        .iter()
        .filter(|id| id.as_str().starts_with(pattern))
        .collect();
    match starts.as_slice() {
        [id] => return Ok(vec![(*id).clone()]),
        [] => {}
        several if pattern.starts_with("a_") => {
            return Err(CliError::user(format!(
                "`--exclude {pattern}` begins the ids of {} actions",
                several.len()
            ))
            .hint("give more of the id"));
        }
        _ => {}
    }
    glob::check(pattern)
        .map_err(|error| CliError::user(format!("`--exclude {pattern}`: {error}")))?;
    let found: Vec<ActionId> = actions(plan)
        .filter(|action| fits(action, &plan.body, pattern))
        .map(|action| action.id.clone())
        .collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(CliError::user(format!("`--exclude {pattern}` fits no action of the plan"))
            .hint("it takes the beginning of an id (`show plan.json -v`), a kind such as file.trash, or a pattern over names and paths such as \"*Live*\"")),
    }
}

fn fits(action: &Action, body: &Body, pattern: &str) -> bool {
    if glob::matches(pattern, action.effect.kind()) || glob::matches(pattern, &action.subject.label)
    {
        return true;
    }
    let attributes = attributes::of(&action.effect, body);
    let texts = attributes
        .iter()
        .flat_map(|it| it.old.iter().chain(&it.new));
    texts.into_iter().any(|text| glob::matches(pattern, text))
}

/// The actions of these playlists, and all that they depend on.
fn of_playlists(
    plan: &Plan,
    selectors: &[PlaylistSelector],
) -> Result<BTreeSet<ActionId>, CliError> {
    let body = &plan.body;
    let mut lists: BTreeSet<&PlaylistId> = BTreeSet::new();
    for selector in selectors {
        let known = body
            .playlists
            .iter()
            .map(|(id, list)| (id, list.name.as_str()));
        lists.insert(selector.find(known)?);
    }
    let by_action = actions(plan)
        .filter(|action| {
            action
                .playlist
                .as_ref()
                .is_some_and(|id| lists.contains(id))
        })
        .map(|action| action.id.clone());
    let changes = body
        .changes
        .iter()
        .filter(|change| lists.contains(&change.playlist));
    let by_change = changes.flat_map(|change| change.actions.iter().cloned());
    // A shared track belongs to the list that is its home, and the others need it as much.
    let entries = lists
        .iter()
        .filter_map(|id| body.playlists.get(*id))
        .flat_map(|list| &list.entries);
    let entries: BTreeSet<&TrackId> = entries.collect();
    let by_track = actions(plan)
        .filter(|action| brings(action))
        .filter(|action| {
            let track = action.subject.track.as_ref();
            track.is_some_and(|track| entries.contains(track))
        })
        .map(|action| action.id.clone());
    let wanted: BTreeSet<ActionId> = by_action.chain(by_change).chain(by_track).collect();
    Ok(with_needs(plan, wanted))
}

/// Whether it only makes a track be there, wherever it is listed.
fn brings(action: &Action) -> bool {
    let kind = matches!(
        action.effect,
        Effect::FileFetch { .. }
            | Effect::FileConvert { .. }
            | Effect::StateAdopt { .. }
            | Effect::ContentAdd { .. }
            | Effect::MyTagSet { .. }
    );
    kind && action.class == Class::Additive
}

/// These actions, and all that they depend on.
#[must_use]
pub fn with_needs(plan: &Plan, mut wanted: BTreeSet<ActionId>) -> BTreeSet<ActionId> {
    let by_id: BTreeMap<&ActionId, &Action> =
        actions(plan).map(|action| (&action.id, action)).collect();
    let mut open: Vec<ActionId> = wanted.iter().cloned().collect();
    while let Some(id) = open.pop() {
        for need in by_id
            .get(&id)
            .into_iter()
            .flat_map(|action| &action.depends_on)
        {
            if wanted.insert(need.clone()) {
                open.push(need.clone());
            }
        }
    }
    wanted
}

/// What is left out of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct LeftOut {
    /// By name.
    pub named: BTreeSet<ActionId>,
    /// Because it cannot be done without those.
    pub following: BTreeSet<ActionId>,
}

impl LeftOut {
    /// Of this plan and its review.
    ///
    /// # Errors
    /// When the review is not for the plan.
    pub fn of(plan: &Plan) -> Result<Self, CliError> {
        let done: BTreeSet<&ActionId> =
            chosen(plan)?.into_iter().map(|action| &action.id).collect();
        let excluded = plan.review.iter().flat_map(|review| &review.exclude);
        let named: BTreeSet<ActionId> = excluded.cloned().collect();
        let following = actions(plan).map(|action| &action.id);
        let following = following.filter(|id| !done.contains(id) && !named.contains(*id));
        Ok(Self {
            following: following.cloned().collect(),
            named,
        })
    }

    /// `5 actions are left out: 3 by name, 2 that cannot be done without them.`
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let (named, following) = (self.named.len(), self.following.len());
        let all = count(named + following, "action is", "actions are");
        match (named, following) {
            (0, 0) => None,
            (_, 0) => Some(format!("{all} left out.")),
            _ => Some(format!(
                "{all} left out: {named} by choice, {following} that cannot be done without."
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::sample;

    fn left(wish: &Wish<'_>) -> Vec<&'static str> {
        let mut plan = sample::everyday();
        narrow(&mut plan, wish).unwrap();
        let done = chosen(&plan).unwrap();
        done.iter().map(|action| action.effect.kind()).collect()
    }

    #[test]
    fn classes_and_kinds_choose() {
        let only = |words: &[&str]| {
            let only: Vec<Only> = words.iter().map(|word| word.parse().unwrap()).collect();
            left(&Wish {
                only: &only,
                ..Wish::default()
            })
        };
        assert_eq!(
            only(&["additive"]),
            ["file.fetch", "rb.content.add", "state.adopt"]
        );
        assert_eq!(
            only(&["move", "trash"]),
            ["file.place", "rb.content.relocate", "file.trash"]
        );
        assert_eq!(
            only(&["file.*"]),
            ["file.fetch", "file.place", "file.trash"]
        );
        assert!("everything".parse::<Only>().is_err());
    }

    #[test]
    fn ids_kinds_names_and_paths_leave_out() {
        let without = |pattern: &str| {
            let exclude = [pattern.to_owned()];
            let kept = left(&Wish {
                exclude: &exclude,
                ..Wish::default()
            });
            7 - kept.len()
        };
        assert_eq!(without("a_0000000000000007"), 1);
        assert_eq!(without("file.trash"), 1);
        assert_eq!(without("rb.*"), 3);
        assert_eq!(without("*Ragysh*"), 2);
        assert_eq!(without("Playlists/Old/*"), 1);
        let mut plan = sample::everyday();
        for bad in ["a_", "nothing like it", "[", "file.nothing"] {
            let exclude = [bad.to_owned()];
            let wish = Wish {
                exclude: &exclude,
                ..Wish::default()
            };
            assert!(narrow(&mut plan, &wish).is_err(), "{bad}");
        }
        assert_eq!(plan.review, None);
    }

    #[test]
    fn a_playlist_brings_what_it_needs_and_nothing_else() {
        let list = ["party mix 🎉".parse().unwrap()];
        let wish = Wish {
            playlists: &list,
            ..Wish::default()
        };
        assert_eq!(left(&wish), ["rb.content.update"]);
        let mut plan = sample::everyday();
        plan.body.actions[5].depends_on = vec![plan.body.actions[2].id.clone()];
        narrow(&mut plan, &wish).unwrap();
        assert_eq!(chosen(&plan).unwrap().len(), 2);
    }

    #[test]
    fn what_depends_on_it_follows() {
        let mut plan = sample::everyday();
        let fetch = plan.body.actions[0].id.clone();
        plan.body.actions[1].depends_on = vec![fetch.clone()];
        let exclude = [fetch.to_string()];
        let wish = Wish {
            exclude: &exclude,
            ..Wish::default()
        };
        narrow(&mut plan, &wish).unwrap();
        let left = LeftOut::of(&plan).unwrap();
        assert_eq!((left.named.len(), left.following.len()), (1, 1));
        assert_eq!(
            left.told().unwrap(),
            "2 actions are left out: 1 by choice, 1 that cannot be done without."
        );
    }
}
