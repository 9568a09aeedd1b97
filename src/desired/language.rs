//! The emoji language: from a playlist's name to MyTags, folder and display name.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    domain::TagName,
    policy::{MyTagLanguage, SmartTemplate, emoji, template::Template},
};

/// What a playlist's name says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spoken {
    /// The display name in Rekordbox.
    pub display: String,
    /// The Rekordbox folders from the top, below `[rekordbox] folder`.
    pub folder: Vec<String>,
    /// The MyTags of its tracks: those that the name gives in the order of the name, then defaults.
    pub tags: Vec<TagName>,
    /// What is known of it when it is an event.
    pub event: Option<Event>,
}

/// A playlist that stands for an event: a party, a radio show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its own tag, which its tracks carry instead of the bare tag of the group.
    pub tag: TagName,
    /// From the name.
    pub year: Option<u16>,
    /// Whether Rekordbox gets a smart playlist over the tag instead of a list.
    pub smart_playlist: bool,
}

/// A smart playlist over MyTags.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SmartList {
    /// The Rekordbox folders from the top, below `[rekordbox] folder`.
    pub folder: Vec<String>,
    /// Display name.
    pub name: String,
    /// The tags that a track must have, all of them.
    pub tags: Vec<TagName>,
}

/// Reads a playlist's name. Mapped emoji become tags and leave the name; others stay. Without a
/// language the name is the display name, and there are no tags and no folder.
#[must_use]
pub fn speak(language: &MyTagLanguage, raw_name: &str) -> Spoken {
    let heard = Heard::listen(language, raw_name);
    let event = heard.event();
    let (folders, tags) = match &event {
        Some((event, folder)) => (folder.as_str(), heard.tags_of_event(event)),
        None => (language.folders.as_str(), heard.tags()),
    };
    Spoken {
        display: heard.display(),
        folder: heard.folder(folders),
        tags,
        event: event.map(|(event, _)| event),
    }
}

/// The folders of an archived playlist, below `[rekordbox] folder`, from a template such as
/// `Archive/{year}`.
#[must_use]
pub fn archive_folder(language: &MyTagLanguage, template: &str, raw_name: &str) -> Vec<String> {
    Heard::listen(language, raw_name).folder(template)
}

/// The MyTags of a track, given the union of what its managed playlists say: that union, and the
/// policy's `none` tags of groups that it has no tag of.
#[must_use]
pub fn track_tags(language: &MyTagLanguage, union: &BTreeSet<TagName>) -> BTreeSet<TagName> {
    let missing = language
        .none
        .iter()
        .filter(|(group, _)| !union.iter().any(|tag| &tag.group == group))
        .map(|(group, tag)| tag_name(group, tag));
    union.iter().cloned().chain(missing).collect()
}

/// The smart playlists that the policy asks for: one for each combination of tags of the groups that
/// `by` and the folder name, as far as some set in `used` (the tags of a track or a playlist) has it.
#[must_use]
pub fn smart_lists<'a>(
    language: &MyTagLanguage,
    used: impl IntoIterator<Item = &'a BTreeSet<TagName>>,
) -> Vec<SmartList> {
    let used: BTreeSet<&BTreeSet<TagName>> = used.into_iter().collect();
    let lists: BTreeSet<SmartList> = language
        .smart
        .iter()
        .flat_map(|smart| used.iter().flat_map(|tags| combine(language, smart, tags)))
        .collect();
    lists.into_iter().collect()
}

/// A name taken apart.
struct Heard<'a> {
    language: &'a MyTagLanguage,
    raw: &'a str,
    /// Without mapped emoji.
    name: String,
    /// The mapped tags in the order of the name, each once.
    named: Vec<TagName>,
    fields: Vec<String>,
}

impl<'a> Heard<'a> {
    fn listen(language: &'a MyTagLanguage, raw: &'a str) -> Self {
        let mut named = Vec::new();
        let mut name = String::with_capacity(raw.len());
        for cluster in emoji::clusters(raw) {
            let tags = mapped(language, cluster);
            if tags.is_empty() {
                name.push_str(cluster);
            } else {
                name.push(' ');
            }
            for tag in tags {
                if !named.contains(&tag) {
                    named.push(tag);
                }
            }
        }
        Self {
            language,
            raw,
            name: joined(name.split_whitespace()),
            named,
            fields: language.fields(),
        }
    }

