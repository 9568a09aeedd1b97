//! A file seen through a small window, with a limit on what a reader may ask of it.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How much one file may cost. A healthy file needs a few dozen calls and some kilobytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Bytes that may be fetched from the disk.
    pub(super) bytes: u64,
    /// Reads and seeks that may be asked for.
    pub(super) calls: u32,
    /// Time that the processor may work on it; waiting for the disk, or for a turn, is not counted.
    pub(super) time: Duration,
}

impl Budget {
    /// For one file.
    pub(super) const FILE: Self = Self {
        bytes: 64 << 20,
        calls: 300_000,
        time: Duration::from_millis(600),
    };
}

/// The first window: most files hold all that matters in it.
const FIRST: usize = 16 << 10;
/// Windows further on, where a header or a trailer is looked at.
const LATER: usize = 4 << 10;
/// From here on a file costs memory as well as time.
const HEAVY: u64 = 2 << 20;
/// Held while a heavy file is read, so that many of them side by side do not add up.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// How many calls may pass between two looks at the clock.
const LOOK: u32 = 64;

#[derive(Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn has(&self, position: u64) -> bool {
        position >= self.at && position - self.at < self.bytes.len() as u64
    }
}

/// A file from an offset to its end as `Read + Seek`: two windows (readers jump between head and tail),
/// no read-ahead, and an error once the budget is spent.
pub(super) struct View<'a> {
    file: &'a File,
    base: u64,
    len: u64,
    position: u64,
    windows: [Window; 2],
    latest: usize,
    budget: Budget,
    started: Duration,
    disk_failed: bool,
    turn: Option<MutexGuard<'static, ()>>,
}

impl<'a> View<'a> {
    pub(super) fn new(file: &'a File, len: u64, budget: Budget) -> Self {
        Self {
            file,
            base: 0,
            len,
            position: 0,
            windows: [Window::default(), Window::default()],
            latest: 0,
            budget,
            started: worked(),
            disk_failed: false,
            turn: None,
        }
    }

    /// Lets position 0 be `base` bytes into the file, so that the reader sees nothing before it.
    pub(super) fn rebase(&mut self, base: u64) {
        self.base = base.min(self.len);
        self.position = 0;
    }

    /// Hides what lies `end` bytes after position 0.
    pub(super) fn limit(&mut self, end: u64) {
        self.len = self.len.min(self.base.saturating_add(end));
    }

    /// The bytes from position 0 to the file's end.
    pub(super) const fn length(&self) -> u64 {
        self.len - self.base
    }

    /// Whether the disk, and not the file, is at fault.
    pub(super) const fn disk_failed(&self) -> bool {
        self.disk_failed
    }

    /// Goes back to position 0.
    pub(super) const fn restart(&mut self) {
        self.position = 0;
    }

    /// Up to `count` bytes at `position`, fewer at the end of the file.
    pub(super) fn peek(&mut self, position: u64, count: usize) -> io::Result<Vec<u8>> {
        let rest = self.length().saturating_sub(position);
        let mut bytes = vec![0; count.min(usize::try_from(rest).unwrap_or(usize::MAX))];
        self.position = position;
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn charge(&mut self) -> io::Result<()> {
        self.budget.calls = self.budget.calls.saturating_sub(1);
        if self.budget.calls.is_multiple_of(LOOK)
            && worked().saturating_sub(self.started) > self.budget.time
        {
            self.budget.calls = 0;
        }
        if self.budget.calls == 0 {
            return Err(io::Error::other("its reader asks for too much"));
        }
        Ok(())
    }

    fn fetch(&mut self, at: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let asked = buffer.len() as u64;
        if asked > self.budget.bytes {
            return Err(io::Error::other("its reader asks for too many bytes"));
        }
        if self.budget.bytes - asked < Budget::FILE.bytes - HEAVY && self.turn.is_none() {
            let turn = ONE_AT_A_TIME.lock();
            self.turn = Some(turn.unwrap_or_else(PoisonError::into_inner));
        }
        let mut filled = 0;
        while filled < buffer.len() {
            match read_at(self.file, &mut buffer[filled..], at + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.disk_failed = true;
                    return Err(error);
                }
            }
        }
        self.budget.bytes -= filled as u64;
        Ok(filled)
    }

