//! `tidal lists`: the account's playlists, and what becomes of them.

use std::fmt;

use crate::{
    cli::{
        engine::load_policy,
        error::{CliError, Exit},
        readings::{self, Wish},
        settings::Settings,
        ui::Ui,
        view::{Envelope, text},
    },
    edge::tidal::{PlaylistHead, SnapshotFile, TidalApi as _},
    policy::{Policy, SyncMode},
};

/// A playlist and what the policy does with it.
#[derive(Debug, serde::Serialize)]
struct Line {
    id: String,
    name: String,
    /// By TIDAL's own count.
    entries: Option<u32>,
    last_modified_at: Option<jiff::Timestamp>,
    /// `None`: there is no policy.
    mode: Option<&'static str>,
}

/// `tidal lists`: one request for twenty playlists.
///
/// # Errors
/// When TIDAL cannot be read.
pub async fn lists(settings: &Settings, ui: &Ui) -> Result<Exit, CliError> {
    let policy = match settings.policy_path() {
        Ok(_) => Some(load_policy(settings, ui)?),
        Err(error) if settings.policy.is_some() => return Err(error),
        Err(_) => None,
    };
    let heads = heads(settings, ui, policy.as_ref()).await;
    ui.end_progress();
    let lines: Vec<Line> = heads?
        .into_iter()
        .map(|head| Line {
            mode: policy.as_ref().map(|policy| mode(policy, &head)),
            id: head.id.as_str().to_owned(),
            name: head.name,
            entries: head.number_of_items,
            last_modified_at: head.last_modified_at,
        })
        .collect();
    ui.answer_either(
        Lines(&lines),
        &Envelope::new("tidal-lists", serde_json::json!({ "playlists": lines })),
    )?;
    if policy.is_none() {
        ui.hint(
            "there is no policy that says what becomes of them; `tidal-cleanup init` writes one",
        );
    }
    Ok(Exit::Done)
}

/// The playlists without their entries: from the policy's file where it names one, else from TIDAL.
async fn heads(
    settings: &Settings,
    ui: &Ui,
    policy: Option<&Policy>,
) -> Result<Vec<PlaylistHead>, CliError> {
    if let Some(path) = policy.and_then(|policy| policy.tidal.snapshot.clone()) {
        let reading = SnapshotFile { path }.read().await?.value;
        let count = |entries: usize| u32::try_from(entries).ok();
        return Ok(reading
            .playlists
            .into_iter()
            .map(|list| PlaylistHead {
                number_of_items: list.number_of_items.or_else(|| count(list.items.len())),
                id: list.id,
                name: list.name,
                description: list.description,
                last_modified_at: list.last_modified_at,
            })
            .collect());
    }
    let account = readings::tidal_settings(settings, &settings.place(policy)?)?;
    let wish = Wish {
        favorites: false,
        country: policy.and_then(|policy| policy.tidal.country.clone()),
    };
    let service = readings::service(None, &account, wish, ui).await?;
    Ok(service.heads().await?)
}

fn mode(policy: &Policy, head: &PlaylistHead) -> &'static str {
    let (id, name) = (head.id.as_str(), head.name.as_str());
    if !policy.tidal.selects(id, name) {
        return "not managed";
    }
    match policy.mode(id, name).0 {
        SyncMode::Manage => "manage",
        SyncMode::Additive => "additive",
        SyncMode::Observe => "observe",
    }
}

struct Lines<'a>(&'a [Line]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut entries = 0;
        for line in self.0 {
            let count = line.entries.map_or_else(|| "?".to_owned(), text::number);
            entries += line.entries.unwrap_or_default() as usize;
            let mode = line.mode.unwrap_or_default();
            writeln!(f, "{count:>6}  {mode:<11}  {}", text::visible(&line.name))?;
        }
        let lists = text::count(self.0.len(), "playlist", "playlists");
        write!(
            f,
            "{lists} with {}",
            text::count(entries, "entry", "entries")
        )
    }
}
