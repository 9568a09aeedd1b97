//! How a person who is not looking is told.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use crate::policy::Notify;

/// A command that tells is done by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tells it in the way of the policy.
///
/// # Errors
/// In words, when that way does not work here.
pub(super) async fn tell(how: &Notify, title: &str, text: &str) -> Result<(), String> {
    match how {
        Notify::None => Ok(()),
        Notify::Desktop => desktop(title.to_owned(), text.to_owned()).await,
        Notify::Command(words) => run(words, title, text).await,
    }
}

async fn desktop(title: String, text: String) -> Result<(), String> {
    let shown = tokio::task::spawn_blocking(move || {
        let mut notification = notify_rust::Notification::new();
        notification
            .appname("tidal-cleanup")
            .summary(&title)
            .body(&text);
        notification
            .show()
            .map(drop)
            .map_err(|error| error.to_string())
    });
    match tokio::time::timeout(PATIENCE, shown).await {
        Ok(Ok(shown)) => shown,
        Ok(Err(_)) | Err(_) => Err("the desktop gave no answer".to_owned()),
    }
}

/// Runs the command without a shell.
async fn run(words: &[String], title: &str, text: &str) -> Result<(), String> {
    let mut filled = words.iter().map(|word| fill(word, title, text));
    let program = filled.next().unwrap_or_default();
    let mut command = Command::new(&program);
    command
        .args(filled)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.status()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(format!("{program} ended with {status}")),
        Ok(Err(error)) => Err(format!("{program} cannot be run: {error}")),
        Err(_) => Err(format!(
            "{program} took longer than {} s",
            PATIENCE.as_secs()
        )),
    }
}

/// Fills the places in once: a title that looks like a place stays as it is.
fn fill(word: &str, title: &str, text: &str) -> String {
    let mut filled = String::new();
    let mut rest = word;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        filled.push_str(before);
        let (value, length) = match from {
            it if it.starts_with("{title}") => (title, "{title}".len()),
            it if it.starts_with("{text}") => (text, "{text}".len()),
            _ => ("{", 1),
        };
        filled.push_str(value);
        rest = &from[length..];
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_once() {
        assert_eq!(fill("{title}: {text} {x}", "{text}", "b"), "{text}: b {x}");
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_command_gets_the_words_and_its_failure_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("out");
        let words = |script: &str| {
            let words = ["sh", "-c", script, "sh", "{title}", "{text}"];
            Notify::Command(words.map(str::to_owned).to_vec())
        };
        let script = format!("printf '%s|%s' \"$1\" \"$2\" > '{}'", file.display());
        tell(&words(&script), "a; rm", "$(b)").await.unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "a; rm|$(b)");
        let failed = tell(&words("exit 3"), "", "").await.unwrap_err();
        assert!(failed.contains("exit status: 3"), "{failed}");
        let missing = Notify::Command(vec!["no-such-program".to_owned()]);
        assert!(
            tell(&missing, "", "")
                .await
                .unwrap_err()
                .contains("cannot be run")
        );
        assert_eq!(tell(&Notify::None, "", "").await, Ok(()));
    }
}
