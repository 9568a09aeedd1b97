//! Lists that come in pages: cursors re-joined, circles noticed, nothing followed to another host.

use std::collections::HashSet;

use serde::de::DeserializeOwned;

use super::{
    http::{Fault, Http},
    settings::BaseUrl,
    wire::{Document, Identifier, Links, Resource},
};

/// Items on a page; TIDAL gives no other size.
pub(super) const PAGE: u32 = 20;
/// The most pages of a list that does not say how long it is: TIDAL's playlists end at 10,000 items.
const MAX_PAGES: u32 = 1_000;
/// Empty pages in a row that end a list's credibility.
const MAX_EMPTY: u32 = 3;

/// A list on the service.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) segments: Vec<String>,
    /// What is asked for on every page.
    pub(super) query: Vec<(String, String)>,
}

/// What asks for a page: parameters beside the target's own.
pub(super) type Cursor = Vec<(String, String)>;

/// The link to the next page leads to another host.
#[derive(Debug)]
pub(super) struct Foreign(pub(super) String);

/// How a list ended.
#[derive(Debug)]
pub(super) enum Ended<R> {
    /// With its last page.
    Whole(Vec<R>),
    /// Somewhere in the middle, for a reason that another try from the start may mend.
    Broken(Vec<R>, String),
}

/// Reads a list from `start` (`None`: its first page) to its end. `convert` takes a page's data and
/// inclusions; `None` from it for a page that makes no sense.
pub(super) async fn read<T, R>(
    http: &Http,
    target: &Target,
    mut rows: Vec<R>,
    start: Option<Cursor>,
    expected: Option<u32>,
    mut convert: impl FnMut(Vec<T>, Vec<Resource>) -> Option<Vec<R>>,
) -> Result<Ended<R>, Fault>
where
    Vec<T>: DeserializeOwned,
    T: Pointing,
{
    let segments: Vec<&str> = target.segments.iter().map(String::as_str).collect();
    let limit = expected.map_or(MAX_PAGES, |items| items / PAGE * 2 + 100);
    let mut seen = HashSet::new();
    let mut empty = 0;
    let mut is_first = start.is_none();
    let mut cursor = Some(start.unwrap_or_default());
    while let Some(now) = cursor {
        if !seen.insert(now.clone()) {
            return Ok(Ended::Broken(
                rows,
                "its pages go round in a circle".to_owned(),
            ));
        }
        if seen.len() > limit as usize {
            return Ok(Ended::Broken(rows, "its pages do not end".to_owned()));
        }
        let query = with(&target.query, &now);
        let page = match http.get::<Vec<T>>(&segments, &query).await {
            Ok(page) => page,
            Err(Fault::Gone(reason) | Fault::Refused(reason)) if !is_first => {
                return Ok(Ended::Broken(rows, reason));
            }
            Err(fault) => return Err(fault),
        };
        let page = match is_bare(target, &page) {
            // Not to be taken for tracks that TIDAL withholds before it has said so twice.
            true => match http.get::<Vec<T>>(&segments, &query).await {
                Ok(again) => again,
                Err(Fault::Fatal(error)) => return Err(Fault::Fatal(error)),
                Err(Fault::Gone(_) | Fault::Refused(_) | Fault::Failed(_)) => page,
            },
            false => page,
        };
        is_first = false;
        let Some(new) = convert(page.data.unwrap_or_default(), page.included) else {
            return Ok(Ended::Broken(
                rows,
                "a page repeats others or makes no sense".to_owned(),
            ));
        };
        empty = if new.is_empty() { empty + 1 } else { 0 };
        rows.extend(new);
        cursor = match next(&http.api, page.links.as_ref()) {
            Ok(Some(_)) if empty >= MAX_EMPTY => {
                return Ok(Ended::Broken(rows, "its pages are empty".to_owned()));
            }
            Ok(cursor) => cursor,
            Err(Foreign(host)) => {
                let reason = format!("its next page is said to be at {host}, which gets no token");
                return Ok(Ended::Broken(rows, reason));
            }
        };
    }
    Ok(Ended::Whole(rows))
}

/// What may stand on a page.
pub(super) trait Pointing {
    /// Whether it points at items, which come along where they are asked for.
    fn has_items(&self) -> bool;
}

impl Pointing for Identifier {
    fn has_items(&self) -> bool {
        true
    }
}

impl Pointing for Resource {
    fn has_items(&self) -> bool {
        let items = self
            .relationships
            .as_ref()
            .and_then(|all| all.items.as_ref());
        items.is_some_and(|items| items.data.as_ref().is_some_and(|data| !data.is_empty()))
    }
}

/// Whether a page came without any of what it points at, although that was asked for.
fn is_bare<T: Pointing>(target: &Target, page: &Document<Vec<T>>) -> bool {
    let asked = target.query.iter().any(|(name, _)| name == "include");
    let mut data = page.data.iter().flatten();
    asked && page.included.is_empty() && data.any(Pointing::has_items)
}

/// The target's own parameters, and those of the cursor that it does not have.
fn with(own: &[(String, String)], cursor: &Cursor) -> Vec<(String, String)> {
    let is_new = |name: &str| own.iter().all(|(known, _)| known != name);
    let further = cursor.iter().filter(|(name, _)| is_new(name));
    own.iter().chain(further).cloned().collect()
}

