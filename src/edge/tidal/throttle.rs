//! One throttle for all workers: a pace, a number in flight, and a pause that stops everybody.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

use super::settings::Timing;

/// How many requests may follow each other at once after a lull.
const BURST: f64 = 2.0;
/// A learnt pace is forgotten after this.
const REMEMBERED_S: i64 = 24 * 3600;
/// Waited in addition to what the service asks for, for clocks that do not quite agree.
const MARGIN: Duration = Duration::from_millis(100);

/// The throttle of one service.
#[derive(Debug)]
pub(super) struct Throttle {
    pace: Mutex<Pace>,
    in_flight: Arc<Semaphore>,
    abandoned: Arc<AtomicUsize>,
    timing: Timing,
    memory: Option<PathBuf>,
}

#[derive(Debug)]
struct Pace {
    /// Requests a second.
    rate: f64,
    /// When the next request may go.
    next: Instant,
    /// Nobody goes before this.
    paused_until: Instant,
    /// When the pace last changed, either way.
    changed: Instant,
    /// When the last refusal came that was none of a burst's further ones.
    refused: Option<Instant>,
    /// Refusals since a request passed, a burst as one.
    strikes: u32,
}

/// What is remembered between runs.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    rate: f64,
    at: Timestamp,
    #[serde(default)]
    paused_until: Option<Timestamp>,
}

/// The wait would last longer than the caller can.
#[derive(Debug)]
pub(super) struct TooLong(pub(super) Duration);

impl Throttle {
    /// At the pace that the last run ended with, kept in the file `memory`.
    pub(super) fn new(timing: &Timing, memory: Option<PathBuf>) -> Self {
        let now = Instant::now();
        let remembered = memory.as_deref().and_then(recall);
        let rate = remembered.as_ref().map_or(timing.rate, |past| past.rate);
        let pause = remembered
            .and_then(|past| past.paused_until)
            .and_then(|until| Duration::try_from(until.duration_since(Timestamp::now())).ok())
            .unwrap_or_default();
        Self {
            pace: Mutex::new(Pace {
                rate: rate.clamp(timing.min_rate, timing.rate),
                next: now,
                paused_until: now + pause,
                changed: now,
                refused: None,
                strikes: 0,
            }),
            in_flight: Arc::new(Semaphore::new(timing.in_flight)),
            abandoned: Arc::default(),
            timing: timing.clone(),
            memory,
        }
    }

    /// Waits until a request may go. It is in flight until the permit is dropped.
    ///
    /// # Errors
    /// [`TooLong`] when that would be after `deadline`.
    pub(super) async fn admit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, TooLong> {
        let permit = Arc::clone(&self.in_flight)
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        loop {
            let now = Instant::now();
            let at = self.reserve(now);
            if at > deadline {
                return Err(TooLong(at - now));
            }
            tokio::time::sleep_until(at).await;
            // A refusal may have come while we slept; then the slot is void.
            if self.pause().is_zero() {
                return Ok(permit);
            }
        }
    }

