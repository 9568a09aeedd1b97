//! `decide`: open questions, answered by a person and remembered beside the policy.

use std::path::{Path, PathBuf};

use crate::{
    cli::{
        args::{AnswerAll, DecideArgs},
        engine::{Engine, Request, load_policy},
        error::{CliError, Exit},
        plan::write_whole,
        settings::Settings,
        ui::Ui,
        view::{
            Envelope,
            decide::{Asked, AskedView, Question, QuestionView},
            rows::paragraph,
        },
    },
    domain::{ContentId, MediaPath, TrackId},
    plan::{
        Plan, canonical,
        document::{DecisionRequest, NONE_OF_THESE, Review},
    },
    policy::{Decisions, decisions},
};

use super::plan::read_plan;

/// What may be typed for [`NONE_OF_THESE`].
const NONE_IN_SHORT: &str = "n";
/// To be asked again.
const DEFER: &str = "defer";

/// `decide`
///
/// # Errors
/// When a source cannot be read, the decisions have mistakes, or an answer fits no question.
pub async fn decide(settings: &Settings, ui: &Ui, args: &DecideArgs) -> Result<Exit, CliError> {
    let (saved, answers) = typed(args)?;
    let mut desk = match saved {
        Some(path) => Desk::of_saved(settings, ui, path)?,
        None => Desk::fresh(settings, ui, args).await?,
    };
    let flagged = !answers.is_empty() || args.all.is_some();
    // All of them are sound, or none is remembered.
    let answers: Vec<(usize, Answer)> = answers
        .iter()
        .map(|(id, key)| {
            let at = desk.find(id)?;
            Ok((at, desk.answer(at, key)?))
        })
        .collect::<Result<_, CliError>>()?;
    for (at, answer) in answers {
        desk.remember(at, &answer)?;
    }
    if let Some(all) = args.all {
        desk.answer_all(all)?;
    }
    if !flagged && !ui.is_json() && ui.can_ask() && !desk.questions.is_empty() {
        desk.walk(ui)?;
        ui.answer(desk.closing())?;
        return Ok(Exit::Done);
    }
    let asked = desk.asked();
    let view = AskedView {
        asked: &asked,
        look: ui.look(),
    };
    ui.answer_either(view, &Envelope::new("decide", &asked))?;
    if asked.open() > 0 && !flagged {
        ui.hint("answer with `tidal-cleanup decide ID KEY`: a number, `none` or `defer`");
    }
    if asked.remembered > 0 {
        ui.hint("`tidal-cleanup plan` makes use of the answers");
    }
    Ok(Exit::Done)
}

type Pair = (String, String);

/// The saved plan, and the answers, that were typed.
fn typed(args: &DecideArgs) -> Result<(Option<&str>, Vec<Pair>), CliError> {
    let mut words = args.words.iter().map(String::as_str).peekable();
    let saved = words.next_if(|word| !word.starts_with("d_"));
    let mut pairs = Vec::new();
    let split = |text: &str| {
        let (id, key) = text.split_once('=')?;
        Some((id.trim().to_owned(), key.trim().to_owned()))
    };
    while let Some(word) = words.next() {
        if let Some(pair) = split(word) {
            pairs.push(pair);
            continue;
        }
        let key = words.next().ok_or_else(|| {
            CliError::user(format!("{word} has no answer"))
                .hint(format!("write `tidal-cleanup decide {word} 1`, or `none`"))
        })?;
        pairs.push((word.to_owned(), key.to_owned()));
    }
    for text in &args.answer {
        let pair = split(text).ok_or_else(|| {
            CliError::user(format!("--answer {text} is no ID=KEY"))
                .hint("write it as --answer d_4f1c=2")
        })?;
        pairs.push(pair);
    }
    Ok((saved, pairs))
}

/// What can be typed at the prompt.
const HELP: &str = "a number: that one; none (or n): none of these; s or Enter: skip; defer: ask again another day; \
                    b: back; d: details; l: the list; q: quit (answers are kept)";

