//! A plan as one page: self-contained, with the content of the text rendering and `-v`.
//!
//! The page loads nothing and sends nothing: its content security policy allows its own style and
//! script by their hashes, and no more. Names are escaped, so none can be markup. The filters stand in
//! the page's address (`#q=cues&s=x`), so that a link leads to what was looked at.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::plan::document::{Body, Plan};

use super::{
    Look,
    plan::{
        PlanView, Section, apply_command, check_row, closing, estimates, sections_of, short_digest,
    },
    rows::{Row, Symbol},
    text::{bytes, count, number, visible},
};

const STYLE: &str = include_str!("html/page.css");
const SCRIPT: &str = include_str!("html/page.js");

/// The page. `saved`: the name of the plan's file; `undo_until`: until when trashed files can be brought
/// back. `None` where that is not known.
#[must_use]
pub fn html(plan: &Plan, saved: Option<&str>, undo_until: Option<jiff::civil::Date>) -> String {
    let look = Look {
        verbose: true,
        ..Look::plain()
    };
    let view = PlanView {
        undo_until,
        ..PlanView::new(plan, &look)
    };
    let sections = sections_of(&view);
    let digest = short_digest(&plan.digest);
    let mut page = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         script-src 'sha256-{}'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"referrer\" content=\"no-referrer\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>tidal-cleanup plan {digest}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n",
        source(STYLE),
        source(SCRIPT),
    );
    head(&mut page, plan, saved);
    controls(&mut page, &sections);
    page.push_str("<main>\n");
    for section in &sections {
        group(&mut page, section);
    }
    if sections.is_empty() {
        page.push_str("<p class=\"none\">Nothing to do.</p>\n");
    }
    page.push_str("</main>\n");
    checks(&mut page, &plan.body);
    let _ = write!(page, "<script>{SCRIPT}</script>\n</body>\n</html>\n");
    page
}

/// The hash by which the content security policy knows a piece of the page.
fn source(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

fn head(page: &mut String, plan: &Plan, saved: Option<&str>) {
    let body = &plan.body;
    let digest = short_digest(&plan.digest);
    let _ = write!(
        page,
        "<header>\n<h1>Plan <code>{digest}</code></h1>\n<p class=\"closing\">{}</p>\n",
        escaped(&closing(plan, None))
    );
    if let Some(estimates) = estimates(plan) {
        let _ = writeln!(page, "<p class=\"estimates\">{}</p>", escaped(&estimates));
    }
    let inputs = &body.inputs;
    let mut facts = vec![
        ("Digest", plan.digest.clone()),
        ("As of", inputs.as_of.clone()),
        (
            "Policy",
            format!(
                "{} ({})",
                inputs.policy.path,
                short_hash(&inputs.policy.sha256.to_string())
            ),
        ),
        (
            "TIDAL",
            count(inputs.tidal.playlists, "playlist", "playlists"),
        ),
        (
            "Library",
            format!(
                "{}, {}",
                count(inputs.files.files, "file", "files"),
                bytes(inputs.files.bytes)
            ),
        ),
    ];
    if let Some(rekordbox) = &inputs.rekordbox {
        let version = rekordbox.version.as_deref().unwrap_or("of unknown version");
        let tracks = count(rekordbox.tracks, "track", "tracks");
        facts.push(("Rekordbox", format!("{version}, {tracks}")));
    }
    if !body.complete {
        facts.push((
            "Readings",
            "not complete: nothing is taken away for being absent".to_owned(),
        ));
    }
    if let Some(at) = plan.meta.generated_at {
        facts.push(("Made", at.strftime("%Y-%m-%d %H:%M UTC").to_string()));
    }
    page.push_str("<dl>\n");
    for (name, value) in facts {
        let _ = writeln!(
            page,
            "<div><dt>{name}</dt><dd>{}</dd></div>",
            escaped(&value)
        );
    }
    page.push_str("</dl>\n");
    if body.applyable && !body.actions.is_empty() {
        let _ = writeln!(
            page,
            "<p>Apply it with <code>{}</code></p>",
            escaped(&apply_command(plan, saved))
        );
    }
    page.push_str("</header>\n");
}

fn short_hash(hash: &str) -> String {
    hash.chars().take(8).collect()
}

fn controls(page: &mut String, sections: &[Section]) {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    page.push_str(
        "<search class=\"controls\">\n<label>Search <input id=\"q\" type=\"search\" autocomplete=\"off\" \
         spellcheck=\"false\" placeholder=\"name, rule, reason …\"></label>\n<label>In <select id=\"p\">\
         <option value=\"\">everything</option>",
    );
    for (number, section) in sections.iter().enumerate() {
        let _ = write!(
            page,
            "<option value=\"{number}\">{}</option>",
            escaped(&section.heading)
        );
    }
    page.push_str("</select></label>\n<fieldset><legend>Show</legend>");
    for symbol in Symbol::ALL {
        let many = rows().filter(|row| row.symbol == symbol).count();
        if many > 0 {
            let sign = escaped(&symbol.character().to_string());
            let _ = write!(
                page,
                "<label class=\"{}\"><input type=\"checkbox\" name=\"s\" value=\"{sign}\" checked> \
                 <b>{sign}</b> {} <i>{}</i></label>",
                class(symbol),
                symbol.word(),
                number(many as u64)
            );
        }
    }
    let all = count(rows().count(), "row", "rows");
    let _ = write!(
        page,
        "</fieldset>\n<p><output id=\"shown\" aria-live=\"polite\">{all}</output> \
         <button id=\"open\" type=\"button\">Open all</button> \
         <button id=\"close\" type=\"button\">Close all</button> \
         <button id=\"reset\" type=\"button\">Show everything</button>\n\
         <span class=\"keys\"><kbd>/</kbd> search · <kbd>j</kbd> <kbd>k</kbd> next, previous row · \
         <kbd>Enter</kbd> details · <kbd>Esc</kbd> everything</span></p>\n</search>\n"
    );
}

fn group(page: &mut String, section: &Section) {
    let aside = match section.aside.is_empty() {
        true => String::new(),
        false => format!(" <small>{}</small>", escaped(&section.aside)),
    };
    let _ = writeln!(
        page,
        "<details class=\"group\" open>\n<summary><h2>{}{aside}</h2></summary>",
        escaped(&section.heading)
    );
    for one in &section.rows {
        row(page, one);
    }
    page.push_str("</details>\n");
}

fn row(page: &mut String, row: &Row) {
    let sign = escaped(&row.symbol.character().to_string());
    let line = format!(
        "<b title=\"{}\">{sign}</b> <span class=\"l\">{}</span> <span class=\"n\">{}</span>",
        row.symbol.word(),
        escaped(row.label.text()),
        escaped(&row.note)
    );
    let class = class(row.symbol);
    // A row without details is no control.
    let _ = match row.below.is_empty() {
        true => writeln!(
            page,
            "<div class=\"row {class}\" data-s=\"{sign}\" tabindex=\"0\">{line}</div>"
        ),
        false => writeln!(
            page,
            "<details class=\"row {class}\" data-s=\"{sign}\"><summary>{line}</summary><pre>{}</pre></details>",
            escaped_lines(&row.below)
        ),
    };
}

fn checks(page: &mut String, body: &Body) {
    if body.checks.is_empty() {
        return;
    }
    let _ = writeln!(
        page,
        "<details class=\"checks\"><summary><h2>All checks <small>({})</small></h2></summary>\n<table>",
        number(body.checks.len() as u64)
    );
    for check in &body.checks {
        let row = check_row(check);
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td></tr>",
            escaped(row.label.text()),
            escaped(&row.note)
        );
    }
    page.push_str("</table></details>\n");
}

