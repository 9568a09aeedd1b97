//! The gates of the moment, which are no part of a plan: freezes, Rekordbox, USB exports, the disk.

use jiff::{Zoned, tz::TimeZone};

use super::{Allow, Allowable, allowed_or_refused, numbered, passed, some, wide};
use crate::{
    plan::document::{Action, Check, CheckStatus, Class, Effect},
    policy::{Freeze, Policy},
};

/// The machine at this moment.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// In the machine's time zone.
    pub now: &'a Zoned,
    /// Rekordbox's processes; `Err` when they cannot be listed.
    pub rekordbox: Result<&'a [String], &'a str>,
    /// Bytes free on the library's volume; `None` when that cannot be learnt.
    pub free: Option<u64>,
    /// Bytes that the plan needs there.
    pub needed: u64,
    /// The freeze that a person set; `Err` when that cannot be read.
    pub hand_freeze: Result<Option<HandFreeze<'a>>, &'a str>,
    /// Mounted volumes with a Rekordbox USB export.
    pub exports: &'a [String],
    /// Overrides from the command line.
    pub allow: &'a [Allow],
}

/// A freeze that a person set by hand.
#[derive(Clone, Copy, Debug)]
pub struct HandFreeze<'a> {
    /// It ends then.
    pub until: jiff::Timestamp,
    /// In the person's words; may be empty.
    pub because: &'a str,
}

/// The gates of the moment: freezes, Rekordbox, USB exports, room on the disk.
#[must_use]
pub fn moment(policy: &Policy, actions: &[Action], moment: &Moment<'_>) -> Vec<Check> {
    vec![
        freeze(policy, actions, moment),
        rekordbox(actions, moment),
        exports(actions, moment),
        headroom(moment),
    ]
}

/// The freeze that is on, if any. One whose time zone is unknown here is on: what cannot be told
/// refuses.
#[must_use]
pub fn freeze_active<'p>(policy: &'p Policy, now: &Zoned) -> Option<&'p Freeze> {
    policy.freezes.iter().find(|freeze| {
        let local = match &freeze.timezone {
            None => Some(now.clone()),
            Some(name) => TimeZone::get(name)
                .ok()
                .map(|zone| now.with_time_zone(zone)),
        };
        local.is_none_or(|now| is_within(freeze, &now))
    })
}

fn is_within(freeze: &Freeze, now: &Zoned) -> bool {
    let minute = |(day, minute): (u8, u16)| u32::from(day) * 1_440 + u32::from(minute);
    let day = now.weekday().to_monday_one_offset().unsigned_abs();
    let hour = u16::from(now.hour().unsigned_abs());
    let at = minute((day, hour * 60 + u16::from(now.minute().unsigned_abs())));
    let (from, to) = (minute(freeze.from), minute(freeze.to));
    match from < to {
        true => (from..to).contains(&at),
        false => at >= from || at < to,
    }
}

fn freeze(policy: &Policy, actions: &[Action], moment: &Moment<'_>) -> Check {
    let by_hand = match moment.hand_freeze {
        Ok(freeze) => freeze.filter(|freeze| moment.now.timestamp() < freeze.until),
        Err(reason) => {
            let text = format!(
                "whether a freeze was set cannot be read ({reason}); `tidal-cleanup freeze --off` takes it away"
            );
            return Check {
                status: CheckStatus::Refuse,
                text,
                ..passed("TC501", "freeze")
            };
        }
    };
    if let Some(freeze) = by_hand {
        let until = freeze.until.to_zoned(moment.now.time_zone().clone());
        let why = match freeze.because.trim() {
            "" => String::new(),
            because => format!(" ({because})"),
        };
        let what = format!(
            "the freeze that you set{why} is on until {}",
            until.strftime("%Y-%m-%d %H:%M")
        );
        return frozen(actions, &[Class::Additive], &what, moment.allow);
    }
    match freeze_active(policy, moment.now) {
        None => passed("TC501", "freeze"),
        Some(freeze) => {
            let until = week_minute(freeze.to);
            let what = format!(
                "freeze “{}” ({}) is on until {until}",
                freeze.name, freeze.at
            );
            frozen(actions, &freeze.allow, &what, moment.allow)
        }
    }
}

