//! Questions: tracks whose file a person has to name.

use crate::{
    desired::DesiredTrack,
    diff::identity::Candidate,
    domain::Provenance,
    plan::{
        canonical,
        document::{
            Adoption, Class, DecisionKind, DecisionOption, DecisionRequest, Effect, NONE_OF_THESE,
        },
        draft::{Draft, act},
        tracks::{precondition, subject},
    },
};

/// Asks which of the candidates is the track.
pub(super) fn ask(draft: &mut Draft<'_>, want: &DesiredTrack, candidates: &[Candidate]) {
    let track = &want.track;
    let option = |(number, candidate): (usize, &Candidate)| {
        let adoption = Adoption {
            track: track.id.clone(),
            path: candidate.path.clone(),
            provenance: Provenance::Foreign,
            content: draft.index.content_at(&candidate.path).cloned(),
            home: None,
            further: false,
        };
        let file = draft.index.file(&candidate.path)?;
        let action = act(
            Class::Additive,
            Effect::StateAdopt { after: adoption },
            subject(track),
        )
        .under(&want.home)
        .provided([precondition(file)])
        .because("decision", candidate.reasons.join(", "));
        Some(DecisionOption {
            key: (number + 1).to_string(),
            label: candidate.path.to_string(),
            path: Some(candidate.path.clone()),
            row: None,
            score: Some(candidate.score),
            veto: candidate.vetoes.clone(),
            actions: vec![action],
        })
    };
    let mut options: Vec<_> = candidates.iter().enumerate().filter_map(option).collect();
    options.push(DecisionOption {
        key: NONE_OF_THESE.into(),
        label: "none of these: the next plan downloads it".into(),
        path: None,
        row: None,
        score: None,
        veto: Vec::new(),
        actions: Vec::new(),
    });
    draft.decisions.push(DecisionRequest {
        id: canonical::decision_id(Some(&track.id), "match"),
        kind: DecisionKind::Match,
        question: format!("Which file is “{}”?", track.label()),
        track: Some(track.id.clone()),
        rows: None,
        default: "defer".into(),
        options,
    });
}
