//! Opening a web page for the user.

use std::{io, process::Stdio};

/// Opens `page` with the `BROWSER` command, else with the platform's opener.
pub(super) fn open(browser: Option<&str>, page: &str) -> Result<(), String> {
    let Some(browser) = browser else {
        return ::open::that_detached(page).map_err(|error| error.to_string());
    };
    // By custom a list of commands, of which the first that is there serves.
    let mut reason = String::new();
    for command in std::iter::once(browser).chain(browser.split(':')) {
        match start(command, page) {
            Ok(()) => return Ok(()),
            Err(error) => reason = format!("{command}: {error}"),
        }
    }
    Err(reason)
}

fn start(command: &str, page: &str) -> io::Result<()> {
    let mut words = if std::path::Path::new(command).is_file() {
        vec![command.to_owned()]
    } else {
        words(command)
    };
    if words.is_empty() {
        return Err(io::ErrorKind::NotFound.into());
    }
    let program = words.remove(0);
    let mut has_place = false;
    for word in &mut words {
        has_place |= word.contains("%s");
        *word = word.replace("%s", page);
    }
    if !has_place {
        words.push(page.to_owned());
    }
    let child = tokio::process::Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    // The runtime reaps it; the browser outlives us if it likes.
    drop(child);
    Ok(())
}

/// A command's words, parted by blanks outside quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in command.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_parted_into_words() {
        assert_eq!(
            words("firefox -P 'my profile' %s"),
            ["firefox", "-P", "my profile", "%s"]
        );
        assert_eq!(words("  a  \"\" b"), ["a", "", "b"]);
        assert!(words("  ").is_empty());
    }
}
