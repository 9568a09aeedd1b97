//! `freeze`: the gig lock that is set by hand.

use jiff::{Timestamp, Zoned, civil};

use crate::{
    cli::{
        args::FreezeArgs,
        engine::load_policy,
        error::{CliError, Exit},
        settings::Settings,
        ui::Ui,
        view::Envelope,
    },
    edge::store::freeze::HandFreeze,
    policy::values,
};

/// `freeze`
///
/// # Errors
/// When the time cannot be read or lies in the past, or the file beside the state database cannot be
/// used.
pub fn freeze(settings: &Settings, ui: &Ui, args: &FreezeArgs) -> Result<Exit, CliError> {
    // A policy that cannot be read is no reason not to freeze; it only says where the state lies.
    let by_policy = match settings.policy_path() {
        Ok(_) => load_policy(settings, ui)
            .ok()
            .and_then(|policy| policy.state_path),
        Err(_) => None,
    };
    let db = settings.db_path(by_policy.as_deref())?;
    let failed = |error| CliError::file("use the freeze beside", &db, error);
    let now = Zoned::now();
    if args.off {
        let was = HandFreeze::lift(&db).map_err(failed)?;
        let text = if was {
            "The freeze is off."
        } else {
            "No freeze was on."
        };
        return answer(ui, text, None);
    }
    if let Some(until) = &args.until {
        let until = moment(until, &now)?;
        let freeze = HandFreeze {
            until,
            since: now.timestamp(),
            because: args.because.clone().unwrap_or_default(),
        };
        freeze.write(&db).map_err(failed)?;
        let text = format!(
            "Frozen until {}: only additions are applied. `tidal-cleanup freeze --off` ends it.",
            ui.look().time(until)
        );
        return answer(ui, &text, Some(&freeze));
    }
    let freeze = HandFreeze::read(&db)
        .map_err(|error| failed(error).hint("`tidal-cleanup freeze --off` takes it away"))?;
    let text = match freeze
        .as_ref()
        .filter(|freeze| freeze.is_on(now.timestamp()))
    {
        Some(freeze) => format!("Frozen {}.", in_words(ui, freeze)),
        None => "No freeze is set by hand; those of the policy are in `tidal-cleanup status`."
            .to_owned(),
    };
    let on = freeze.filter(|freeze| freeze.is_on(now.timestamp()));
    answer(ui, &text, on.as_ref())
}

/// `until 2026-12-01 06:00: the gig`.
pub fn in_words(ui: &Ui, freeze: &HandFreeze) -> String {
    let why = match freeze.because.trim() {
        "" => String::new(),
        because => format!(" ({because})"),
    };
    format!("until {}{why}", ui.look().time(freeze.until))
}

fn answer(ui: &Ui, text: &str, freeze: Option<&HandFreeze>) -> Result<Exit, CliError> {
    let answer = serde_json::json!({ "freeze": freeze, "text": text });
    ui.answer_either(text, &Envelope::new("freeze", answer))?;
    Ok(Exit::Done)
}

/// A length of time from now, the end of a day, or a day and time, in the machine's time zone.
fn moment(text: &str, now: &Zoned) -> Result<Timestamp, CliError> {
    let text = text.trim();
    let wrong = || {
        CliError::message(
            crate::cli::error::Kind::Usage,
            format!("`--until {text}` is no time"),
        )
        .hint("write a length of time (3d, 12h), a day (2026-12-01) or a day and time (2026-12-01T06:00)")
    };
    let zone = now.time_zone().clone();
    let until = if let Some(length) = values::duration(text) {
        now.timestamp().checked_add(length).map_err(|_| wrong())?
    } else if let Ok(at) = text.parse::<Timestamp>() {
        at
    } else if let Some(day) = day(text) {
        let next = day.tomorrow().map_err(|_| wrong())?;
        next.to_zoned(zone).map_err(|_| wrong())?.timestamp()
    } else {
        let at: civil::DateTime = text.parse().map_err(|_| wrong())?;
        at.to_zoned(zone).map_err(|_| wrong())?.timestamp()
    };
    match until > now.timestamp() {
        true => Ok(until),
        false => Err(CliError::user(format!("`--until {text}` is over already"))),
    }
}

/// A day without a time.
fn day(text: &str) -> Option<civil::Date> {
    let shaped = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    shaped.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_lengths_days_or_moments() {
        let now: Zoned = "2026-11-22T15:00[Europe/Berlin]".parse().unwrap();
        let until = |text: &str| {
            let at = moment(text, &now).ok()?;
            Some(at.to_zoned(now.time_zone().clone()).datetime().to_string())
        };
        assert_eq!(until("3d").unwrap(), "2026-11-25T15:00:00");
        assert_eq!(until("1h 30m").unwrap(), "2026-11-22T16:30:00");
        assert_eq!(until("2026-12-01").unwrap(), "2026-12-02T00:00:00");
        assert_eq!(until("2026-11-22").unwrap(), "2026-11-23T00:00:00");
        assert_eq!(until("2026-12-01T06:00").unwrap(), "2026-12-01T06:00:00");
        assert_eq!(until("2026-12-01 06:00").unwrap(), "2026-12-01T06:00:00");
        assert_eq!(until("2026-12-01T05:00Z").unwrap(), "2026-12-01T06:00:00");
        for bad in [
            "",
            "soon",
            "2026-02-30",
            "2026-11-21",
            "2026-11-22T14:00",
            "-3d",
            "0s",
        ] {
            assert_eq!(until(bad), None, "{bad}");
        }
    }
}
