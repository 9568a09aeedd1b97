//! When the library changes: the file system's events, of which only "something happened" counts.

use std::path::{Path, PathBuf};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Listens below a folder until it is dropped.
pub(super) struct Events {
    /// The listening ends with it.
    _watcher: RecommendedWatcher,
    heard: mpsc::Receiver<()>,
}

impl Events {
    /// Listens to the folder and all below it, except for our own folder there.
    ///
    /// # Errors
    /// In words, when the system does not let us.
    pub(super) fn of(root: &Path) -> Result<Self, String> {
        // One signal that waits is as good as many.
        let (tell, heard) = mpsc::channel(1);
        let own = root.join(".tidal-cleanup");
        let listen = move |event: notify::Result<Event>| {
            if event.is_ok_and(|event| matters(&event, &own)) {
                let _ = tell.try_send(());
            }
        };
        let mut watcher = notify::recommended_watcher(listen).map_err(|error| error.to_string())?;
        watcher
            .watch(root, RecursiveMode::Recursive)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            _watcher: watcher,
            heard,
        })
    }

    /// Ends at the next change.
    pub(super) async fn next(&mut self) {
        if self.heard.recv().await.is_none() {
            // Nothing comes any more; the schedule goes on.
            std::future::pending::<()>().await;
        }
    }

    /// Forgets what was heard so far.
    pub(super) fn forget(&mut self) {
        while self.heard.try_recv().is_ok() {}
    }
}

/// Whether something may be different now. Who only looks (as our own scan does) changes nothing.
fn matters(event: &Event, own: &Path) -> bool {
    let changes = !matches!(event.kind, EventKind::Access(_));
    let ours = |path: &PathBuf| path.starts_with(own);
    changes && (event.paths.is_empty() || !event.paths.iter().all(ours))
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{AccessKind, CreateKind};

    #[test]
    fn looking_and_our_own_folder_do_not_matter() {
        let own = Path::new("/m/.tidal-cleanup");
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let create = EventKind::Create(CreateKind::File);
        assert!(matters(&event(create, "/m/a.mp3"), own));
        assert!(!matters(
            &event(create, "/m/.tidal-cleanup/incoming/a.mp3"),
            own
        ));
        assert!(!matters(
            &event(EventKind::Access(AccessKind::Read), "/m/a.mp3"),
            own
        ));
        assert!(
            matters(&Event::new(EventKind::Any), own),
            "events were lost"
        );
    }

    #[tokio::test]
    async fn a_new_file_is_heard() {
        let root = tempfile::tempdir().unwrap();
        let mut events = Events::of(root.path()).unwrap();
        std::fs::create_dir(root.path().join("House")).unwrap();
        events.next().await;
        assert!(Events::of(&root.path().join("no")).is_err());
    }
}
