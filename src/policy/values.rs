//! Values that TOML has no type for: durations, sizes, weekly windows, comparisons.

use std::time::Duration;

use super::condition::Comparison;

/// Seconds of the units of time.
const TIME_UNITS: [(&str, u64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 604_800),
];

/// Bytes of the units of size.
const SIZE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("k", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

const WEEKDAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

/// A weekday (1 Monday … 7) and a minute of the day.
pub type WeekMinute = (u8, u16);

/// `30d`, `24h`, `1h30m`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut seconds: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (number, after) = leading_number(rest)?;
        let after = after.trim_start();
        let end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let (_, unit) = TIME_UNITS.iter().find(|(name, _)| *name == &after[..end])?;
        seconds = seconds.checked_add(number.checked_mul(*unit)?)?;
        rest = after[end..].trim_start();
    }
    Some(Duration::from_secs(seconds))
}

/// `50GiB`, `320 MB`, `1000`.
#[must_use]
pub fn size(text: &str) -> Option<u64> {
    let (number, unit) = leading_number(text.trim())?;
    let unit = unit.trim();
    if unit.is_empty() {
        return Some(number);
    }
    let (_, unit) = SIZE_UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*unit)
}

/// `Fri 12:00 .. Mon 06:00`; both ends differ.
#[must_use]
pub fn weekly_window(text: &str) -> Option<(WeekMinute, WeekMinute)> {
    let (from, to) = text.split_once("..")?;
    let (from, to) = (week_minute(from)?, week_minute(to)?);
    (from != to).then_some((from, to))
}

/// `>=1`, `< 30d`, `!=0`: the comparison and the rest; without a sign the comparison is `None`.
#[must_use]
pub fn comparison(text: &str) -> (Option<Comparison>, &str) {
    let text = text.trim();
    let signs = [
        (">=", Comparison::AtLeast),
        ("<=", Comparison::AtMost),
        ("!=", Comparison::Unequal),
        ("==", Comparison::Equal),
        (">", Comparison::MoreThan),
        ("<", Comparison::LessThan),
        ("=", Comparison::Equal),
    ];
    signs
        .into_iter()
        .find_map(|(sign, comparison)| {
            let rest = text.strip_prefix(sign)?;
            Some((Some(comparison), rest.trim_start()))
        })
        .unwrap_or((None, text))
}

/// `V0` … `V9`, `320k`, `lossless`: what the conversion understands.
#[must_use]
pub fn is_quality(text: &str) -> bool {
    let variable = matches!(text.as_bytes(), [b'V', b'0'..=b'9']);
    let constant = text
        .strip_suffix('k')
        .and_then(|number| number.parse::<u16>().ok())
        .is_some_and(|number| (8..=2_000).contains(&number));
    variable || constant || text == "lossless"
}

fn week_minute(text: &str) -> Option<WeekMinute> {
    let mut words = text.split_whitespace();
    let (day, time) = (words.next()?.to_lowercase(), words.next()?);
    let weekday = WEEKDAYS
        .iter()
        .position(|name| day.len() >= 3 && name.starts_with(&day))?;
    let (hour, minute) = time.split_once(':')?;
    let two = |digits: &str| -> Option<u16> {
        let fits = (1..=2).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| digits.parse().ok())?
    };
    let (hour, minute) = (two(hour)?, two(minute)?);
    let fits = hour < 24 && minute < 60 && words.next().is_none();
    fits.then_some((u8::try_from(weekday).ok()? + 1, hour * 60 + minute))
}

fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    Some((text[..end].parse().ok()?, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let seconds = |text| duration(text).map(|duration| duration.as_secs());
        assert_eq!(seconds("30d"), Some(2_592_000));
        assert_eq!(seconds("1h 30m"), Some(5_400));
        assert_eq!(seconds("0s"), Some(0));
        for bad in [
            "",
            "30",
            "d",
            "-1d",
            "1.5h",
            "1y",
            "30D",
            "99999999999999999999d",
            "9999999999999999w",
            "é",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("50GiB"), Some(50 << 30));
        assert_eq!(size("1 mb"), Some(1_000_000));
        assert_eq!(size("7"), Some(7));
        for bad in ["", "GiB", "5 lots", "-1", "99999999999TiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
    }

    #[test]
    fn windows() {
        assert_eq!(
            weekly_window("Fri 12:00 .. Mon 06:00"),
            Some(((5, 720), (1, 360)))
        );
        assert_eq!(
            weekly_window("sunday 0:5..tue 23:59"),
            Some(((7, 5), (2, 1439)))
        );
        for bad in [
            "Fri 12:00",
            "Fr 12:00 .. Mon 06:00",
            "Fri 24:00 .. Mon 06:00",
            "Fri 12 .. Mon 6",
            "Fri 12:00 .. Fri 12:00",
            "Fri +1:00 .. Mon 06:00",
            "..",
        ] {
            assert_eq!(weekly_window(bad), None, "{bad}");
        }
    }

    #[test]
    fn comparisons_and_qualities() {
        assert_eq!(comparison(">= 1"), (Some(Comparison::AtLeast), "1"));
        assert_eq!(comparison("<30d"), (Some(Comparison::LessThan), "30d"));
        assert_eq!(comparison("4"), (None, "4"));
        assert!(is_quality("V0") && is_quality("320k") && is_quality("lossless"));
        assert!(
            !is_quality("V10") && !is_quality("k") && !is_quality("best") && !is_quality("9k9")
        );
    }
}
