//! `[watch]`.

use std::time::Duration;

use super::{duration, sections::set};
use crate::policy::{
    Notify, WatchPolicy,
    diagnostic::Code,
    document::{Table, Value},
    keys,
};

/// TIDAL is asked at every plan; more often than this is no use to anybody.
const LEAST: Duration = Duration::from_secs(60);

pub(super) fn read(top: &Table<'_>) -> WatchPolicy {
    let mut watch = WatchPolicy {
        every: Duration::from_secs(3600),
        settle: Duration::from_secs(30),
        apply_additive: false,
        notify: Notify::Desktop,
    };
    let Some(table) = top.table("watch") else {
        return watch;
    };
    table.only(keys::WATCH);
    if let Some(value) = table.get("every")
        && let Some(every) = duration(&value)
    {
        if every < LEAST {
            value.report(
                Code::BadValue,
                "TIDAL is asked that often, so `every` is a minute at least".to_owned(),
                None,
            );
        }
        watch.every = every;
    }
    set(
        &mut watch.settle,
        table.get("settle").and_then(|value| duration(&value)),
    );
    let apply = table.get("apply");
    set(
        &mut watch.apply_additive,
        apply.and_then(|value| value.word(&[("nothing", false), ("additive", true)])),
    );
    set(
        &mut watch.notify,
        table.get("notify").and_then(|value| notify(&value)),
    );
    watch
}

fn notify(value: &Value<'_>) -> Option<Notify> {
    if value.is_list() {
        let words: Vec<String> = value
            .items()
            .iter()
            .filter_map(|word| word.text().map(str::to_owned))
            .collect();
        if words.is_empty() {
            value.report(
                Code::BadValue,
                "the command of `notify` is empty".to_owned(),
                Some("write notify = \"none\"".to_owned()),
            );
            return None;
        }
        return Some(Notify::Command(words));
    }
    let desktop = value.word(&[("desktop", true), ("none", false)])?;
    Some(if desktop {
        Notify::Desktop
    } else {
        Notify::None
    })
}
