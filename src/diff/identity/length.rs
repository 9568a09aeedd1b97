//! Lengths beside each other.

use std::borrow::Cow;

use crate::policy::MatchPolicy;

/// How far two lengths are apart, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Span {
    Unknown,
    /// Within the policy's tolerance.
    Within(f64),
    /// Silence at an end may explain it.
    Near(f64),
    Beyond(f64),
    /// The file is shorter than 60 % of the track: a preview, or half a download.
    Truncated(f64),
}

impl Span {
    /// Sets a file's milliseconds beside a track's.
    pub(super) fn between(local: Option<u64>, wanted: Option<u64>, policy: &MatchPolicy) -> Self {
        let Some((local, wanted)) = local.zip(wanted.filter(|ms| *ms > 0)) else {
            return Self::Unknown;
        };
        let apart = local.abs_diff(wanted) as f64 / 1000.0;
        let tolerance = policy.duration_tolerance.as_secs_f64();
        if local * 10 < wanted * 6 {
            Self::Truncated(apart)
        } else if apart <= tolerance + 0.5 {
            // TIDAL's lengths are whole seconds.
            Self::Within(apart)
        } else if apart <= 2.0 * tolerance + 0.5 {
            Self::Near(apart)
        } else {
            Self::Beyond(apart)
        }
    }

    /// The seconds, where both are known.
    pub(super) const fn seconds(&self) -> Option<f64> {
        match self {
            Self::Unknown => None,
            Self::Within(s) | Self::Near(s) | Self::Beyond(s) | Self::Truncated(s) => Some(*s),
        }
    }

    /// Whether an edit of another length is out of the question.
    pub(super) const fn is_close(&self) -> bool {
        matches!(self, Self::Within(_))
    }

    /// What speaks against an identity.
    pub(super) fn vetoes(&self, policy: &MatchPolicy) -> Vec<String> {
        match self {
            Self::Beyond(s) if policy.veto_duration => {
                vec![format!("duration: {s:.0} s apart")]
            }
            Self::Truncated(_) => vec!["duration: less than 60 % of the track".to_owned()],
            Self::Unknown | Self::Within(_) | Self::Near(_) | Self::Beyond(_) => Vec::new(),
        }
    }

    /// Whether it forbids an identity, without a word.
    pub(super) const fn forbids(&self, policy: &MatchPolicy) -> bool {
        match self {
            Self::Truncated(_) => true,
            Self::Beyond(_) => policy.veto_duration,
            Self::Unknown | Self::Within(_) | Self::Near(_) => false,
        }
    }

    /// In words.
    pub(super) fn reason(&self) -> Cow<'static, str> {
        match self {
            Self::Unknown => "length unknown".into(),
            Self::Within(s) if *s < 0.05 => "same length".into(),
            Self::Within(s) | Self::Near(s) => format!("length differs by {s:.1} s").into(),
            Self::Beyond(s) => format!("length differs by {s:.0} s").into(),
            Self::Truncated(_) => "the file is cut short".into(),
        }
    }

    /// The points that it costs.
    pub(super) const fn cost(&self) -> f64 {
        match self {
            Self::Within(_) => 0.0,
            Self::Unknown => 5.0,
            Self::Near(_) => 8.0,
            Self::Beyond(_) | Self::Truncated(_) => 30.0,
        }
    }
}