/// What a freeze that is on makes of these actions.
fn frozen(actions: &[Action], may: &[Class], what: &str, allow: &[Allow]) -> Check {
    let deletes = |action: &Action| matches!(action.effect, Effect::TrashPurge { .. });
    // What is deleted for good has time until after the gig, whatever is allowed.
    let allow = match actions.iter().any(deletes) {
        true => &[],
        false => allow,
    };
    let waiting = actions
        .iter()
        .filter(|action| deletes(action) || !may.contains(&action.class));
    let waiting = waiting.count();
    let numbers = (wide(waiting), 0);
    let check = numbered(
        "TC501",
        "freeze",
        numbers,
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    if waiting == 0 {
        return check;
    }
    let text = format!(
        "{what}, and {waiting} of {} actions must wait for its end",
        actions.len()
    );
    allowed_or_refused(check, allow, Allowable::Freeze, waiting, &text)
}

/// A stick that Rekordbox exported to and that is mounted is about to be used, or being written.
fn exports(actions: &[Action], moment: &Moment<'_>) -> Check {
    let name = "USB export";
    let touches = actions
        .iter()
        .any(|action| action.effect.kind().starts_with("rb."));
    let count = moment.exports.len();
    let numbers = (wide(count), 0);
    let check = numbered(
        "TC503",
        name,
        numbers,
        true,
        CheckStatus::Refuse,
        String::new(),
    );
    if !touches || count == 0 {
        return check;
    }
    let text = format!(
        "{count} mounted volume{} a Rekordbox export ({}), which would not get what is changed here: eject \
         first, export again afterwards",
        if count == 1 { " holds" } else { "s hold" },
        some(moment.exports)
    );
    allowed_or_refused(check, moment.allow, Allowable::Usb, count, &text)
}

fn rekordbox(actions: &[Action], moment: &Moment<'_>) -> Check {
    let check = passed("TC502", "Rekordbox closed");
    let touches = |action: &Action| action.effect.kind().starts_with("rb.");
    if !actions.iter().any(touches) {
        return check;
    }
    let text = match moment.rekordbox {
        Ok([]) => return check,
        Ok(running) => format!(
            "Rekordbox is running ({}): quit it, then apply; no override, it would lose what is written",
            some(running)
        ),
        Err(reason) => format!("it cannot be told whether Rekordbox is running ({reason})"),
    };
    Check {
        status: CheckStatus::Refuse,
        text,
        ..check
    }
}

fn headroom(moment: &Moment<'_>) -> Check {
    let name = "disk headroom";
    let numbers = |free: u64| (wide(moment.needed), wide(free));
    match moment.free {
        Some(free) => {
            let text = format!(
                "{} are needed on the library's volume, and {} are free; make room, or `--exclude` downloads",
                bytes(moment.needed),
                bytes(free)
            );
            let enough = moment.needed <= free;
            numbered(
                "TC601",
                name,
                numbers(free),
                enough,
                CheckStatus::Refuse,
                text,
            )
        }
        None if moment.needed == 0 => passed("TC601", name),
        None => Check {
            value: Some(wide(moment.needed)),
            status: CheckStatus::Refuse,
            text: format!(
                "{} are needed, and how much is free on the library's volume cannot be learnt",
                bytes(moment.needed)
            ),
            ..passed("TC601", name)
        },
    }
}

fn week_minute((day, minute): (u8, u16)) -> String {
    let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    let day = days.get(usize::from(day).wrapping_sub(1)).unwrap_or(&"?");
    format!("{day} {:02}:{:02}", minute / 60, minute % 60)
}

fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}