/// What an answer says.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    /// This file, by the key of its option.
    File(String, MediaPath),
    /// This row of Rekordbox, by the key of its option.
    Row(String, ContentId),
    None,
    Defer,
}

/// Questions on a desk, and where their answers go.
struct Desk {
    questions: Vec<Question>,
    path: PathBuf,
    remembered: usize,
    /// The plan that they came from, which notes the answers too.
    saved: Option<(PathBuf, Plan)>,
}

impl Desk {
    /// The questions of a plan made now, from what is at hand.
    async fn fresh(settings: &Settings, ui: &Ui, args: &DecideArgs) -> Result<Self, CliError> {
        let mut engine = Engine::open(settings, ui).await?;
        let request = Request {
            inputs: engine.at_hand(&args.inputs).await?,
            brief: true,
            ..Request::default()
        };
        let made = engine.plan(&request, ui).await?;
        Self::new(&engine.policy.source.path, &made.plan, None)
    }

    fn of_saved(settings: &Settings, ui: &Ui, name: &str) -> Result<Self, CliError> {
        let path = settings.around.absolute(Path::new(name));
        let plan = read_plan(&path)?;
        let policy = load_policy(settings, ui)?;
        Self::new(&policy.source.path, &plan.clone(), Some((path, plan)))
    }

    fn new(policy: &Path, plan: &Plan, saved: Option<(PathBuf, Plan)>) -> Result<Self, CliError> {
        let path = Decisions::beside(policy);
        let known = Decisions::load(&path)?;
        let question = |asked: &DecisionRequest| {
            let file = asked.track.as_ref().and_then(|id| known.matches.get(id));
            let file = file.map(|known| known.file.as_ref().map(ToString::to_string));
            let row = asked.rows.as_ref().and_then(|id| known.duplicates.get(id));
            let row = row.map(|known| known.keep.as_ref().map(ToString::to_string));
            let answer = file.or(row);
            Question {
                answer: answer.map(|known| known.unwrap_or_else(|| NONE_OF_THESE.to_owned())),
                label: label(plan, asked),
                asked: asked.clone(),
            }
        };
        Ok(Self {
            questions: plan.body.decisions.iter().map(question).collect(),
            path,
            remembered: 0,
            saved,
        })
    }

    /// The question whose id begins so.
    fn find(&self, prefix: &str) -> Result<usize, CliError> {
        let mut found = self.questions.iter().enumerate();
        let found: Vec<usize> = found
            .by_ref()
            .filter(|(_, question)| question.asked.id.starts_with(prefix))
            .map(|(at, _)| at)
            .collect();
        match found.as_slice() {
            [at] => Ok(*at),
            [] => Err(CliError::user(format!("there is no open question {prefix}"))
                .hint("`tidal-cleanup decide --json` lists them; answered ones stand in tidal-cleanup.decisions.toml")),
            several => Err(CliError::user(format!(
                "{} questions begin with {prefix}",
                several.len()
            ))
            .hint("give more of the id")),
        }
    }

    /// What a key means for a question.
    fn answer(&self, at: usize, key: &str) -> Result<Answer, CliError> {
        let asked = &self.questions[at].asked;
        let key = key.trim();
        let is = |word: &str| key.eq_ignore_ascii_case(word);
        if is(NONE_OF_THESE) || is(NONE_IN_SHORT) {
            return Ok(Answer::None);
        }
        if is(DEFER) {
            return Ok(Answer::Defer);
        }
        let chosen = asked.options.iter().find(|option| option.key == key);
        let file = chosen.and_then(|option| option.path.clone());
        let row = chosen.and_then(|option| option.row.clone());
        match (file, row) {
            (Some(path), _) => Ok(Answer::File(key.to_owned(), path)),
            (None, Some(row)) => Ok(Answer::Row(key.to_owned(), row)),
            (None, None) => {
                let keys: Vec<&str> = asked.options.iter().map(|it| it.key.as_str()).collect();
                let about = match self.questions[at].label.as_str() {
                    "" => asked.question.clone(),
                    label => format!("“{label}”"),
                };
                Err(CliError::user(format!("{key:?} is no answer for {about}"))
                    .hint(format!("type one of these: {}, {DEFER}", keys.join(", "))))
            }
        }
    }

