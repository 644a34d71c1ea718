//! Rounds of launches: of all cases first, then of those that are doubtful.

use std::collections::BTreeSet;
use std::ops::Range;

use super::comparison::Pairing;
use super::{LaunchSeries, Side};
use crate::base::error::Result;
use crate::render::remark;
use crate::run::recorder::OnExisting;

/// Launches of the sides in turns.
pub(super) struct Round {
    /// Their numbers, from 0.
    launches: Range<usize>,
    /// What each side measures, by its number.
    cases: Vec<Cases>,
}

/// The cases that a side measures in a round; `None` for all.
type Cases = Option<BTreeSet<String>>;

impl Round {
    /// The launches of side `number`: none where it has nothing to measure.
    pub(super) fn launches(&self, number: usize) -> Range<usize> {
        let idle = self.cases(number).is_some_and(BTreeSet::is_empty);
        if idle { 0..0 } else { self.launches.clone() }
    }

    /// The number of launches after it.
    pub(super) fn end(&self) -> usize {
        self.launches.end
    }

    /// The cases that side `number` measures; `None` for all.
    pub(super) fn cases(&self, number: usize) -> Option<&BTreeSet<String>> {
        self.cases[number].as_ref()
    }

    /// `launch 3 of 8 (against)`.
    pub(super) fn title(&self, side: &Side, launch: usize) -> String {
        format!("launch {} of {}{}", launch + 1, self.launches.end, side.suffix())
    }

    /// Each launch by its side and its number: A B B A A B for two sides, so that neither is always first, nor later
    /// on average.
    fn order(&self) -> impl Iterator<Item = (usize, usize)> {
        let sides = self.cases.len();
        self.launches.clone().flat_map(move |launch| {
            let place = move |i| if launch % 2 == 0 { i } else { sides - 1 - i };
            let sides = (0..sides).map(place).filter(|side| !self.launches(*side).is_empty());
            sides.map(move |side| (side, launch))
        })
    }
}

impl LaunchSeries {
    pub(super) fn first_round(&self) -> Round {
        Round { launches: 0..self.launches, cases: vec![None; self.sides.len()] }
    }

    /// The launches to make, in their order: those that are not complete when this resumes a series.
    pub(super) fn due(&self, round: &Round) -> Result<Vec<(usize, usize)>> {
        let resumed = self.request.on_existing == OnExisting::Resume;
        let mut due = Vec::new();
        for (number, launch) in round.order() {
            if !(resumed && self.sides[number].is_complete(launch, round.cases(number))?) {
                due.push((number, launch));
            }
        }
        Ok(due)
    }

    /// The round after `made` launches that measures what is doubtful, and says so; none where nothing is, or where
    /// another program cannot.
    pub(super) fn again(&self, pairings: &[Pairing], made: usize) -> Option<Round> {
        let mut cases = vec![BTreeSet::new(); self.sides.len()];
        let mut end = made;
        for pairing in pairings {
            let Some((doubtful, launches)) = pairing.looks.again() else { continue };
            end = launches;
            for side in pairing.sides() {
                cases[side].extend(doubtful.iter().cloned());
            }
        }
        let all: BTreeSet<&String> = cases.iter().flatten().collect();
        if all.is_empty() {
            return None;
        }
        let (doubtful, planned) = (all.len(), self.sides[0].plan.cases.len());
        let (is, it, them) =
            if doubtful == 1 { ("is", "it", "it") } else { ("are", "they", "them") };
        let told = format!(
            "{doubtful} of {planned} cases {is} doubtful after {made} launches: {it} may be worse by more than the threshold"
        );
        let unable = self.sides.iter().zip(&cases).find(|(side, cases)| !side.can_measure(cases));
        if let Some((side, _)) = unable {
            tracing::warn!(
                "{told}; {them} cannot be confirmed, because the program of the side{} does not know --case",
                side.suffix()
            );
            return None;
        }
        if tracing::enabled!(tracing::Level::WARN) {
            remark(&format!("tesserabench: {told}; measuring {them} in {} more", end - made));
        }
        let of_side = |(side, own): (&Side, BTreeSet<String>)| {
            (own.len() < side.plan.cases.len()).then_some(own)
        };
        let cases = self.sides.iter().zip(cases).map(of_side).collect();
        Some(Round { launches: made..end, cases })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_take_turns_forward_and_backward() {
        let order = |launches, cases: &[Cases]| -> (String, Vec<usize>) {
            let round = Round { launches, cases: cases.to_vec() };
            let letters = round.order().map(|(side, _)| ['A', 'B', 'C'][side]).collect();
            (letters, round.order().map(|(_, launch)| launch).collect())
        };
        assert_eq!(order(0..4, &[None, None]).0, "ABBAABBA");
        assert_eq!(order(0..3, &[None, None, None]).0, "ABCCBAABC");
        assert_eq!(order(0..3, &[None]).0, "AAA");
        assert_eq!(order(0..3, &[None, None]).1, [0, 0, 1, 1, 2, 2]);
        let some = Some(BTreeSet::from(["x".to_owned()]));
        let idle = Some(BTreeSet::new());
        assert_eq!(order(3..5, &[some.clone(), idle, some]), ("CAAC".to_owned(), vec![3, 3, 4, 4]));
    }
}
