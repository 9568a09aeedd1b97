//! `[mytag.*]` and `[mytags]`: the emoji language.

use std::collections::{BTreeMap, BTreeSet};

use super::sections::set;
use crate::policy::{
    EventLanguage, MyTagLanguage, SmartTemplate,
    diagnostic::{Code, nearest},
    document::{Table, Value},
    emoji, keys,
    template::{Template, TemplateError},
};

/// How many groups of MyTags Rekordbox has.
const MOST_GROUPS: usize = 4;

pub(super) fn read(top: &Table<'_>) -> MyTagLanguage {
    let mut language = MyTagLanguage::default();
    if let Some(groups) = top.table("mytag") {
        language.emoji = mapping(&groups);
    }
    let Some(table) = top.table("mytags") else {
        return language;
    };
    table.only(keys::MYTAGS);
    if let Some(value) = table.get("default") {
        language.default = tags(&value, &language, true);
    }
    if let Some(value) = table.get("none") {
        language.none = tags(&value, &language, false);
    }
    if let Some(categories) = table.table("categories") {
        language.categories = read_categories(&categories, &language);
    }
    let parts = table
        .get("folders")
        .and_then(|value| folders(&value, &language));
    set(&mut language.folders, parts);
    let name = table
        .get("name")
        .and_then(|value| template(&value, &language));
    set(&mut language.name, name);
    language.events = table
        .table("events")
        .and_then(|table| events(&table, &language));
    if let Some(value) = table.get("smart") {
        let items = value.items();
        language.smart = items
            .iter()
            .filter_map(|item| smart(&item.table()?, &language))
            .collect();
    }
    language
}

/// A template over the language's fields.
pub(super) fn template(value: &Value<'_>, language: &MyTagLanguage) -> Option<String> {
    let text = value.text()?;
    let fields = language.fields();
    if let Err(error) = Template::parse(text, &fields) {
        let near = match &error {
            TemplateError::Unknown { name, .. } => nearest(name, fields.iter().map(String::as_str)),
            TemplateError::Open { .. } | TemplateError::Close { .. } => None,
        };
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is {}", fields.join(", ")),
        };
        value.report_within(
            Code::BadTemplate,
            &error.at(),
            error.to_string(),
            Some(help),
        );
        return None;
    }
    Some(text.to_owned())
}

/// A template of folders, which is filled in part by part.
pub(super) fn folders(value: &Value<'_>, language: &MyTagLanguage) -> Option<String> {
    let text = template(value, language)?;
    let fields = language.fields();
    if text
        .split('/')
        .any(|part| Template::parse(part, &fields).is_err())
    {
        let message = "braces cannot hold a `/`".to_owned();
        value.report(Code::BadTemplate, message, None);
        return None;
    }
    Some(text)
}

fn mapping(groups: &Table<'_>) -> Vec<(String, String, String)> {
    let mut mapping: Vec<(String, String, String)> = Vec::new();
    for (index, group) in groups.values().into_iter().enumerate() {
        if index == MOST_GROUPS {
            let message =
                format!("Rekordbox has {MOST_GROUPS} groups of MyTags, and this is one more");
            group.report_key(Code::TooManyGroups, message, None);
        }
        let Some(table) = group.table() else {
            continue;
        };
        for value in table.values() {
            let Some(tag) = tag_of(&value) else {
                continue;
            };
            let plain = emoji::plain(value.key.trim());
            if let Some((_, other_group, other)) =
                mapping.iter().find(|(known, ..)| *known == plain)
            {
                let message = format!(
                    "{} stands for `{other}` of {other_group} already",
                    value.key
                );
                let help = "variation selectors do not count".to_owned();
                value.report_key(Code::MappedTwice, message, Some(help));
                continue;
            }
            mapping.push((plain, group.key.to_owned(), tag));
        }
    }
    mapping
}

/// The tag of one emoji.
fn tag_of(value: &Value<'_>) -> Option<String> {
    let key = value.key.trim();
    let clusters = emoji::clusters(key).count();
    if clusters != 1 || !emoji::is_emoji(key) {
        let message = format!("`{}` is not one emoji", value.key);
        let help = match emoji::emoji_of(key).as_slice() {
            [] => "the emoji stands left, its tag right".to_owned(),
            [one] => format!("did you mean `{one}`?"),
            several => format!("give each of {} a line of its own", several.join(" ")),
        };
        value.report_key(Code::NotAnEmoji, message, Some(help));
        return None;
    }
    let tag = value.text()?;
    if tag.trim().is_empty() {
        let message = format!("{} stands for no tag", value.key);
        let help = "give it a tag, or take the line out".to_owned();
        value.report(Code::NoTag, message, Some(help));
        return None;
    }
    Some(tag.trim().to_owned())
}

