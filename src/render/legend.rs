//! What is said of the rows of a table, once below it: a letter in each row, and a line for each letter.

use std::collections::HashMap;
use std::fmt::Display;

use super::document::{Attention, Cell, Section};
use super::plot::Tone;

/// What is said of one row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Remark {
    /// What it is about; remarks about the same thing share a line.
    pub(super) about: String,
    /// All of it; of those that share a line, the worst is told.
    pub(super) says: String,
    /// How far it goes: the larger, the worse.
    pub(super) extent: f64,
    /// How it is to be taken.
    pub(super) tone: Tone,
}

impl Remark {
    /// One that says how far something goes.
    pub(super) fn reaching(about: &str, how: impl Display, extent: f64) -> Self {
        Self { about: about.to_owned(), says: format!("{about}: {how}"), extent, tone: Tone::Plain }
    }

    /// One that is about what it says, whatever its numbers are.
    pub(super) fn of(says: String) -> Self {
        let about = says.replace(|c: char| c.is_ascii_digit() || ".+-".contains(c), "");
        Self { about, says, extent: 0.0, tone: Tone::Plain }
    }

    /// One that shares a line only with those that say the same to the last digit.
    pub(super) fn alone(says: String) -> Self {
        Self { about: says.clone(), says, extent: 0.0, tone: Tone::Plain }
    }

