//! How long a file sounds, and how: what every format's reader finds out.

/// Properties of the audio; what could not be learnt is absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sound {
    /// Milliseconds.
    pub(super) duration_ms: Option<u64>,
    /// Milliseconds that are there, where less is there than the file promises.
    pub(super) left_ms: Option<u64>,
    /// Kilobits a second.
    pub(super) bitrate_kbps: Option<u32>,
    /// Hertz.
    pub(super) sample_rate_hz: Option<u32>,
    /// Bits a sample.
    pub(super) bit_depth: Option<u8>,
    /// Whether MP4 holds Apple Lossless.
    pub(super) is_alac: bool,
}

impl Sound {
    /// The sound of `samples` at `hz`, stored in `bytes`.
    pub(super) fn of_samples(samples: u64, hz: u32, bytes: u64) -> Self {
        let hz = Some(hz).filter(|&hz| hz > 0);
        let duration_ms = hz
            .and_then(|hz| {
                let hz = u128::from(hz);
                u64::try_from((u128::from(samples) * 1000 + hz / 2) / hz).ok()
            })
            .filter(|&ms| ms > 0);
        Self {
            duration_ms,
            bitrate_kbps: duration_ms.and_then(|ms| kbps(bytes, ms)),
            sample_rate_hz: hz,
            ..Self::default()
        }
    }
}

/// The length of a file of which `there` of `all` bytes are left.
pub(super) fn left(duration_ms: Option<u64>, there: u64, all: u64) -> Option<u64> {
    let left = u128::from(duration_ms?) * u128::from(there.min(all)) / u128::from(all.max(1));
    u64::try_from(left).ok()
}

/// The mean rate of `bytes` in `ms`: bits a millisecond are kilobits a second.
pub(super) fn kbps(bytes: u64, ms: u64) -> Option<u32> {
    let rate = bytes.saturating_mul(8).checked_div(ms)?;
    u32::try_from(rate).ok().filter(|&rate| rate > 0)
}
