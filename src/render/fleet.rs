//! In what the members of a fleet differ, as a section.

use super::document::{Attention, Cell, Section};
use super::plot::Tone;
use super::words::{few, word};
use crate::base::units::counted;
use crate::report::{Disparity, Fleet, Member, Shared};

const TITLE: &str = "fleet";

/// Most members that are named for one value.
const NAMED: usize = 4;

/// Each thing in which some are not as most are.
pub(super) fn attention(fleet: Option<&Fleet>) -> impl Iterator<Item = Attention> {
    let odd = |disparity: &Disparity| {
        let (most, others) = disparity.values.split_first()?;
        let few_are =
            |shared: &Shared| format!("{} on {}", value(shared), few(&shared.members, NAMED));
        let odd: Vec<String> = others.iter().filter(|it| it.minority).map(few_are).collect();
        let count = counted(most.members.len(), &word(disparity.of));
        let says = format!("{}: {}; {} on {count}", disparity.what, odd.join(", "), value(most));
        let at = TITLE.to_owned();
        (!odd.is_empty()).then_some(Attention { says, at, tone: Tone::Doubtful })
    };
    fleet.into_iter().flat_map(|fleet| &fleet.disparities).filter_map(odd)
}

/// A row for each value of what differs, and in what all are alike.
pub(super) fn section(fleet: Option<&Fleet>) -> Option<Section> {
    let fleet = fleet?;
    let rows = fleet.disparities.iter().flat_map(|disparity| {
        let all = fleet.members.get(&disparity.of).copied().unwrap_or_default();
        disparity.values.iter().map(move |shared| (disparity, shared, all))
    });
    let section = Section::table(
        TITLE,
        rows,
        &[
            ("of", &|(disparity, ..): &(&Disparity, &Shared, usize)| word(disparity.of).into()),
            ("what", &|(disparity, ..)| disparity.what.as_str().into()),
            ("is", &|(_, shared, _)| value(shared).into()),
            ("on", &|(_, shared, all)| {
                let count = shared.members.len();
                Cell::number(count as f64, |_| format!("{count} of {all}"))
            }),
            ("odd", &|(_, shared, _)| match shared.minority {
                true => Cell::from("minority").taken(Tone::Doubtful),
                false => "-".into(),
            }),
            ("which", &|(_, shared, _)| few(&shared.members, NAMED).into()),
        ],
    );
    let alike = fleet.alike.iter().map(|(of, what)| {
        let count = fleet.members.get(of).copied().unwrap_or_default();
        format!("{} are alike in: {}", counted(count, &word(of)), what.join(", "))
    });
    // Reports that are alike are no fleet by that alone.
    let some =
        !fleet.disparities.is_empty() || fleet.members.keys().any(|of| *of != Member::Report);
    let section =
        section.unwrap_or_else(|| Section { title: TITLE.to_owned(), ..Section::default() });
    some.then(|| section.spare(&["of"]).outcome("odd").with(alike.collect::<Vec<_>>()))
}

fn value(shared: &Shared) -> &str {
    shared.value.as_deref().unwrap_or("not set")
}
