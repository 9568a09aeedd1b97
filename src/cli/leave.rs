//! Ending the process.
//!
//! Every connection to SQLite has a thread of its own, and one that was dropped may still be closing when the
//! program is done. What C libraries registered to run at the end of a process (SQLCipher's gives back
//! its memory and its locks, OpenSSL's its tables) would pull the ground from under that thread.
//! So nothing of the kind runs: the system takes everything back anyway.

use std::io::Write as _;

use super::error::Exit;

/// Ends the process with this code, when all that it had to say is said.
pub fn leave(exit: Exit) -> ! {
    // Whoever no longer reads is no reason to stay.
    let _ = std::io::stdout().flush();
    at_once(exit)
}

/// Ends the process with this code, whatever its threads are doing.
pub fn at_once(exit: Exit) -> ! {
    signal_hook::low_level::exit(i32::from(exit.code()))
}
