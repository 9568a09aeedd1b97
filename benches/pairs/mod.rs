//! Times two ways of doing one job in turns, so that a noisy machine is noisy for both.
//!
//! Every figure is a wall time. A ratio is taken within a round, where both sides met the same machine;
//! what is printed is the middle one and the range.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![allow(dead_code, reason = "each bench uses the part that it needs")]

use std::time::{Duration, Instant};

/// What some rounds of one pair took.
pub(crate) struct Pair {
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

impl Pair {
    /// Our middle time through theirs, round by round: below 1 is faster than they are.
    pub(crate) fn ratio(&self) -> f64 {
        middle(&self.ratios())
    }

    fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self
            .ours
            .iter()
            .zip(&self.theirs)
            .map(|(ours, theirs)| ours.as_secs_f64() / theirs.as_secs_f64())
            .collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }
}

/// Runs `ours` and `theirs` in turns, `rounds` times, and prints one line under `name`.
pub(crate) fn pair(
    name: &str,
    rounds: usize,
    mut ours: impl FnMut(),
    mut theirs: impl FnMut(),
) -> Pair {
    let mut pair = Pair {
        ours: Vec::new(),
        theirs: Vec::new(),
    };
    for round in 0..rounds {
        // Who goes first changes, so that neither always meets the warmer cache.
        if round % 2 == 0 {
            pair.ours.push(time(&mut ours));
            pair.theirs.push(time(&mut theirs));
        } else {
            pair.theirs.push(time(&mut theirs));
            pair.ours.push(time(&mut ours));
        }
    }
    let ratios = pair.ratios();
    println!(
        "{name:<44} ours {:>9}  theirs {:>9}  ratio {:.2} ({:.2}–{:.2})",
        show(median(&pair.ours)),
        show(median(&pair.theirs)),
        pair.ratio(),
        ratios.first().copied().unwrap_or_default(),
        ratios.last().copied().unwrap_or_default(),
    );
    pair
}

/// Runs `job` `rounds` times, prints its middle and range under `name` beside `goal`, gives the middle.
pub(crate) fn alone(name: &str, goal: &str, rounds: usize, mut job: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..rounds).map(|_| time(&mut job)).collect();
    times.sort();
    let median = median(&times);
    println!(
        "{name:<44} {:>9} ({}–{})  goal {goal}",
        show(median),
        show(times.first().copied().unwrap_or_default()),
        show(times.last().copied().unwrap_or_default()),
    );
    median
}

fn time(job: &mut impl FnMut()) -> Duration {
    let from = Instant::now();
    job();
    from.elapsed()
}

fn median(times: &[Duration]) -> Duration {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn middle(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn show(time: Duration) -> String {
    if time < Duration::from_millis(10) {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    } else if time < Duration::from_secs(1) {
        format!("{:.0} ms", time.as_secs_f64() * 1e3)
    } else {
        format!("{:.2} s", time.as_secs_f64())
    }
}