    fn fill(&mut self, at: u64) -> io::Result<usize> {
        let latest = &self.windows[self.latest];
        let size = if latest.bytes.is_empty() {
            FIRST
        } else {
            LATER
        };
        // A reader that goes backwards gets a window that mostly lies before the position.
        let backwards = at < latest.at && latest.at - at <= LATER as u64;
        let start = if backwards {
            at.saturating_sub(LATER as u64 * 3 / 4)
        } else {
            at
        };
        let room = usize::try_from(self.len.saturating_sub(start)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; size.min(room)];
        let filled = self.fetch(start, &mut bytes)?;
        bytes.truncate(filled);
        // The head stays in the first window; the second one moves.
        let slot = usize::from(!self.windows[0].bytes.is_empty());
        self.windows[slot] = Window { at: start, bytes };
        self.latest = slot;
        Ok(slot)
    }
}

impl Read for View<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.charge()?;
        let rest = self.length().saturating_sub(self.position);
        let want = buffer
            .len()
            .min(usize::try_from(rest).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let at = self.base + self.position;
        let slot = match self.windows.iter().position(|window| window.has(at)) {
            Some(slot) => slot,
            None if want >= FIRST => {
                let count = self.fetch(at, &mut buffer[..want])?;
                self.position += count as u64;
                return Ok(count);
            }
            None => self.fill(at)?,
        };
        let window = &self.windows[slot];
        if !window.has(at) {
            return Ok(0);
        }
        let from = usize::try_from(at - window.at).unwrap_or(usize::MAX);
        let count = want.min(window.bytes.len() - from);
        buffer[..count].copy_from_slice(&window.bytes[from..from + count]);
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for View<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.charge()?;
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before_start = || io::Error::new(io::ErrorKind::InvalidInput, "seek before the start");
        self.position = target.ok_or_else(before_start)?;
        Ok(self.position)
    }
}

/// How long this thread has worked: a busy machine must not make a healthy file look hostile.
#[cfg(unix)]
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How long this program has run, where a thread's own time cannot be told.
#[cfg(not(unix))]
fn worked() -> Duration {
    static BEGAN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGAN.get_or_init(std::time::Instant::now).elapsed()
}

#[cfg(unix)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    use std::os::unix::fs::FileExt as _;
    file.read_at(buffer, at)
}

#[cfg(windows)]
fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    use std::os::windows::fs::FileExt as _;
    file.seek_read(buffer, at)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn file(len: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..len).map(|n| u8::try_from(n % 251).unwrap()).collect();
        file.write_all(&bytes).unwrap();
        file
    }

    #[test]
    fn any_walk_gives_the_bytes_of_the_file() {
        let file = file(100_000);
        let mut view = View::new(&file, 100_000, Budget::FILE);
        view.rebase(10);
        for position in [0, 99_980, 99_900, 5, 50_000, 49_000, 48_900, 15_990] {
            let bytes = view.peek(position, 40).unwrap();
            assert!(!bytes.is_empty());
            for (offset, byte) in bytes.iter().enumerate() {
                let at = usize::try_from(position).unwrap() + 10 + offset;
                assert_eq!(usize::from(*byte), at % 251, "at {at}");
            }
        }
        view.rewind().unwrap();
        let mut all = Vec::new();
        view.read_to_end(&mut all).unwrap();
        assert_eq!(all.len(), 99_990);
    }

    #[test]
    fn a_greedy_reader_is_stopped() {
        let file = file(100_000);
        let few = Budget {
            calls: 100,
            ..Budget::FILE
        };
        let mut view = View::new(&file, 100_000, few);
        let stopped = (0..1000).find_map(|_| view.read(&mut [0]).err());
        assert!(stopped.is_some());

        let small = Budget {
            bytes: 20_000,
            ..Budget::FILE
        };
        let mut view = View::new(&file, 100_000, small);
        assert!(view.read_to_end(&mut Vec::new()).is_err());
    }
}
