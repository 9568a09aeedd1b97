//! How far a reading is.

use std::{fmt, time::Duration};

/// How far a reading is, told now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Entries read.
    pub items: u64,
    /// Entries to read, by TIDAL's own counters.
    pub of_items: u64,
    /// Playlists of the account, as far as they are listed.
    pub playlists: u64,
    /// Requests made.
    pub requests: u64,
    /// Requests still to make, about.
    pub requests_left: u64,
    /// Time still to go, about.
    pub left: Duration,
    /// How long TIDAL has told us to wait, if it has.
    pub pause: Option<Duration>,
}

/// Is told how far a reading is.
pub type OnProgress = Box<dyn Fn(&Progress) + Send + Sync>;

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.of_items == 0 {
            write!(f, "{} playlists", self.playlists)?;
        } else {
            write!(f, "{} of {} items", self.items, self.of_items)?;
        }
        if let Some(pause) = self.pause {
            write!(f, ", TIDAL asks to wait {} s", pause.as_secs() + 1)
        } else if self.left >= Duration::from_secs(1) {
            let seconds = self.left.as_secs();
            match seconds {
                0..=99 => write!(f, ", about {seconds} s left"),
                _ => write!(f, ", about {} min left", seconds.div_ceil(60)),
            }
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_a_count_and_an_estimate() {
        let mut progress = Progress {
            playlists: 3,
            ..Progress::default()
        };
        assert_eq!(progress.to_string(), "3 playlists");
        progress.of_items = 100;
        progress.items = 20;
        progress.left = Duration::from_secs(42);
        assert_eq!(progress.to_string(), "20 of 100 items, about 42 s left");
        progress.left = Duration::from_secs(121);
        assert_eq!(progress.to_string(), "20 of 100 items, about 3 min left");
        progress.pause = Some(Duration::from_secs(4));
        assert_eq!(
            progress.to_string(),
            "20 of 100 items, TIDAL asks to wait 5 s"
        );
    }
}