/// What asks for the next page; `None` on the last one. Only the parameters of the link are used: its
/// path lacks `/v2`, and embedded ones lack `include`.
pub(super) fn next(api: &BaseUrl, links: Option<&Links>) -> Result<Option<Cursor>, Foreign> {
    let Some(links) = links else { return Ok(None) };
    let bare = links
        .meta
        .as_ref()
        .and_then(|meta| meta.next_cursor.as_deref())
        .filter(|cursor| !cursor.is_empty());
    let link = links.next.as_deref().filter(|next| !next.is_empty());
    let mut cursor = match link {
        Some(link) => {
            check_origin(api, link)?;
            parameters(link)
        }
        None => Cursor::new(),
    };
    if let Some(bare) = bare
        && !cursor.iter().any(|(name, _)| name.starts_with("page["))
    {
        cursor.push(("page[cursor]".to_owned(), bare.to_owned()));
    }
    Ok((link.is_some() || bare.is_some()).then_some(cursor))
}

fn check_origin(api: &BaseUrl, link: &str) -> Result<(), Foreign> {
    let trimmed = link.trim();
    let is_relative = trimmed.starts_with('?')
        || (trimmed.starts_with('/') && !trimmed.starts_with("//") && !trimmed.starts_with("/\\"))
        || !trimmed.contains(':');
    if is_relative && !trimmed.starts_with("//") && !trimmed.contains('\\') {
        return Ok(());
    }
    match trimmed.parse::<reqwest::Url>() {
        Ok(url) if api.is_origin_of(&url) => Ok(()),
        Ok(url) => Err(Foreign(url.host_str().unwrap_or("nowhere").to_owned())),
        Err(_) => Err(Foreign("another host".to_owned())),
    }
}

fn parameters(link: &str) -> Cursor {
    let Some((_, query)) = link.split_once('?') else {
        return Cursor::new();
    };
    let query = query.split('#').next().unwrap_or_default();
    query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// Percent-decoding. A `+` stays one: cursors are Base64 and hold no blanks.
fn decode(text: &str) -> String {
    let hex = |digit: u8| char::from(digit).to_digit(16);
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = (bytes[at] == b'%')
            .then(|| Some((hex(*bytes.get(at + 1)?)?, hex(*bytes.get(at + 2)?)?)))
            .flatten();
        match pair.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{super::wire::LinksMeta, *};

    fn links(next: Option<&str>, cursor: Option<&str>) -> Links {
        Links {
            next: next.map(str::to_owned),
            meta: cursor.map(|cursor| LinksMeta {
                next_cursor: Some(cursor.to_owned()),
            }),
        }
    }

    fn api() -> BaseUrl {
        BaseUrl::parse("https://openapi.tidal.com/v2").unwrap()
    }

    fn cursor(next: Option<&str>, bare: Option<&str>) -> Option<String> {
        let cursor = super::next(&api(), Some(&links(next, bare))).unwrap()?;
        let (_, value) = cursor
            .into_iter()
            .find(|(name, _)| name == "page[cursor]")?;
        Some(value)
    }

    #[test]
    fn a_cursor_is_taken_from_the_link_or_beside_it() {
        let relative = "/playlists/x/relationships/items?include=a%2Cb&page%5Bcursor%5D=3n%2BI%3D";
        assert_eq!(cursor(Some(relative), None).as_deref(), Some("3n+I="));
        assert_eq!(cursor(None, Some("3n+I=")).as_deref(), Some("3n+I="));
        assert_eq!(
            cursor(Some("/x?page[cursor]=a+b"), Some("z")).as_deref(),
            Some("a+b")
        );
        assert_eq!(cursor(Some("/x"), Some("z")).as_deref(), Some("z"));
        assert_eq!(cursor(None, None), None);
        assert_eq!(cursor(Some(""), Some("")), None);
    }

    #[test]
    fn no_link_leads_elsewhere() {
        let ours = [
            "https://openapi.tidal.com/v2/x?page[cursor]=a",
            "/v2/x",
            "?page[cursor]=a",
        ];
        for next in ours {
            assert!(
                super::next(&api(), Some(&links(Some(next), None))).is_ok(),
                "{next}"
            );
        }
        let theirs = [
            "https://evil.example/x?page[cursor]=a",
            "http://openapi.tidal.com/v2/x",
            "https://openapi.tidal.com:444/v2/x",
            "//evil.example/x",
            "/\\evil.example/x",
            "https:evil.example",
            "javascript:alert(1)",
        ];
        for next in theirs {
            assert!(
                super::next(&api(), Some(&links(Some(next), None))).is_err(),
                "{next}"
            );
        }
    }

    #[test]
    fn what_is_asked_for_is_asked_for_on_every_page() {
        let own = vec![("include".to_owned(), "items".to_owned())];
        let cursor = parameters("/x?include=&countryCode=DE&page%5Bcursor%5D=c");
        let query = with(&own, &cursor);
        let shown: Vec<String> = query.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(shown, ["include=items", "countryCode=DE", "page[cursor]=c"]);
    }
}
