//! The comment lines of nccl-tests: devices, columns, and what stands before a table.

use std::collections::{BTreeMap, BTreeSet};

use super::log::Place;
use crate::base::error::{Error, Result};
use crate::benchmark::work::Placement;

/// The columns of a table. Old and new versions differ, and so do `-I`, `-C` and `-S`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    /// Before the halves: size, count, type, and where there are such redop and root.
    pub(super) first: Vec<String>,
    /// Of each half: time, algbw, busbw, #wrong, and with `-I` four more.
    pub(super) half: Vec<String>,
    /// Whether a time of day stands at the end.
    pub(super) timestamp: bool,
    /// Whether the first half is the one in place.
    pub(super) in_place_first: bool,
    /// Whether there is no other half.
    pub(super) one_half: bool,
}

impl Columns {
    /// The columns that a header line names; `None` for another line.
    pub(super) fn of(line: &str) -> Option<Self> {
        let names: Vec<&str> = line.trim_start().strip_prefix('#')?.split_whitespace().collect();
        if names.first() != Some(&"size") {
            return None;
        }
        let starts = |name: &&str| ["time", "cputime"].contains(name);
        let first = names.iter().position(starts)?;
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let timestamp = names.last() == Some(&"timestamp");
        let halves = &names[first..names.len() - usize::from(timestamp)];
        // rccl-tests can leave the half out of place out.
        let second = halves.iter().skip(1).position(starts).map(|second| second + 1);
        let (half, other) = halves.split_at(second.unwrap_or(halves.len()));
        let whole = half.contains(&"algbw") && half.contains(&"busbw");
        (whole && (half == other || second.is_none())).then(|| Self {
            first: own(&names[..first]),
            half: own(half),
            timestamp,
            in_place_first: false,
            one_half: second.is_none(),
        })
    }

    /// Whether the line above the columns says that the half in place comes first; `None` for another line.
    pub(super) fn in_place_first(comment: &str) -> Option<bool> {
        let halves: Vec<&str> = comment.split_whitespace().collect();
        let is_half = |word: &&str| ["out-of-place", "in-place"].contains(word);
        let fits = !halves.is_empty() && halves.len() <= 2 && halves.iter().all(is_half);
        fits.then(|| halves[0] == "in-place")
    }

    /// Fields of a row, without a time of day.
    pub(super) fn fields(&self) -> usize {
        self.first.len() + if self.one_half { 1 } else { 2 } * self.half.len()
    }

    /// The row in a line: all of it, or what stands behind the text of another program whose line has no end. `None` for
    /// a line that begins with a name or a time of day.
    pub(super) fn row_in<'a>(&self, line: &'a str) -> Option<&'a str> {
        let whole = |word: Option<&&str>| word.is_some_and(|word| word.parse::<u64>().is_ok());
        let words: Vec<&str> = line.split_whitespace().collect();
        if whole(words.first()) {
            return Some(line);
        }
        let row = words.get(words.len().checked_sub(self.fields())?..)?;
        // A size, a count, and at the end a rate, or the number of wrong elements.
        let is_row = whole(row.first())
            && whole(row.get(1))
            && row[3..].iter().any(|word| word.contains('.'));
        let at = row.first()?.as_ptr().addr() - line.as_ptr().addr();
        is_row.then(|| &line[at..])
    }

    /// What the halves of a row say, with what stands before them.
    pub(super) fn halves<'a>(
        &'a self,
        fields: &[&'a str],
    ) -> Vec<(Placement, BTreeMap<&'a str, &'a str>)> {
        let (first, halves) = fields.split_at(self.first.len());
        let placements = match self.in_place_first {
            true => [Placement::In, Placement::Out],
            false => [Placement::Out, Placement::In],
        };
        let halves = halves.chunks(self.half.len().max(1)).zip(placements);
        let mut halves: Vec<_> = halves
            .take(if self.one_half { 1 } else { 2 })
            .map(|(half, placement)| {
                let names = self.first.iter().chain(&self.half).map(String::as_str);
                (placement, names.zip(first.iter().chain(half).copied()).collect())
            })
            .collect();
        halves.sort_by_key(|(placement, _)| *placement == Placement::In);
        halves
    }
}

/// The line of a rank among `# Using devices`; `None` for another comment.
pub(super) fn place(comment: &str) -> Result<Option<Place>> {
    let text = comment.trim_start_matches('#').trim_start();
    if !text.starts_with("Rank ") {
        return Ok(None);
    }
    let read = || {
        let after = |word: &str| text.split_whitespace().skip_while(|w| *w != word).nth(1);
        let number = |word: &str| after(word)?.parse::<usize>().ok();
        let (pci, name) = text.split_once('[')?.1.split_once(']')?;
        Some(Place {
            rank: number("Rank")?,
            group: number("Group").unwrap_or(0),
            host: after("on")?.to_owned(),
            device: number("device")?,
            pci: Some(pci.trim().to_owned()),
            name: name.trim().to_owned(),
            gpu: true,
        })
    };
    read().map(Some).ok_or_else(|| Error::usage("the place of a rank cannot be read"))
}