    /// The first tag of the group in the name.
    fn named(&self, group: &str) -> Option<&str> {
        let tag = self.named.iter().find(|tag| tag.group == group)?;
        Some(&tag.tag)
    }

    /// The tag of the group where the name has none.
    fn default(&self, group: &str) -> Option<&'a str> {
        let (_, tag) = self.language.default.iter().find(|(of, _)| of == group)?;
        Some(tag)
    }

    /// What the name gives, then the defaults of groups that it leaves out.
    fn tags(&self) -> Vec<TagName> {
        let default = self.language.default.iter();
        let missing = default.filter(|(group, _)| self.named(group).is_none());
        let missing = missing.map(|(group, tag)| tag_name(group, tag));
        self.named.iter().cloned().chain(missing).collect()
    }

    /// One tag stands for the event, in place of the bare tags of its group.
    fn tags_of_event(&self, event: &Event) -> Vec<TagName> {
        let mut tags = self.tags();
        let at = tags.iter().position(|tag| tag.group == event.tag.group);
        tags.retain(|tag| tag.group != event.tag.group);
        tags.insert(at.unwrap_or(tags.len()).min(tags.len()), event.tag.clone());
        tags
    }

    /// The event that the name stands for, and the template of its folder.
    fn event(&self) -> Option<(Event, String)> {
        let events = self.language.events.as_ref()?;
        let bare = self.named(&events.group)?;
        let tag = self.render(&events.tag, |group| self.named(group).map(str::to_owned));
        let tag = if tag.is_empty() { bare } else { &tag };
        let event = Event {
            tag: tag_name(&events.group, tag),
            year: year(&self.name),
            smart_playlist: events.smart_playlist,
        };
        Some((event, events.folder.clone()))
    }

    /// The display name. A group's default tag is not spelled out: it would stand behind every name.
    fn display(&self) -> String {
        if self.language.name.is_empty() {
            return self.raw.to_owned();
        }
        let shown = self.render(&self.language.name, |group| {
            let tag = self.named(group)?;
            (self.default(group) != Some(tag)).then(|| tag.to_owned())
        });
        if shown.is_empty() || self.name.is_empty() && self.language.name != "{raw}" {
            return self.raw.to_owned();
        }
        shown
    }

    /// The parts of a folder; those that stay empty are left out.
    fn folder(&self, template: &str) -> Vec<String> {
        let tag = |group: &str| self.named(group).or_else(|| self.default(group));
        template
            .split('/')
            .map(|part| self.render(part, |group| tag(group).map(str::to_owned)))
            .filter(|part| !part.is_empty())
            .collect()
    }

    fn render(&self, template: &str, tag: impl Fn(&str) -> Option<String>) -> String {
        let Ok(template) = Template::parse(template, &self.fields) else {
            return String::new();
        };
        let text = template.render(|field| match field {
            "name" => Some(self.name.clone()),
            "raw" => Some(self.raw.to_owned()),
            "year" => year(&self.name).map(|year| year.to_string()),
            field => group_or_category(self.language, &template, field, &tag),
        });
        match template.fields().any(|field| field == "raw") {
            true => text,
            false => joined(text.split_whitespace()),
        }
    }
}

/// The value of `{Genre}` or `{Genre.category}`. A tag that is in no category is its own, unless the
/// template says what to take instead.
fn group_or_category(
    language: &MyTagLanguage,
    template: &Template,
    field: &str,
    tag: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let Some(group) = field.strip_suffix(".category") else {
        return tag(field);
    };
    let tag = tag(group)?;
    let category = language
        .categories
        .iter()
        .find(|(_, tags)| tags.contains(&tag))
        .map(|(category, _)| category.clone());
    match category {
        None if template.has_fallback(field) => None,
        None => Some(tag),
        category => category,
    }
}

