//! What running downloads show: bytes, rate, how long it may still take, and why one is tried again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{ui::Voice, view::text::bytes};
use crate::{
    domain::TrackId,
    edge::download::Step,
    plan::document::{Effect, Plan},
};

/// How often a line is written where no progress can be drawn.
const LINES_APART: Duration = Duration::from_secs(15);

/// All downloads of a run.
pub struct Downloads {
    voice: Voice,
    begun: Instant,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    /// What is not fetched yet, by the plan's guess.
    expected: BTreeMap<TrackId, u64>,
    /// What lies in the folders of running commands.
    running: BTreeMap<TrackId, u64>,
    /// What was fetched.
    fetched: u64,
    last_line: Option<Instant>,
}

impl Downloads {
    /// The downloads of `plan`; without one, how much is to come is not known.
    pub fn of(voice: Voice, plan: Option<&Plan>) -> Self {
        let actions = plan.map_or(&[][..], |plan| &plan.body.actions);
        let expected = actions.iter().filter_map(|action| match &action.effect {
            Effect::FileFetch { after } => Some((after.track.clone(), action.estimate.bytes_down)),
            _ => None,
        });
        let sums = Sums {
            expected: expected.collect(),
            ..Sums::default()
        };
        Self {
            voice,
            begun: Instant::now(),
            sums: Mutex::new(sums),
        }
    }

    /// Shows a step.
    pub fn show(&self, step: &Step) {
        if let Step::Retries {
            label,
            pause,
            error,
            ..
        } = step
        {
            let first = error.lines().next().unwrap_or_default();
            let seconds = pause.as_secs();
            self.voice
                .status(&format!("{label}: {first}; trying again in {seconds} s"));
            return;
        }
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        sums.take(step);
        let text = sums.text(self.begun.elapsed());
        let due = sums
            .last_line
            .is_none_or(|last| last.elapsed() >= LINES_APART);
        let waited = self.begun.elapsed() >= LINES_APART;
        if self.voice.is_drawn() {
            self.voice.message(&text);
        } else if due && waited && !sums.running.is_empty() {
            sums.last_line = Some(Instant::now());
            self.voice.status(&format!("Downloading: {text}"));
        }
    }
}

impl Sums {
    fn take(&mut self, step: &Step) {
        match step {
            Step::Began { track } => drop(self.running.insert(track.clone(), 0)),
            Step::Bytes { track, bytes } => drop(self.running.insert(track.clone(), *bytes)),
            Step::Ended { track } => {
                self.fetched += self.running.remove(track).unwrap_or(0);
                self.expected.remove(track);
            }
            Step::Retries { .. } => {}
        }
    }

    fn text(&self, elapsed: Duration) -> String {
        let so_far = self.fetched + self.running.values().sum::<u64>();
        let rate = so_far as f64 / elapsed.as_secs_f64().max(0.001);
        let left: u64 = self
            .expected
            .iter()
            .map(|(track, bytes)| bytes.saturating_sub(*self.running.get(track).unwrap_or(&0)))
            .sum();
        let per_second = bytes(rate as u64);
        match self.expected.is_empty() {
            true => format!("{}, {per_second}/s", bytes(so_far)),
            false => {
                let all = bytes(so_far + left);
                format!(
                    "{} of about {all}, {per_second}/s{}",
                    bytes(so_far),
                    estimate(left, rate)
                )
            }
        }
    }
}

fn estimate(left: u64, rate: f64) -> String {
    if rate < 1.0 {
        return String::new();
    }
    match (left as f64 / rate) as u64 {
        0..=90 => ", about a minute left".to_owned(),
        seconds @ 91..=5400 => format!(", about {} min left", seconds.div_ceil(60)),
        seconds => format!(", about {} h left", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_rate_and_what_is_left() {
        let track = TrackId::new("1");
        let mut sums = Sums::default();
        sums.expected.insert(track.clone(), 30_000_000);
        sums.expected.insert(TrackId::new("2"), 30_000_000);
        sums.take(&Step::Began {
            track: track.clone(),
        });
        assert!(!sums.text(Duration::from_secs(1)).contains("left"));
        let bytes = 10_000_000;
        sums.take(&Step::Bytes {
            track: track.clone(),
            bytes,
        });
        let text = sums.text(Duration::from_secs(100));
        assert!(text.ends_with("about 9 min left"), "{text}");
        sums.take(&Step::Ended { track });
        assert_eq!((sums.fetched, sums.expected.len()), (bytes, 1));
    }
}