/// `{ Status = "Archived" }`.
fn tags(value: &Value<'_>, language: &MyTagLanguage, mapped: bool) -> Vec<(String, String)> {
    let Some(table) = value.table() else {
        return Vec::new();
    };
    let mut tags = Vec::new();
    for value in table.values() {
        let Some(tag) = value.name() else {
            continue;
        };
        check_group(&value, value.key, language, true);
        if mapped {
            check_tag(&value, tag, Some(value.key), language);
        }
        tags.push((value.key.to_owned(), tag.trim().to_owned()));
    }
    tags
}

fn read_categories(table: &Table<'_>, language: &MyTagLanguage) -> Vec<(String, Vec<String>)> {
    let mut taken: BTreeMap<String, String> = BTreeMap::new();
    let mut categories = Vec::new();
    for value in table.values() {
        let mut tags = Vec::new();
        for item in value.items() {
            let Some(tag) = item.name() else {
                continue;
            };
            check_tag(&item, tag, None, language);
            if let Some(other) = taken.insert(tag.to_owned(), value.key.to_owned()) {
                let message = format!("`{tag}` is in the category `{other}` already");
                item.report(Code::MappedTwice, message, None);
            }
            tags.push(tag.to_owned());
        }
        categories.push((value.key.to_owned(), tags));
    }
    categories
}

fn events(table: &Table<'_>, language: &MyTagLanguage) -> Option<EventLanguage> {
    table.only(keys::EVENTS);
    let value = table.need("group", "group = \"Party\"")?;
    let group = value.name()?.to_owned();
    check_group(&value, &group, language, false);
    let mut events = EventLanguage {
        folder: format!("Events/{{{group}}}/{{year|Misc}}"),
        tag: String::new(),
        smart_playlist: false,
        group,
    };
    let folder = table
        .get("folder")
        .and_then(|value| folders(&value, language));
    set(&mut events.folder, folder);
    let tag = table
        .get("tag")
        .and_then(|value| template(&value, language));
    set(&mut events.tag, tag);
    set(
        &mut events.smart_playlist,
        table.get("smart_playlist").and_then(|value| value.flag()),
    );
    Some(events)
}

fn smart(table: &Table<'_>, language: &MyTagLanguage) -> Option<SmartTemplate> {
    table.only(keys::SMART);
    let by = table.need("by", "by = [\"Genre\"]")?;
    let mut groups = Vec::new();
    for item in by.items() {
        if let Some(group) = item.name() {
            check_group(&item, group, language, false);
            groups.push(group.to_owned());
        }
    }
    if groups.is_empty() {
        by.report(Code::Missing, "`by` names no group".to_owned(), None);
        return None;
    }
    let folder = table
        .get("folder")
        .and_then(|value| {
            let text = folders(&value, language)?;
            without_names(&value, &text, language);
            Some(text)
        })
        .unwrap_or_default();
    Some(SmartTemplate { folder, by: groups })
}

/// Smart playlists stand for tags, so their folders know no playlist's name or year.
fn without_names(value: &Value<'_>, text: &str, language: &MyTagLanguage) {
    let Ok(template) = Template::parse(text, &language.fields()) else {
        return;
    };
    if let Some(field) = template
        .fields()
        .find(|field| ["name", "raw", "year"].contains(field))
    {
        let message = format!("a smart playlist over tags has no `{field}`");
        value.report(Code::BadTemplate, message, None);
    }
}

/// Notes a group that no emoji belongs to.
fn check_group(value: &Value<'_>, group: &str, language: &MyTagLanguage, at_key: bool) {
    let groups: BTreeSet<&str> = language
        .emoji
        .iter()
        .map(|(_, group, _)| group.as_str())
        .collect();
    if groups.contains(group) {
        return;
    }
    let message = format!("no emoji belongs to a group `{group}`");
    let help = nearest(group, groups).map(|near| format!("did you mean `{near}`?"));
    match at_key {
        true => value.report_key(Code::UnknownGroup, message, help),
        false => value.report(Code::UnknownGroup, message, help),
    }
}

/// Notes a tag that no emoji stands for.
fn check_tag(value: &Value<'_>, tag: &str, group: Option<&str>, language: &MyTagLanguage) {
    let of_group = |known: &str| group.is_none_or(|group| group == known);
    let tags: BTreeSet<&str> = language
        .emoji
        .iter()
        .filter(|(_, group, _)| of_group(group))
        .map(|(_, _, tag)| tag.as_str())
        .collect();
    if tags.is_empty() || tags.contains(tag) {
        return;
    }
    let message = format!("no emoji stands for a tag `{tag}`");
    let help = nearest(tag, tags).map(|near| format!("did you mean `{near}`?"));
    value.report(Code::UnknownTag, message, help);
}