    /// The remark, to be taken so.
    pub(super) fn taken(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// Remarks about the same thing, each with its row.
type Shared = Vec<(usize, Remark)>;

/// The remarks of all rows, by what they are about.
pub(super) struct Legend {
    names: Vec<String>,
    shared: Vec<Shared>,
}

impl Legend {
    /// The legend of rows: what each is called, and what is said of it.
    pub(super) fn of(rows: impl IntoIterator<Item = (String, Vec<Remark>)>) -> Self {
        let mut legend = Self { names: Vec::new(), shared: Vec::new() };
        let mut places = HashMap::new();
        for (row, (name, remarks)) in rows.into_iter().enumerate() {
            legend.names.push(name);
            for remark in remarks {
                let place = *places.entry(remark.about.clone()).or_insert(legend.shared.len());
                legend.shared.resize_with(legend.shared.len().max(place + 1), Vec::new);
                legend.shared[place].push((row, remark));
            }
        }
        legend
    }

    /// The section with a column of letters, and a line for each of them below. What is said of every row needs no letter.
    pub(super) fn below(&self, section: Section) -> Section {
        let is_of_all = |shared: &&Shared| shared.len() == self.names.len();
        let (of_all, of_some): (Vec<_>, Vec<_>) = self.shared.iter().partition(is_of_all);
        let mut letters = vec![String::new(); self.names.len()];
        for (place, shared) in of_some.iter().enumerate() {
            shared.iter().for_each(|(row, _)| letters[*row] += &letter(place));
        }
        let lines = of_some.iter().enumerate();
        let lines = lines.map(|(place, shared)| format!("{} {}", letter(place), self.line(shared)));
        let lines: Vec<String> =
            lines.chain(of_all.into_iter().map(|shared| self.line(shared))).collect();
        section.and("see", letters.into_iter().map(Cell::from).collect()).with(lines)
    }

    /// The lines alone.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.shared.iter().map(|shared| self.line(shared))
    }

    /// What people should look at first: what is bad, then what is doubtful, each with the worst row.
    pub(super) fn attention(&self) -> impl Iterator<Item = Attention> {
        [Tone::Bad, Tone::Doubtful].into_iter().flat_map(move |tone| {
            self.shared.iter().filter_map(move |shared| {
                let (row, remark) = worst(shared)?;
                let at = self.names[*row].clone();
                (remark.tone == tone).then(|| Attention { says: self.line(shared), at, tone })
            })
        })
    }

    /// `unsteady: times vary by 55.0 % … (3 of 12 cases, the worst gemm/f32/…)`
    fn line(&self, shared: &Shared) -> String {
        let (some, all) = (shared.len(), self.names.len());
        let Some((row, Remark { says, extent, .. })) = worst(shared) else { return String::new() };
        let (worst, differ) = (&self.names[*row], shared.iter().any(|it| it.1.extent < *extent));
        let of = match (some, all) {
            (2, 2) => "both cases".to_owned(),
            _ if some == all => format!("all {all} cases"),
            _ => format!("{some} of {all} cases"),
        };
        match () {
            () if all == 1 => says.clone(),
            () if some == 1 => format!("{says} ({worst})"),
            () if differ => format!("{says} ({of}, the worst {worst})"),
            () if some == all => format!("{says} ({of})"),
            () => format!("{says} ({of}, such as {worst})"),
        }
    }
}

/// The first of those that go the farthest.
fn worst(shared: &Shared) -> Option<&(usize, Remark)> {
    shared.iter().rev().max_by(|a, b| a.1.extent.total_cmp(&b.1.extent))
}

/// `a` to `z`, then `A` to `Z`, then `(53)`.
fn letter(place: usize) -> String {
    let letter = ('a'..='z').chain('A'..='Z').nth(place);
    letter.map_or_else(|| format!("({})", place + 1), String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remark(about: &str, extent: f64) -> Remark {
        Remark {
            about: about.to_owned(),
            says: format!("{about} by {extent}"),
            extent,
            tone: Tone::Plain,
        }
    }

    #[test]
    fn each_remark_is_told_once_by_its_worst_row() {
        let rows = [
            ("x", vec![remark("quick", 0.0), remark("unsteady", 1.0)]),
            ("y", vec![remark("quick", 0.0), remark("unsteady", 3.0), remark("late", 0.0)]),
            ("z", vec![remark("quick", 0.0)]),
        ];
        let legend = Legend::of(rows.map(|(name, remarks)| (name.to_owned(), remarks)));
        let section = Section::table("", ["x", "y", "z"], &[("case", &|name| (*name).into())]);
        let section = legend.below(section.unwrap());
        let table = section.table.unwrap();
        let letters: Vec<&str> = table.rows.iter().map(|row| row[1].text.as_str()).collect();
        assert_eq!(letters, ["a", "ab", ""]);
        let lines: Vec<&str> = section.notes.iter().map(|note| note.text.as_str()).collect();
        assert_eq!(
            lines,
            [
                "a unsteady by 3 (2 of 3 cases, the worst y)",
                "b late by 0 (y)",
                "quick by 0 (all 3 cases)"
            ]
        );
    }

    #[test]
    fn what_holds_for_all_has_no_letter_for_one_case_as_for_many() {
        let page = |names: &[&'static str]| {
            let rows = names.iter().map(|name| ((*name).to_owned(), vec![remark("quick", 0.0)]));
            let section = Section::table("", names, &[("case", &|name| (**name).into())]).unwrap();
            let section = Legend::of(rows).below(section);
            (section.table.unwrap().columns.len(), section.notes[0].text.clone())
        };
        assert_eq!(page(&["x"]), (1, "quick by 0".to_owned()));
        assert_eq!(page(&["x", "y"]), (1, "quick by 0 (both cases)".to_owned()));
        assert_eq!(page(&["x", "y", "z"]), (1, "quick by 0 (all 3 cases)".to_owned()));
    }

    #[test]
    fn what_is_bad_comes_before_what_is_doubtful_each_with_its_worst_row() {
        let rows = [
            ("x", vec![remark("unsteady", 1.0).taken(Tone::Doubtful), remark("quick", 0.0)]),
            (
                "y",
                vec![
                    remark("unsteady", 3.0).taken(Tone::Doubtful),
                    remark("failed", 0.0).taken(Tone::Bad),
                ],
            ),
        ];
        let legend = Legend::of(rows.map(|(name, remarks)| (name.to_owned(), remarks)));
        let told: Vec<(Tone, String, String)> =
            legend.attention().map(|it| (it.tone, it.at, it.says)).collect();
        let expected = [
            (Tone::Bad, "y", "failed by 0 (y)"),
            (Tone::Doubtful, "y", "unsteady by 3 (both cases, the worst y)"),
        ];
        assert_eq!(told, expected.map(|(tone, at, says)| (tone, at.to_owned(), says.to_owned())));
    }

    #[test]
    fn letters_do_not_end() {
        assert_eq!([0, 25, 26, 52].map(letter), ["a", "z", "A", "(53)"]);
    }
}
