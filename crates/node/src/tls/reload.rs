//! What a running node looks at again and again: its key files, the lists of withdrawn certificates, withdrawn keys,
//! partners who have not taken its present card.
//!
//! The system's notices of changed files come at once; beside them the files are looked at every
//! `tls.reload_seconds`, since notices get lost on some file systems. New keys are shown to connections made from then
//! on; open ones go on. When what lies there cannot be used, the keys or lists read before stay in force, and the log
//! says why once for each change of the files; `doctor` finds the same on the disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::{RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::home::Home;
use crate::jobs::Jobs;
use crate::keys::{Keys, rotation};
use crate::ops::blocking;

/// Time between two looks at withdrawn keys.
const REVIEW_PERIOD: Duration = Duration::from_secs(1);

/// A change of files comes in several notices; the last one tells.
const SETTLE: Duration = Duration::from_millis(100);

/// Time a withdrawn partner's jobs get to tell it why they end, before its connections are closed.
const FAREWELL: Duration = Duration::from_millis(300);

/// Looks after all of it until `stop`.
pub(crate) async fn watch(home: Home, jobs: Jobs, stop: CancellationToken) {
    let (sender, mut notices) = mpsc::channel(1);
    // Held until the end; without notices the files are looked at in intervals only.
    let _watcher = watcher(&home, sender);
    let mut files = Files::new(&home);
    let mut poll = tokio::time::interval(home.settings().tls.reload);
    let mut review = tokio::time::interval(REVIEW_PERIOD);
    for timer in [&mut poll, &mut review] {
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            Some(()) = notices.recv() => {
                tokio::time::sleep(SETTLE).await;
                files.look(&home).await;
                home.hand_over_cards(false).await;
            }
            _ = poll.tick() => {
                files.look(&home).await;
                home.hand_over_cards(false).await;
            }
            _ = review.tick() => end_withdrawn(&home, &jobs).await,
        }
    }
}

/// Ends jobs and connections whose partner's key was withdrawn.
async fn end_withdrawn(home: &Home, jobs: &Jobs) {
    if home.connections().is_empty() {
        return;
    }
    match home.pins_now().await {
        Err(error) => tracing::error!(%error, "withdrawn keys cannot be read"),
        Ok(pins) => {
            let fallen = home.connections().fallen(|chain| super::stands(chain, &pins));
            if fallen.is_empty() {
                return;
            }
            if jobs.end_withdrawn(&fallen) {
                tokio::time::sleep(FAREWELL).await;
            }
            home.connections().end(&fallen);
            tracing::warn!(connections = fallen.len(), "connections were closed: a key was withdrawn");
        }
    }
}

fn watcher(home: &Home, sender: mpsc::Sender<()>) -> Option<notify::RecommendedWatcher> {
    let handler = move |event: notify::Result<notify::Event>| {
        // Reading a file is no change of it; a full queue means that a look is due already.
        if event.is_ok_and(|event| !event.kind.is_access()) {
            sender.try_send(()).unwrap_or_default();
        }
    };
    let made = notify::recommended_watcher(handler).and_then(|mut watcher| {
        watcher.watch(&home.settings().keys_dir(), RecursiveMode::NonRecursive)?;
        // Files are often replaced by a rename, which only their directory notices.
        for directory in home.settings().tls.crl.iter().filter_map(|path| path.parent()) {
            watcher.watch(directory, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    });
    made.inspect_err(|error| tracing::warn!(%error, "no notices of changed key files; they are looked at in intervals"))
        .ok()
}

/// How the files looked when they were last read.
struct Files {
    keys: Vec<Look>,
    lists: Vec<Look>,
}

/// Length, inode and time of a file; nothing when it is not there.
type Look = Option<(u64, u64, SystemTime)>;

impl Files {
    fn new(home: &Home) -> Self {
        Self { keys: looks(&key_files(home)), lists: looks(&home.settings().tls.crl) }
    }

    /// Reads what changed.
    async fn look(&mut self, home: &Home) {
        let keys = looks(&key_files(home));
        if keys != self.keys {
            self.keys = keys;
            let store = Arc::clone(home.key_store());
            match blocking(move || Keys::load(&store)).await {
                Ok(keys) => {
                    home.key_ring().put(keys);
                    tracing::info!("the keys were read anew; new connections show them");
                }
                Err(error) => keep("the key files cannot be used; the keys read before stay in force", &error),
            }
        }
        let lists = looks(&home.settings().tls.crl);
        if lists != self.lists {
            self.lists = lists;
            let (crls, paths) = (home.crls().clone(), home.settings().tls.crl.clone());
            match blocking(move || crls.reload(&paths)).await {
                Ok(()) => tracing::info!("the lists of withdrawn certificates were read anew"),
                Err(error) => keep("a list of withdrawn certificates cannot be used; those before stay", &error),
            }
        }
        let (store, now) = (Arc::clone(home.key_store()), home.clock().now());
        if let Err(error) = blocking(move || rotation::retire(&store, now)).await {
            keep("a former key that no longer counts could not be removed", &error);
        }
    }
}

fn keep(what: &'static str, error: &Error) {
    tracing::error!(reason = error.reason(), %error, remedy = error.remedy(), "{what}");
}

fn key_files(home: &Home) -> Vec<PathBuf> {
    let dir = home.settings().keys_dir();
    ["organisation.key", "tls.key", "tls.crt", "sealing.key", "history.toml"]
        .iter()
        .map(|name| dir.join(name))
        .collect()
}

fn looks(paths: &[PathBuf]) -> Vec<Look> {
    use std::os::unix::fs::MetadataExt;
    let look = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.ino(), metadata.modified().ok()?))
    };
    paths.iter().map(|path| look(path)).collect()
}