    /// A request that nobody waits for any more: the service may still be at work on it, so that it
    /// counts as in flight for a while. One request stays free to find out that it is back.
    pub(super) fn abandon(&self, permit: OwnedSemaphorePermit) {
        let limit = self.timing.in_flight.saturating_sub(1);
        if self.abandoned.fetch_add(1, Ordering::Relaxed) >= limit {
            self.abandoned.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (abandoned, time) = (Arc::clone(&self.abandoned), self.timing.request * 3);
        tokio::spawn(async move {
            tokio::time::sleep(time).await;
            abandoned.fetch_sub(1, Ordering::Relaxed);
            drop(permit);
        });
    }

    /// Takes the next slot: first come, first served, so that nobody starves.
    fn reserve(&self, now: Instant) -> Instant {
        let mut pace = self.lock();
        let interval = Duration::from_secs_f64(1.0 / pace.rate);
        let slack = interval.mul_f64(BURST - 1.0);
        let earliest = now.checked_sub(slack).unwrap_or(now).max(pace.paused_until);
        let at = pace.next.max(earliest);
        pace.next = at + interval;
        at.max(now)
    }

    /// A request came back well at `now`.
    pub(super) fn passed(&self, now: Instant) {
        let mut pace = self.lock();
        pace.strikes = 0;
        if pace.rate < self.timing.rate
            && now.duration_since(pace.changed.max(pace.paused_until.min(now)))
                >= self.timing.creep_every
        {
            pace.rate = (pace.rate + self.timing.creep).min(self.timing.rate);
            pace.changed = now;
        }
    }

    /// A request that went out at `sent` was refused for going too fast: everybody waits `after` (or a
    /// doubling second where nothing was said), and the pace halves, once until
    /// something passes again.
    pub(super) fn refused(&self, sent: Instant, now: Instant, after: Option<Duration>) {
        let mut pace = self.lock();
        if pace.refused.is_none_or(|refused| sent > refused) {
            // A service that refuses everything for a while says nothing about the pace: it halves again
            // only after something has passed.
            if pace.strikes == 0 {
                pace.rate = (pace.rate / 2.0).max(self.timing.min_rate);
                pace.changed = now;
            }
            pace.refused = Some(now);
            pace.strikes += 1;
        }
        let unsaid = jitter(
            self.timing
                .backoff
                .mul_f64(2.0)
                .saturating_mul(1 << pace.strikes.saturating_sub(1).min(4)),
        );
        // What it says is too little when the last wait that it asked for was.
        let least = match pace.strikes {
            0 | 1 => Duration::ZERO,
            _ => unsaid.min(self.timing.backoff_max / 2),
        };
        let wait = after.map_or(unsaid, |after| (after + MARGIN).max(least));
        pace.paused_until = pace.paused_until.max(now + wait);
        // What was saved up before the pause is gone.
        pace.next = pace.next.max(pace.paused_until);
        drop(pace);
        self.remember();
    }

    /// Requests a second at present.
    pub(super) fn rate(&self) -> f64 {
        self.lock().rate
    }

    /// How long everybody still waits because the service said so.
    pub(super) fn pause(&self) -> Duration {
        self.paused_until()
            .saturating_duration_since(Instant::now())
    }

    /// When the last such wait ends or ended.
    pub(super) fn paused_until(&self) -> Instant {
        self.lock().paused_until
    }

    /// Writes the pace down for the next run. A failure only costs the next run its caution.
    pub(super) fn remember(&self) {
        let Some(path) = &self.memory else { return };
        let now = Timestamp::now();
        let pause = self.pause();
        let remembered = Remembered {
            rate: self.rate(),
            at: now,
            paused_until: (!pause.is_zero()).then(|| now + pause),
        };
        if remembered.rate >= self.timing.rate && remembered.paused_until.is_none() {
            let _ = std::fs::remove_file(path);
            return;
        }
        if let Ok(text) = serde_json::to_vec(&remembered) {
            let _ = super::tokens::write_private(path, &text);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pace> {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn recall(path: &std::path::Path) -> Option<Remembered> {
    let remembered: Remembered = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let age = Timestamp::now()
        .duration_since(remembered.at)
        .as_secs()
        .unsigned_abs();
    (remembered.rate.is_finite() && age < REMEMBERED_S.unsigned_abs()).then_some(remembered)
}

/// Reads `Retry-After`: seconds, or a date that is compared with the reply's own `Date`.
pub(super) fn retry_after(value: &str, date: Option<&str>, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.clamp(0.0, 86_400.0)).ok();
    }
    let until = http_date(value)?;
    let from = date.and_then(http_date).unwrap_or(now);
    let wait = Duration::try_from(until.duration_since(from)).unwrap_or_default();
    // Dates are whole seconds, cut off.
    Some(wait + Duration::from_secs(1))
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(text.trim())
        .ok()
}

/// `wait` give or take a quarter, so that several programs do not come back together.
pub(super) fn jitter(wait: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos());
    wait.mul_f64(0.75 + f64::from(nanos % 1_000) / 2_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn throttle() -> Throttle {
        Throttle::new(&Timing::default(), None)
    }

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// Sends as fast as the throttle lets, from `now` on; when the last one went.
    fn send(throttle: &Throttle, requests: usize, mut now: Instant) -> Instant {
        for _ in 0..requests {
            now = throttle.reserve(now);
        }
        now
    }

    #[test]
    fn four_a_second() {
        let (throttle, start) = (throttle(), Instant::now());
        let spent = send(&throttle, 41, start) - start;
        assert!((seconds(9.5)..=seconds(10.1)).contains(&spent), "{spent:?}");
    }

    #[test]
    fn a_lull_saves_up_very_little() {
        let (throttle, start) = (throttle(), Instant::now());
        let later = send(&throttle, 1, start) + seconds(60.0);
        assert!(send(&throttle, 4, later) - later >= seconds(0.499));
    }

    #[test]
    fn a_refusal_stops_everybody_and_halves_the_pace_once() {
        let (throttle, start) = (throttle(), Instant::now());
        send(&throttle, 1, start);
        throttle.refused(start, start, Some(seconds(4.0)));
        throttle.refused(start, start, Some(seconds(2.0)));
        assert!((throttle.rate() - 2.0).abs() < 1e-9);
        assert!(send(&throttle, 1, start) - start >= seconds(4.0));
    }

    #[test]
    fn a_refusal_without_a_time_waits_longer_each_time() {
        let (throttle, mut now) = (throttle(), Instant::now());
        for least in [0.7, 1.4, 2.8] {
            throttle.refused(now, now, None);
            let next = send(&throttle, 1, now);
            assert!(next - now >= seconds(least), "{:?}", next - now);
            now = next + seconds(0.1);
        }
    }

    #[test]
    fn a_storm_of_refusals_halves_the_pace_once() {
        let (throttle, mut now) = (throttle(), Instant::now());
        for _ in 0..8 {
            throttle.refused(now, now, Some(seconds(4.0)));
            now = send(&throttle, 1, now) + seconds(0.1);
        }
        assert!((throttle.rate() - 2.0).abs() < 1e-9);
        throttle.passed(now);
        throttle.refused(now, now, Some(seconds(4.0)));
        assert!((throttle.rate() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_wait_that_was_too_short_is_not_believed_again() {
        let (throttle, mut now) = (throttle(), Instant::now());
        for least in [0.0, 1.4, 2.8, 4.0] {
            throttle.refused(now, now, Some(Duration::ZERO));
            let next = send(&throttle, 1, now);
            assert!(next - now >= seconds(least), "{:?}", next - now);
            now = next + seconds(0.1);
        }
    }

    #[test]
    fn the_pace_creeps_back() {
        let (throttle, start) = (throttle(), Instant::now());
        throttle.refused(start, start, None);
        for half_minutes in 1..12 {
            let now = start + seconds(31.0) * half_minutes;
            throttle.passed(now);
            throttle.passed(now);
        }
        assert!((throttle.rate() - 4.0).abs() < 1e-9);
    }

    #[tokio::test]
    async fn a_wait_beyond_the_deadline_is_refused() {
        let throttle = throttle();
        let now = Instant::now();
        throttle.refused(now, now, Some(seconds(60.0)));
        assert!(throttle.admit(now + seconds(1.0)).await.is_err());
    }

    #[test]
    fn the_pace_is_remembered() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tidal-pace.json");
        let first = Throttle::new(&Timing::default(), Some(path.clone()));
        first.refused(
            Instant::now(),
            Instant::now(),
            Some(Duration::from_secs(30)),
        );
        let second = Throttle::new(&Timing::default(), Some(path));
        assert!((second.rate() - 2.0).abs() < 1e-9);
        assert!(second.pause() > Duration::from_secs(25));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now: Timestamp = "2026-11-22T09:40:00Z".parse().unwrap();
        let read = |value, date| retry_after(value, date, now).map(|wait| wait.as_secs());
        assert_eq!(read("4", None), Some(4));
        assert_eq!(read(" 0 ", None), Some(0));
        assert_eq!(read("Sun, 22 Nov 2026 09:40:07 GMT", None), Some(8));
        assert_eq!(
            read(
                "Sun, 22 Nov 2026 09:40:07 GMT",
                Some("Sun, 22 Nov 2026 09:40:05 GMT")
            ),
            Some(3)
        );
        assert_eq!(read("Sun, 22 Nov 2020 09:40:07 GMT", None), Some(1));
        assert_eq!(read("soon", None), None);
    }
}