    /// Writes the answer down, at once.
    fn remember(&mut self, at: usize, answer: &Answer) -> Result<(), CliError> {
        let question = &mut self.questions[at];
        let asked = match (&question.asked.track, &question.asked.rows) {
            (Some(track), _) => decisions::Asked::Match(track),
            (None, Some(rows)) => decisions::Asked::Duplicate(rows),
            (None, None) => return Ok(()),
        };
        let (key, file, row) = match answer {
            Answer::File(key, path) => (Some(key.as_str()), Some(path), None),
            Answer::Row(key, row) => (Some(key.as_str()), None, Some(row)),
            Answer::None => (Some(NONE_OF_THESE), None, None),
            Answer::Defer => (None, None, None),
        };
        let said = match asked {
            decisions::Asked::Match(track) => decisions::Answer::Match(track, file),
            decisions::Asked::Duplicate(rows) => decisions::Answer::Duplicate(rows, row),
        };
        match answer {
            Answer::Defer => Decisions::forget(&self.path, asked)?,
            Answer::File(..) | Answer::Row(..) | Answer::None => {
                Decisions::remember(&self.path, &question.label, said)?;
            }
        }
        question.answer = match answer {
            Answer::File(_, path) => Some(path.to_string()),
            Answer::Row(_, row) => Some(row.to_string()),
            Answer::None => Some(NONE_OF_THESE.to_owned()),
            Answer::Defer => None,
        };
        self.remembered += usize::from(*answer != Answer::Defer);
        if let Some((path, plan)) = &mut self.saved {
            note(plan, &question.asked.id, key);
            write_whole(path, &canonical::to_json(plan))?;
        }
        Ok(())
    }

    fn answer_all(&mut self, all: AnswerAll) -> Result<(), CliError> {
        for at in 0..self.questions.len() {
            if self.questions[at].answer.is_some() && all != AnswerAll::Defer {
                continue;
            }
            let answer = match all {
                AnswerAll::None => Answer::None,
                AnswerAll::Defer => Answer::Defer,
                AnswerAll::Best => match self.likeliest(at) {
                    Some(answer) => answer,
                    None => continue,
                },
            };
            self.remember(at, &answer)?;
        }
        Ok(())
    }

    /// The option with the highest score, unless two share it or something speaks against it.
    fn likeliest(&self, at: usize) -> Option<Answer> {
        let options = &self.questions[at].asked.options;
        let best = options
            .iter()
            .filter(|it| it.path.is_some())
            .max_by_key(|it| it.score)?;
        let rivals = options
            .iter()
            .filter(|it| it.path.is_some() && it.score == best.score);
        let clear = rivals.count() == 1 && best.veto.is_empty();
        let path = best.path.clone().filter(|_| clear)?;
        Some(Answer::File(best.key.clone(), path))
    }

    /// One question after the other. Every answer is kept at once, so leaving loses nothing.
    fn walk(&mut self, ui: &Ui) -> Result<(), CliError> {
        let mut at = self.next_open(0);
        while let Some(now) = at {
            ui.answer(self.page(ui, now, false))?;
            loop {
                // A prompt that is wider than the terminal is drawn twice.
                let Some(word) = ui.ask("Answer (number, none; ? for help)")? else {
                    return Ok(());
                };
                match word.trim().to_lowercase().as_str() {
                    "q" | "quit" => return Ok(()),
                    "?" | "h" | "help" => {
                        ui.answer(paragraph(HELP, 0, ui.look()))?;
                        continue;
                    }
                    "d" | "details" => {
                        ui.answer(self.page(ui, now, true))?;
                        continue;
                    }
                    "l" | "list" => {
                        at = self.pick(ui)?.or(Some(now));
                    }
                    "b" | "back" => at = Some(now.saturating_sub(1)),
                    "" | "s" | "skip" => at = self.after(now),
                    key => match self.answer(now, key) {
                        Ok(answer) => {
                            self.remember(now, &answer)?;
                            at = match answer {
                                // It stays open, and is not asked again at once.
                                Answer::Defer => self.after(now),
                                _ => self.next_open(now),
                            };
                        }
                        Err(error) => {
                            ui.warning(&error);
                            for hint in &error.hints {
                                ui.hint(format!("{hint}; or ? for help"));
                            }
                            continue;
                        }
                    },
                }
                break;
            }
        }
        Ok(())
    }

