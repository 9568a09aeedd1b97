//! Times two ways of doing one job in turns, so that a noisy machine is noisy for both.
//!
//! A ratio is taken within a round, where both sides met the same machine; what is printed is the middle
//! one and the range, of wall times. Where the system tells, the processor time of all rounds follows, of
//! all threads and of programs that were started: it is what a busy machine disturbs least.

#![expect(clippy::print_stdout, reason = "a bench is read from its output")]
#![allow(dead_code, reason = "each bench uses the part that it needs")]

use std::time::{Duration, Instant};

/// What some rounds of one pair took.
pub(crate) struct Pair {
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
    /// Processor seconds of all rounds.
    spent: Option<(f64, f64)>,
}

impl Pair {
    /// Our middle time through theirs, round by round: below 1 is faster than they are.
    pub(crate) fn ratio(&self) -> f64 {
        middle(&self.ratios())
    }

    /// Our processor time through theirs, over all rounds.
    pub(crate) fn processor_ratio(&self) -> Option<f64> {
        self.spent.map(|(ours, theirs)| ours / theirs)
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
        spent: None,
    };
    let mut spent = Some((0.0, 0.0));
    let mut measured = |job: &mut dyn FnMut(), is_ours: bool| {
        let before = processor_seconds();
        let from = Instant::now();
        job();
        let wall = from.elapsed();
        let cost = before.zip(processor_seconds());
        spent = spent.zip(cost).map(|((ours, theirs), (before, after))| {
            let cost = after - before;
            match is_ours {
                true => (ours + cost, theirs),
                false => (ours, theirs + cost),
            }
        });
        wall
    };
    for round in 0..rounds {
        // Who goes first changes, so that neither always meets the warmer cache.
        if round % 2 == 0 {
            pair.ours.push(measured(&mut ours, true));
            pair.theirs.push(measured(&mut theirs, false));
        } else {
            pair.theirs.push(measured(&mut theirs, false));
            pair.ours.push(measured(&mut ours, true));
        }
    }
    pair.spent = spent;
    let ratios = pair.ratios();
    println!(
        "{name:<44} ours {:>9}  theirs {:>9}  ratio {:.2} ({:.2}–{:.2})",
        show(median(&pair.ours)),
        show(median(&pair.theirs)),
        pair.ratio(),
        ratios.first().copied().unwrap_or_default(),
        ratios.last().copied().unwrap_or_default(),
    );
    if let (Some((ours, theirs)), Some(ratio)) = (pair.spent, pair.processor_ratio()) {
        println!(
            "{:<44} ours {:>7.2} s  theirs {:>7.2} s  ratio {ratio:.2}",
            "  processor time, a round",
            ours / rounds as f64,
            theirs / rounds as f64,
        );
    }
    pair
}

/// What this process and the programs that it waited for have spent so far.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields = stat.rsplit(')').next()?.split_whitespace().skip(11).take(4);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    (ticks.len() == 4).then(|| ticks.iter().sum::<f64>() / 100.0)
}

/// Runs `job` `rounds` times, prints its middle and range under `name` beside `goal`, and the processor time
/// of a round where the system tells; gives the middle.
pub(crate) fn alone(name: &str, goal: &str, rounds: usize, mut job: impl FnMut()) -> Duration {
    let before = processor_seconds();
    let mut times: Vec<Duration> = (0..rounds).map(|_| time(&mut job)).collect();
    let spent = before.zip(processor_seconds());
    let spent = spent.map(|(before, after)| (after - before) / rounds as f64);
    times.sort();
    let median = median(&times);
    println!(
        "{name:<44} {:>9} ({}–{})  goal {goal}{}",
        show(median),
        show(times.first().copied().unwrap_or_default()),
        show(times.last().copied().unwrap_or_default()),
        spent.map_or_else(String::new, |spent| format!(
            "; processor time {}",
            show(Duration::from_secs_f64(spent))
        )),
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