const fn class(symbol: Symbol) -> &'static str {
    match symbol {
        Symbol::Alarm => "alarm",
        Symbol::Trash => "trash",
        Symbol::Decide => "decide",
        Symbol::Held => "held",
        Symbol::Leave => "leave",
        Symbol::Move => "move",
        Symbol::Change => "change",
        Symbol::Adopt => "adopt",
        Symbol::Add => "add",
    }
}

/// The text with nothing in it that HTML would read as markup, or that would turn what follows.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in visible(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn escaped_lines(lines: &[String]) -> String {
    let lines: Vec<String> = lines.iter().map(|line| escaped(line)).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::{plan::sections, sample};

    /// What a browser makes of the escapes.
    fn read(html: &str) -> String {
        html.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    }

    #[test]
    fn the_page_has_every_row_of_the_text_with_its_reasons() {
        for plan in [sample::everyday(), sample::undo()] {
            let look = Look {
                verbose: true,
                ..Look::plain()
            };
            let page = html(&plan, Some("my <plan>.json"), None);
            assert!(
                !plan.body.applyable || read(&page).contains("apply \"my <plan>.json\" --approve")
            );
            let mut rest = page.as_str();
            let mut rows = 0;
            for section in sections(&plan, &look) {
                for row in section.rows {
                    let at = rest.find("data-s=\"").expect("a row is missing");
                    rest = &rest[at + 8..];
                    let end = rest.find("data-s=\"").unwrap_or(rest.len());
                    let text = read(&rest[..end]);
                    assert!(text.starts_with(row.symbol.character()), "{text}");
                    for part in [row.label.text(), &row.note]
                        .into_iter()
                        .chain(row.below.iter().map(String::as_str))
                    {
                        assert!(text.contains(part), "{part:?} is not in {text}");
                    }
                    rows += 1;
                }
            }
            assert_eq!(page.matches("data-s=\"").count(), rows);
            assert!(read(&page).contains(&closing(&plan, None)));
            for check in &plan.body.checks {
                assert!(page.contains(&check.code));
            }
        }
    }

    #[test]
    fn a_name_is_no_markup() {
        let mut sample = sample::Sample::new();
        let evil =
            "</summary><script>alert(1)</script><img src=x onerror='alert(2)'>\"&amp;\u{202e}";
        let list = sample.playlist(evil, 1);
        let track = sample.track(evil, evil);
        sample.added(&list, &track, 1);
        sample.trashed(&format!("{evil}.mp3"));
        let page = html(&sample.plan(), None, None);
        assert_eq!(page.matches("<script").count(), 1);
        assert!(
            !page.contains("<img") && !page.contains("onerror='") && !page.contains('\u{202e}')
        );
        assert_eq!(
            page.matches("</summary>").count(),
            page.matches("<summary>").count()
        );
    }

    #[test]
    fn the_page_needs_nobody() {
        let page = html(&sample::everyday(), None, None);
        assert!(page.contains("default-src 'none'"));
        for address in [
            "http:",
            "https:",
            "src=",
            "href=",
            "url(",
            "@import",
            "eval(",
            "innerHTML",
        ] {
            assert!(!page.contains(address), "{address}");
        }
        assert_eq!(page, html(&sample::everyday(), None, None));
    }
}
