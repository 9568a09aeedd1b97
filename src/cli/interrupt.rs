//! Ctrl-C: polite while an apply runs, immediate otherwise.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

use super::error::Exit;

/// What Ctrl-C asked for.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    /// Stop after the running action.
    stop: Arc<AtomicBool>,
    /// An apply runs: the first Ctrl-C is only a wish.
    working: Arc<AtomicBool>,
    /// Somebody waits for nothing but the signal: the first one ends the waiting.
    waiting: Arc<AtomicBool>,
    wake: Arc<Notify>,
}

/// While it lives, the first Ctrl-C lets the running action end.
#[must_use]
#[derive(Debug)]
pub struct Working(Arc<AtomicBool>);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// What to do about one more Ctrl-C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    /// Let the running action end.
    Stop,
    /// Whoever waits ends by itself.
    Wake,
    /// Leave at once; the journal holds what was begun.
    Leave,
}

impl Interrupt {
    /// The flag that a run polls between actions.
    #[must_use]
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stop)
    }

    /// Whether somebody asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// Makes the first Ctrl-C a wish until the value is dropped.
    pub fn working(&self) -> Working {
        self.working.store(true, Ordering::SeqCst);
        Working(Arc::clone(&self.working))
    }

    /// Makes the first Ctrl-C end a waiting, by [`requested`](Self::requested), until the value is dropped.
    pub fn waiting(&self) -> Working {
        self.waiting.store(true, Ordering::SeqCst);
        Working(Arc::clone(&self.waiting))
    }

    /// Ends when somebody asks to stop.
    pub async fn requested(&self) {
        let woken = self.wake.notified();
        if !self.is_requested() {
            woken.await;
        }
    }

    fn respond(&self) -> Response {
        // Looked at first: whoever waits may be gone as soon as the wish is there.
        let (working, waiting) = (
            self.working.load(Ordering::SeqCst),
            self.waiting.load(Ordering::SeqCst),
        );
        let first = !self.stop.swap(true, Ordering::SeqCst);
        self.wake.notify_waiters();
        match (first && working, first && waiting) {
            (true, _) => Response::Stop,
            (false, true) => Response::Wake,
            (false, false) => Response::Leave,
        }
    }

    /// Watches for SIGINT (and SIGTERM) from now on; `say` tells the person what happens.
    pub fn watch(&self, say: impl Fn(&str) + Send + 'static) {
        let interrupt = self.clone();
        tokio::spawn(async move {
            while signal().await.is_ok() {
                match interrupt.respond() {
                    Response::Stop => say(
                        "Finishing the running action. Press Ctrl-C again to leave at once; \
                         `tidal-cleanup apply --resume` goes on either way.",
                    ),
                    Response::Wake => {}
                    Response::Leave => break_off(),
                }
            }
        });
    }
}

/// The second Ctrl-C leaves at once, whatever the other threads are waiting for.
fn break_off() -> ! {
    // A download command is a group of its own, which no Ctrl-C of the terminal reaches.
    crate::edge::download::kill_all();
    // dialoguer hides the cursor while it asks.
    let term = console::Term::stderr();
    if term.is_term() {
        let _ = term.show_cursor();
    }
    super::leave::at_once(Exit::Interrupted)
}

#[cfg(unix)]
async fn signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn signal() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_a_wish_and_the_second_an_order() {
        let interrupt = Interrupt::default();
        let working = interrupt.working();
        assert_eq!(interrupt.respond(), Response::Stop);
        assert!(interrupt.is_requested() && interrupt.flag().load(Ordering::SeqCst));
        assert_eq!(interrupt.respond(), Response::Leave);
        drop(working);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_and_leaves_by_himself() {
        let interrupt = Interrupt::default();
        let waiting = interrupt.waiting();
        let other = interrupt.clone();
        let woken = tokio::spawn(async move { other.requested().await });
        tokio::task::yield_now().await;
        assert_eq!(interrupt.respond(), Response::Wake);
        woken.await.unwrap();
        interrupt.requested().await;
        assert_eq!(interrupt.respond(), Response::Leave);
        drop(waiting);
    }

    #[test]
    fn without_an_apply_it_leaves_at_once() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.respond(), Response::Leave);
        drop(interrupt.working());
        assert_eq!(Interrupt::default().respond(), Response::Leave);
    }
}