/// The tags that an emoji stands for: by itself, or else whatever its skin tone.
fn mapped(language: &MyTagLanguage, cluster: &str) -> Vec<TagName> {
    let of = |wanted: &str| -> Vec<TagName> {
        language
            .emoji
            .iter()
            .filter(|(emoji, ..)| emoji == wanted)
            .map(|(_, group, tag)| tag_name(group, tag))
            .collect()
    };
    let exact = of(&emoji::plain(cluster));
    match exact.is_empty() {
        true => of(&emoji::without_tone(cluster)),
        false => exact,
    }
}

/// The smart playlists of one template that one set of tags makes.
fn combine(
    language: &MyTagLanguage,
    smart: &SmartTemplate,
    tags: &BTreeSet<TagName>,
) -> Vec<SmartList> {
    let fields = language.fields();
    let parts: Vec<Template> = smart
        .folder
        .split('/')
        .filter_map(|part| Template::parse(part, &fields).ok())
        .collect();
    let mut groups: Vec<&str> = smart.by.iter().map(String::as_str).collect();
    for field in parts.iter().flat_map(Template::fields) {
        let group = field.strip_suffix(".category").unwrap_or(field);
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    choices(&groups, tags)
        .into_iter()
        .map(|chosen| {
            let tag = |group: &str| chosen.get(group).map(|tag| (*tag).to_owned());
            let folder = parts
                .iter()
                .map(|part| part.render(|field| group_or_category(language, part, field, tag)))
                .filter(|part| !part.is_empty())
                .collect();
            SmartList {
                folder,
                name: joined(
                    smart
                        .by
                        .iter()
                        .filter_map(|group| chosen.get(group.as_str()).copied()),
                ),
                tags: groups
                    .iter()
                    .filter_map(|&group| Some(tag_name(group, chosen.get(group)?)))
                    .collect(),
            }
        })
        .collect()
}

/// Every way to take one tag of each group; none where a group has no tag.
fn choices<'a>(groups: &[&'a str], tags: &'a BTreeSet<TagName>) -> Vec<BTreeMap<&'a str, &'a str>> {
    let mut chosen = vec![BTreeMap::new()];
    for &group in groups {
        let of_group: Vec<&TagName> = tags.iter().filter(|tag| tag.group == group).collect();
        chosen = chosen
            .iter()
            .flat_map(|so_far| {
                of_group.iter().map(move |tag| {
                    let mut more = so_far.clone();
                    more.insert(group, tag.tag.as_str());
                    more
                })
            })
            .collect();
    }
    chosen
}

/// The first 19xx or 20xx in the name, else the year of a leading `YY-MM-DD`.
fn year(name: &str) -> Option<u16> {
    let mut numbers = name.split(|c: char| !c.is_ascii_digit()).filter(|number| {
        number.len() == 4 && (number.starts_with("19") || number.starts_with("20"))
    });
    if let Some(year) = numbers.next() {
        return year.parse().ok();
    }
    let mut parts = name.splitn(3, '-');
    let mut two = || {
        let part = parts.next()?;
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        (digits.len() == 2).then_some((digits.parse::<u16>().ok()?, part.len() == 2))
    };
    let ((year, true), (month, true), (day, _)) = (two()?, two()?, two()?) else {
        return None;
    };
    ((1..=12).contains(&month) && (1..=31).contains(&day)).then_some(2000 + year)
}