    fn page<'a>(&'a self, ui: &'a Ui, at: usize, details: bool) -> QuestionView<'a> {
        QuestionView {
            question: &self.questions[at],
            number: at + 1,
            of: self.questions.len(),
            details,
            look: ui.look(),
        }
    }

    /// The question that a person picks from the list.
    fn pick(&self, ui: &Ui) -> Result<Option<usize>, CliError> {
        let asked = self.asked();
        ui.answer(AskedView {
            asked: &asked,
            look: ui.look(),
        })?;
        let Some(word) = ui.ask("Which? its number, or Enter to go back")? else {
            return Ok(None);
        };
        let word = word.trim();
        let number = word.parse::<usize>().ok();
        let at = number
            .and_then(|number| number.checked_sub(1))
            .filter(|at| *at < self.questions.len());
        if at.is_none() && !word.is_empty() {
            ui.warning(format!(
                "there is no question {word:?}: they are numbered 1 to {}",
                self.questions.len()
            ));
        }
        Ok(at)
    }

    /// The open question at or after `from`, else one before it.
    fn next_open(&self, from: usize) -> Option<usize> {
        let open = |at: &usize| self.questions[*at].answer.is_none();
        let mut later = from..self.questions.len();
        later.find(open).or_else(|| (0..from).find(open))
    }

    /// The next question, answered or not; after the last one there is none.
    fn after(&self, at: usize) -> Option<usize> {
        Some(at + 1).filter(|at| *at < self.questions.len())
    }

    fn asked(&self) -> Asked {
        Asked {
            path: self.path.display().to_string(),
            remembered: self.remembered,
            decisions: self.questions.clone(),
        }
    }

    fn closing(&self) -> String {
        self.asked().closing()
    }
}

/// The track or recording in words.
fn label(plan: &Plan, asked: &DecisionRequest) -> String {
    let named = |id: &TrackId| plan.body.tracks.get(id).map(|track| track.label());
    let quoted = || asked.question.split(['“', '”']).nth(1).map(str::to_owned);
    let track = asked.track.as_ref().and_then(named);
    track.or_else(quoted).unwrap_or_default()
}

