//! The house keeps its shape: who may know whom, read from the `crate::` paths of the source.
#![expect(
    clippy::unwrap_used,
    reason = "a source that cannot be read fails the test"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The left may use the right; `x (reading)` is not told apart here, the traits do that.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("policy", &["domain"]),
    ("desired", &["domain", "policy"]),
    ("edge", &["domain", "policy"]),
    ("observe", &["domain", "policy", "edge"]),
    ("diff", &["domain", "policy", "observe", "desired"]),
    ("plan", &["domain", "policy", "observe", "desired", "diff"]),
    ("record", &["domain", "plan", "edge"]),
    (
        "apply",
        &["domain", "policy", "observe", "plan", "record", "edge"],
    ),
];

#[test]
fn every_module_knows_only_what_it_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let table: BTreeMap<&str, BTreeSet<&str>> = MAY_USE
        .iter()
        .map(|(left, right)| (*left, right.iter().copied().collect()))
        .collect();
    let mut wrong = Vec::new();
    for (module, allowed) in &table {
        for file in rust_files(&source.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            for used in used_modules(&text) {
                if used != *module && !allowed.contains(used.as_str()) {
                    let file = file.strip_prefix(&source).unwrap().display();
                    wrong.push(format!("{file}: {module} may not know {used}"));
                }
            }
        }
    }
    wrong.sort();
    wrong.dedup();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The words of `TCnnn` in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("TC").map(|(at, _)| at);
    starts
        .filter_map(|at| text.get(at..at + 5))
        .filter(|code| code[2..].bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_code_stands_in_the_troubleshooting_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/troubleshooting.md")).unwrap();
    let files = rust_files(&root.join("src"));
    let used = files
        .iter()
        .flat_map(|file| codes(&fs::read_to_string(file).unwrap()));
    let used: BTreeSet<String> = used.collect();
    assert!(used.contains("TC101"), "{used:?}");
    let told = codes(&page);
    assert_eq!(used, told, "code in the source, and on the page");
    for what in tidal_cleanup::plan::guard::Allowable::ALL {
        let typed = format!("--allow {}=", what.as_str());
        assert!(page.contains(&typed) || typed.contains("remove"), "{typed}");
    }
}

#[test]
fn the_middle_is_pure() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let forbidden = [
        "Timestamp::now",
        "Zoned::now",
        "SystemTime::now",
        "Instant::now",
        "new_v4",
        "tokio::",
        "async fn",
        "std::fs",
        "env::var",
    ];
    let mut wrong = Vec::new();
    for module in ["domain", "desired", "diff", "plan"] {
        for file in rust_files(&source.join(module)) {
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in forbidden.iter().filter(|word| code.contains(**word)) {
                wrong.push(format!(
                    "{}: {word}",
                    file.strip_prefix(&source).unwrap().display()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The first parts of every `crate::…` path, also inside `crate::{…}`; doc comments and the tests
/// beside the code do not count.
fn used_modules(text: &str) -> BTreeSet<String> {
    let code: String = text
        .split("#[cfg(test)]")
        .next()
        .unwrap()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let mut used = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        match rest.strip_prefix('{') {
            None => used.extend(first_word(rest)),
            Some(group) => used.extend(group_heads(group)),
        }
    }
    used
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    word.chars()
        .next()
        .is_some_and(|c| c.is_ascii_lowercase())
        .then_some(word)
}

/// The heads of `a::b, c::{d, e}, f}`.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut at_head, mut heads) = (1, true, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => at_head = true,
            c if at_head && !c.is_whitespace() => {
                heads.extend(first_word(&group[at..]));
                at_head = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

#[test]
fn groups_are_read_to_their_end() {
    let text =
        "use crate::{\n    domain::{A, plan::B},\n    policy::C,\n};\nfn f() { crate::edge::x(); }";
    let used: Vec<String> = used_modules(text).into_iter().collect();
    assert_eq!(used, ["domain", "edge", "policy"]);
}