fn tag_name(group: &str, tag: &str) -> TagName {
    TagName {
        group: group.to_owned(),
        tag: tag.to_owned(),
    }
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::EventLanguage;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let own = |&(a, b): &(&str, &str)| (a.to_owned(), b.to_owned());
        pairs.iter().map(own).collect()
    }

    fn language() -> MyTagLanguage {
        let emoji = [
            ("🏃", "Genre", "House Progressive"),
            ("🇮🇹", "Genre", "House Italo"),
            ("🌃", "Genre", "House Deep"),
            ("🏢", "Genre", "Techno"),
            ("⬆", "Energy", "High"),
            ("↘", "Energy", "Low"),
            ("💾", "Status", "Archived"),
            ("👵🏻", "Status", "Old"),
            ("🎉", "Party", "Partys"),
            ("🎙", "Party", "Radio Moafunk"),
        ];
        MyTagLanguage {
            emoji: emoji
                .iter()
                .map(|(e, g, t)| ((*e).to_owned(), (*g).to_owned(), (*t).to_owned()))
                .collect(),
            default: pairs(&[("Status", "Archived")]),
            none: pairs(&[("Genre", "NoGenre")]),
            folders: "{Genre.category}/{Status}".to_owned(),
            name: "{name} {Energy} {Status}".to_owned(),
            events: Some(EventLanguage {
                group: "Party".to_owned(),
                folder: "Events/{Party}/{year|Misc}".to_owned(),
                tag: "{Party}: {name}".to_owned(),
                smart_playlist: true,
            }),
            smart: vec![
                SmartTemplate {
                    folder: "{Genre.category}/{Status}".to_owned(),
                    by: vec!["Genre".to_owned(), "Energy".to_owned()],
                },
                SmartTemplate {
                    folder: "{Genre.category}/{Status}".to_owned(),
                    by: vec!["Genre".to_owned()],
                },
            ],
            categories: vec![
                ("Deep House".to_owned(), vec!["House Deep".to_owned()]),
                (
                    "House".to_owned(),
                    vec!["House Italo".to_owned(), "House Progressive".to_owned()],
                ),
            ],
        }
    }

    fn tags(spoken: &Spoken) -> Vec<String> {
        let show = |tag: &TagName| format!("{}: {}", tag.group, tag.tag);
        spoken.tags.iter().map(show).collect()
    }

    #[test]
    fn without_a_language_the_name_is_the_name() {
        let spoken = speak(&MyTagLanguage::default(), "  House 🇮🇹  R ⬆️");
        assert_eq!(spoken.display, "  House 🇮🇹  R ⬆️");
        assert_eq!(
            (spoken.folder, spoken.tags, spoken.event),
            (vec![], vec![], None)
        );
    }

    #[test]
    fn a_name_becomes_tags_folder_and_display_name() {
        let spoken = speak(&language(), "House Italo R 🇮🇹⬆️👵🏻");
        assert_eq!(spoken.display, "House Italo R High Old");
        assert_eq!(spoken.folder, ["House", "Old"]);
        assert_eq!(
            tags(&spoken),
            ["Genre: House Italo", "Energy: High", "Status: Old"]
        );
    }

    #[test]
    fn the_default_status_counts_but_is_not_spelled_out() {
        for name in ["House Italo R 🇮🇹", "🇮🇹 House Italo R 💾"] {
            let spoken = speak(&language(), name);
            assert_eq!(spoken.display, "House Italo R");
            assert_eq!(spoken.folder, ["House", "Archived"]);
            assert_eq!(tags(&spoken), ["Genre: House Italo", "Status: Archived"]);
        }
    }

    #[test]
    fn of_several_tags_the_first_counts_and_all_are_set() {
        let spoken = speak(&language(), "🌃 Night 🏃 Mix 🌃");
        assert_eq!(spoken.display, "Night Mix");
        assert_eq!(spoken.folder, ["Deep House", "Archived"]);
        assert_eq!(
            tags(&spoken),
            [
                "Genre: House Deep",
                "Genre: House Progressive",
                "Status: Archived"
            ]
        );
    }

    #[test]
    fn selectors_never_count_and_tones_only_where_the_policy_writes_one() {
        let energy = |name: &str| speak(&language(), name).tags.len();
        assert_eq!(
            (energy("x ⬆"), energy("x ⬆️"), energy("x ⬆\u{fe0e}")),
            (2, 2, 2)
        );
        assert_eq!(speak(&language(), "x 👵🏻").display, "x Old");
        assert_eq!(speak(&language(), "x 👵🏽").display, "x 👵🏽");
        assert_eq!(speak(&language(), "x 👵").display, "x 👵");
        assert_eq!(speak(&language(), "x 🏃🏾").folder, ["House", "Archived"]);
        // A joined sequence is an emoji of its own.
        assert_eq!(speak(&language(), "x 🏃‍♂️").display, "x 🏃‍♂️");
    }

    #[test]
    fn unmapped_emoji_and_every_script_stay() {
        assert_eq!(
            speak(&language(), "深夜 ラジオ 🚀 한국 🇮🇹").display,
            "深夜 ラジオ 🚀 한국"
        );
        assert_eq!(speak(&language(), "🇬🇧🇮🇹").display, "🇬🇧");
        assert_eq!(speak(&language(), "🇮🇹").display, "🇮🇹");
        assert_eq!(speak(&language(), "🇮🇹⬆️").display, "🇮🇹⬆️");
        assert_eq!(speak(&language(), "").display, "");
    }

    #[test]
    fn a_tag_without_category_is_its_own_and_an_empty_part_drops_out() {
        assert_eq!(speak(&language(), "T 🏢").folder, ["Techno", "Archived"]);
        assert_eq!(speak(&language(), "T").folder, ["Archived"]);
        let mut language = language();
        language.folders = "Genre/{Genre.category|Other}/{Status}".to_owned();
        assert_eq!(
            speak(&language, "T 🏢").folder,
            ["Genre", "Other", "Archived"]
        );
        assert_eq!(speak(&language, "T").folder, ["Genre", "Other", "Archived"]);
    }

    #[test]
    fn an_event_has_a_year_a_folder_and_one_tag() {
        let spoken = speak(&language(), "Sommerfest 2019 🎉⬆️");
        assert_eq!(spoken.folder, ["Events", "Partys", "2019"]);
        let event = spoken.event.clone().unwrap();
        assert_eq!(event.tag, tag_name("Party", "Partys: Sommerfest 2019"));
        assert_eq!((event.year, event.smart_playlist), (Some(2019), true));
        assert_eq!(
            tags(&spoken),
            [
                "Party: Partys: Sommerfest 2019",
                "Energy: High",
                "Status: Archived"
            ]
        );
        assert_eq!(
            speak(&language(), "25-07-19 Radio 🎙️").folder,
            ["Events", "Radio Moafunk", "2025"]
        );
        assert_eq!(
            speak(&language(), "Radio 🎙").folder,
            ["Events", "Radio Moafunk", "Misc"]
        );
    }

    #[test]
    fn years() {
        for (name, expected) in [
            ("NYE 1999/2000", Some(1999)),
            ("Sommer2019", Some(2019)),
            ("120194", None),
            ("1850", None),
            ("25-07-19 x", Some(2025)),
            ("25-07-19", Some(2025)),
            ("25-13-19", None),
            ("x 25-07-19", None),
            ("25-07-190", None),
            ("25-07-19 im Jahr 2024", Some(2024)),
            ("", None),
        ] {
            assert_eq!(year(name), expected, "{name}");
        }
    }

    #[test]
    fn a_track_with_no_tag_of_a_group_gets_the_none_tag() {
        let status = BTreeSet::from([tag_name("Status", "Old")]);
        let tagged = track_tags(&language(), &status);
        assert!(tagged.contains(&tag_name("Genre", "NoGenre")) && tagged.len() == 2);
        let genre = BTreeSet::from([tag_name("Genre", "Techno")]);
        assert_eq!(track_tags(&language(), &genre), genre);
        assert!(track_tags(&MyTagLanguage::default(), &BTreeSet::new()).is_empty());
    }

    #[test]
    fn smart_lists_follow_the_combinations_in_use() {
        let of = |name: &str| {
            speak(&language(), name)
                .tags
                .into_iter()
                .collect::<BTreeSet<_>>()
        };
        let used = [of("a 🇮🇹⬆️"), of("b 🇮🇹"), of("c 🇮🇹🏃👵🏻"), of("d")];
        let lists = smart_lists(&language(), &used);
        let show = |list: &SmartList| format!("{} | {}", list.folder.join("/"), list.name);
        assert_eq!(
            lists.iter().map(show).collect::<Vec<_>>(),
            [
                "House/Archived | House Italo",
                "House/Archived | House Italo High",
                "House/Old | House Italo",
                "House/Old | House Progressive",
            ]
        );
        assert_eq!(
            lists[1].tags,
            [
                tag_name("Genre", "House Italo"),
                tag_name("Energy", "High"),
                tag_name("Status", "Archived")
            ]
        );
    }
}