/// The sizes that a test was asked for, bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sizes {
    first: u64,
    last: u64,
    step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Factor(u64),
    Bytes(u64),
}

impl Sizes {
    /// Those of `nThread 1 nGpus 1 minBytes 8 maxBytes 64 step: 2(factor)`, or of `step: 8(bytes)`.
    pub(super) fn of(comment: &str) -> Option<Self> {
        let number = |name: &str| after(comment, name)?.parse::<u64>().ok();
        let (step, unit) = after(comment, "step:")?.split_once('(')?;
        let step = step.parse().ok().filter(|step| *step > 0)?;
        let step = if unit == "factor)" { Step::Factor(step) } else { Step::Bytes(step) };
        Some(Self { first: number("minBytes ")?, last: number("maxBytes ")?, step })
    }

    /// Those that are not among the printed ones; none where printed ones are not among those, because the test has
    /// rounded them.
    pub(super) fn missing(self, printed: &BTreeSet<u64>) -> Vec<u64> {
        let next = |size: &u64| match self.step {
            Step::Factor(factor) => size.checked_mul(factor).filter(|next| next > size),
            Step::Bytes(bytes) => size.checked_add(bytes),
        };
        let asked = std::iter::successors(Some(self.first), next);
        let asked: BTreeSet<u64> =
            asked.take_while(|size| *size <= self.last).take(SIZE_LIMIT).collect();
        let rounded = !printed.is_subset(&asked);
        asked.into_iter().filter(|size| !rounded && !printed.contains(size)).collect()
    }
}

/// Most sizes of a test that are looked for.
const SIZE_LIMIT: usize = 10_000;

/// What follows `name` among the words of a comment: `20` for `iters:` in `iters: 20`.
pub(super) fn after<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.find(name)?;
    text[at + name.len()..].split_whitespace().next()
}

/// The version that NCCL's number means: 22704 is 2.27.4, before 2.9 2708 was 2.7.8.
pub(super) fn nccl_version(code: u64) -> String {
    let (major, rest) =
        if code < 10_000 { (code / 1000, code % 1000) } else { (code / 10_000, code % 10_000) };
    format!("{major}.{}.{}", rest / 100, rest % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_several_versions() {
        let old =
            "#  size  count  type  redop  time  algbw  busbw  error  time  algbw  busbw  error";
        assert_eq!(Columns::of(old).unwrap().fields(), 12);
        let new = "#  size count type redop root cputime algbw busbw #wrong i_min cputime algbw busbw #wrong i_min timestamp";
        let columns = Columns::of(new).unwrap();
        assert_eq!((columns.fields(), columns.timestamp), (15, true));
        for text in ["# size time", "size time time", "# size time algbw time", "#"] {
            assert_eq!(Columns::of(text), None, "{text}");
        }
        assert_eq!([22704, 2708].map(nccl_version), ["2.27.4", "2.7.8"]);
    }

    #[test]
    fn sizes_that_are_missing() {
        let sizes =
            Sizes::of("nThread 1 nGpus 1 minBytes 8 maxBytes 64 step: 2(factor) warmup iters: 5")
                .unwrap();
        assert_eq!(sizes.missing(&[8, 64].into()), [16, 32]);
        assert!(sizes.missing(&[0, 64].into()).is_empty());
        let sizes = Sizes::of("minBytes 8 maxBytes 24 step: 8(bytes)").unwrap();
        assert_eq!(sizes.missing(&[8, 16].into()), [24]);
        let endless = Sizes::of("minBytes 8 maxBytes 24 step: 1(factor)").unwrap();
        assert!(endless.missing(&[8].into()).is_empty());
    }

    #[test]
    fn places_of_ranks() {
        let of = place;
        let new = "#  Rank  3 Group  1 Pid  4711 on   node-a device  3 [0000:1b:00] NVIDIA H100 80GB HBM3";
        let place = of(new).unwrap().unwrap();
        assert_eq!((place.rank, place.group, place.device), (3, 1, 3));
        assert_eq!((place.host.as_str(), place.pci.as_deref()), ("node-a", Some("0000:1b:00")));
        assert_eq!(place.name, "NVIDIA H100 80GB HBM3");
        let old = of("#   Rank  0 Pid  12 on  b device  0 [0x07] Tesla V100").unwrap().unwrap();
        assert_eq!((old.group, old.name.as_str()), (0, "Tesla V100"));
        assert_eq!(of("# Using devices"), Ok(None));
        assert!(of("#  Rank x on y").is_err());
    }
}