/// Notes an answer in a plan's review, for its apply.
fn note(plan: &mut Plan, id: &str, key: Option<&str>) {
    let digest = plan.digest.clone();
    let review = plan.review.get_or_insert_with(|| Review {
        for_digest: digest,
        ..Review::default()
    });
    match key {
        Some(key) => drop(review.decisions.insert(id.to_owned(), key.to_owned())),
        None => drop(review.decisions.remove(id)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{settings::Verbosity, ui::recorded, view::sample};

    /// Two questions: the sample's, and one like it.
    fn desk(folder: &Path) -> Desk {
        let mut plan = sample::everyday();
        let mut first = plan.body.decisions[0].clone();
        let files = first.options.iter_mut().filter(|it| it.score.is_some());
        for option in files {
            option.path = Some(MediaPath::new(format!("a/{}.mp3", option.key)));
        }
        first.track = Some(TrackId::new("11"));
        let mut second = first.clone();
        second.id = "d_second".into();
        second.track = Some(TrackId::new("12"));
        plan.body.decisions = vec![first, second];
        Desk::new(&folder.join("tidal-cleanup.toml"), &plan, None).unwrap()
    }

    fn walk(answers: &[&str]) -> (Vec<Option<String>>, String, String) {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        let (ui, seen) = recorded::ui(Verbosity::Normal, false, answers);
        desk.walk(&ui).unwrap();
        let answers = desk.questions.iter().map(|it| it.answer.clone()).collect();
        let file = std::fs::read_to_string(&desk.path).unwrap_or_default();
        (answers, file, seen.out() + &seen.err())
    }

    #[test]
    fn answers_are_kept_at_once_and_leaving_loses_nothing() {
        let (answers, file, _) = walk(&["n", "q"]);
        assert_eq!(answers, [Some("none".into()), None]);
        assert!(
            file.contains("[match.11]") && !file.contains("[match.12]"),
            "{file}"
        );
        let (answers, ..) = walk(&["1"]);
        assert!(
            answers[0].is_some() && answers[1].is_none(),
            "the input ended"
        );
    }

    #[test]
    fn one_goes_forth_and_back_and_looks_closer() {
        let (answers, _, said) = walk(&["s", "b", "9", "d", "1", "none"]);
        assert!(answers.iter().all(Option::is_some), "{answers:?}");
        assert_eq!(answers[1].as_deref(), Some("none"));
        // What can be typed is said in the words of the list, and the question in the DJ's.
        assert!(
            said.contains("\"9\" is no answer for “Camel – Rajaz (Live)”"),
            "{said}"
        );
        assert!(said.contains("type one of these: 1, none"), "{said}");
        assert!(!said.contains("no answer for d_"), "{said}");
        let (answers, _, said) = walk(&["l", "2", "none", "q"]);
        assert_eq!(answers, [None, Some("none".into())]);
        assert!(said.contains("2 open"), "{said}");
        let (answers, _, said) = walk(&["l", "7", "NONE", "q"]);
        assert_eq!(answers, [Some("none".into()), None]);
        assert!(said.contains("no question \"7\""), "{said}");
    }

    #[test]
    fn what_is_put_off_is_not_asked_again_at_once() {
        let (answers, file, said) = walk(&["defer", "n"]);
        assert_eq!(answers, [None, Some("none".into())], "{said}");
        assert!(!file.contains("[match.11]"), "{file}");
    }

    #[test]
    fn a_candidate_comes_with_what_speaks_for_it_and_against_it() {
        let (.., said) = walk(&["d", "q"]);
        let line = "[1] Own/Camel - Rajaz.flac (likeness 91: same title, same artist; against it: version: live ≠ studio)";
        assert_eq!(said.matches(line).count(), 2, "{said}");
        assert_eq!(said.matches("9.1 MB, changed 2024").count(), 1, "{said}");
    }

    #[test]
    fn the_likeliest_is_taken_only_where_it_is_clear() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = desk(folder.path());
        let options = &mut desk.questions[0].asked.options;
        let clear = options.iter().filter(|it| it.path.is_some()).count();
        assert!(clear > 0, "the sample has a candidate");
        for option in options.iter_mut() {
            option.veto.clear();
        }
        let mut rival = options[0].clone();
        rival.key = "rival".into();
        desk.questions[1].asked.options = vec![options[0].clone(), rival];
        desk.answer_all(AnswerAll::Best).unwrap();
        assert!(desk.questions[0].answer.is_some());
        assert_eq!(desk.questions[1].answer, None, "two are as likely");
        desk.answer_all(AnswerAll::Defer).unwrap();
        assert!(desk.questions.iter().all(|it| it.answer.is_none()));
    }

    #[test]
    fn words_are_a_plan_and_pairs() {
        let words = |words: &[&str]| {
            let args = DecideArgs {
                words: words.iter().map(|word| (*word).to_owned()).collect(),
                ..DecideArgs::default()
            };
            typed(&args)
                .map(|(saved, pairs)| (saved.map(str::to_owned), pairs))
                .map_err(|error| error.render(false))
        };
        let pair = |id: &str, key: &str| (id.to_owned(), key.to_owned());
        assert_eq!(words(&[]), Ok((None, vec![])));
        assert_eq!(
            words(&["plan.json"]),
            Ok((Some("plan.json".into()), vec![]))
        );
        let two = words(&["plan.json", "d_1", "2", "d_3=none"]);
        let pairs = vec![pair("d_1", "2"), pair("d_3", "none")];
        assert_eq!(two, Ok((Some("plan.json".into()), pairs)));
        assert!(words(&["d_1"]).unwrap_err().contains("has no answer"));
    }
}
