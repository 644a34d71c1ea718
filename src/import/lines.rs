//! Lines of a log, without what launchers put before them.

use std::collections::{HashMap, HashSet};

use regex_lite::Regex;

use crate::base::error::{Error, Result};
use crate::base::units::counted;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
    /// Whether its end is there.
    pub(super) ends: bool,
}

impl Line<'_> {
    /// The error, with where it is.
    pub(super) fn refused(self, why: Error) -> Error {
        Error::usage(format!("line {}: {}", self.number, why.message))
    }
}

/// The rows of a table, of which the last one may be cut.
#[derive(Default)]
pub(super) struct Rows {
    /// The line of a row with too few fields, and how many it has.
    short: Option<(usize, usize)>,
    /// Decimals of the last number of the row before.
    decimals: Option<usize>,
}

impl Rows {
    /// The fields of the next row, which are as many as there are columns, or one to `more` of them beyond that. `None`
    /// where they are too few.
    pub(super) fn fields<'a>(
        &mut self,
        line: Line<'a>,
        columns: usize,
        more: usize,
    ) -> Result<Option<Vec<&'a str>>> {
        self.refuse_cut(columns)?;
        let fields: Vec<&str> = line.text.split_whitespace().collect();
        if fields.len() > columns + more {
            return Err(wrong_width("the row", fields.len(), columns));
        }
        // A number that has no end may have lost digits: one that has as many decimals as the one above has not.
        let decimals = fields.last().and_then(|last| Some(last.split_once('.')?.1.len()));
        let cut = !line.ends
            && (decimals.is_none() || self.decimals.is_some_and(|above| Some(above) != decimals));
        self.decimals = decimals;
        self.short = (fields.len() < columns || cut).then_some((line.number, fields.len()));
        Ok(self.short.is_none().then_some(fields))
    }

    /// Refuses a cut row: the table goes on behind it.
    pub(super) fn refuse_cut(&self, columns: usize) -> Result<()> {
        let wrong =
            |(line, fields)| wrong_width(&format!("the row of line {line}"), fields, columns);
        self.short.map_or(Ok(()), |short| Err(wrong(short)))
    }

    /// What is missing at the end, if something is.
    pub(super) fn cut(&self) -> Option<String> {
        self.short.map(|(line, _)| format!("the row of line {line} is cut and left out"))
    }
}

fn wrong_width(row: &str, fields: usize, columns: usize) -> Error {
    Error::usage(format!(
        "{row} has {}, and the table {}; mend or remove it",
        counted(fields, "field"),
        counted(columns, "column")
    ))
}

/// Most lines of a file that hold something.
const LINE_LIMIT: usize = 1 << 22;

/// The lines of each process that hold something, in the order of their first: launchers that mark lines mix
/// those of several. Lines of output begin with one of the `signs`, or with `#`.
pub(super) fn streams<'a>(text: &'a str, signs: &[&str]) -> Result<Vec<Vec<Line<'a>>>> {
    let prefixes = Prefixes::of(text, signs);
    let mut streams: Vec<Vec<Line<'_>>> = Vec::new();
    let mut places = HashMap::new();
    let mut lines = 0;
    let (end, text_ends) = (text.as_bytes().as_ptr_range().end, text.ends_with('\n'));
    for (line, number) in text.lines().zip(1..) {
        if line.is_empty() {
            continue;
        }
        let (marks, text) = prefixes.part(line);
        if text.trim().is_empty() {
            continue;
        }
        lines += 1;
        if lines > LINE_LIMIT {
            return Err(Error::usage(format!(
                "it has more than {LINE_LIMIT} lines; leave out those of other programs"
            )));
        }
        let place = *places.entry(marks).or_insert_with(|| {
            streams.push(Vec::new());
            streams.len() - 1
        });
        let ends = text_ends || line.as_bytes().as_ptr_range().end != end;
        streams[place].push(Line { number, text, ends });
    }
    Ok(streams)
}

/// What stands before the output of a tool, which begins with one of the `signs`, if that cannot be read for it, and
/// where.
pub(super) fn unknown_prefix(text: &str, signs: &[&str]) -> Option<String> {
    // There may be many lines: these are not looked at one by one.
    let before = |sign: &&str| {
        let mut found = text.match_indices(sign).map(|(at, _)| {
            let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
            (line, text[line..at].trim())
        });
        found.find(|(_, prefix)| !prefix.is_empty())
    };
    let (line, prefix) = signs.iter().filter_map(before).min()?;
    let number = 1 + text[..line].matches('\n').count();
    Some(format!(
        "line {number}: '{prefix}' stands before the output of a test, and such a prefix is not known; remove it from all \
         lines"
    ))
}

/// What launchers, shells and container engines put before lines. What is in parentheses names the process: lines of
/// several may be mixed.
const PREFIXES: [&str; 8] = [
    // Times: kubectl and docker, Open MPI, and loggers.
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?\]? ?",
    r"[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4} ?",
    r"[IWE] \d\d-\d\d \d\d:\d\d:\d\d [\w.]+:\d+\] ",
    // srun.
    r"\s*(\d+):(?: |$)",
    // Open MPI and MPICH.
    r"\s*\[([\w@,._:-]*\d)\](?:<std\w+>)?:?",
    // kubectl --prefix.
    r"\[(pod/[^\]]+)\] ",
    // SkyPilot.
    r"\(([^()]*pid=\d+[^()]*)\) ",
    // Docker Compose.
    r"([\w.-]+) +\| ",
];

/// Takes off what stands before lines.
struct Prefixes<'a> {
    known: Vec<Regex>,
    /// pdsh's hosts: a comment or a sign stands behind each somewhere. A host that only other lines begin with is part of
    /// them.
    hosts: HashSet<&'a str>,
}

impl<'a> Prefixes<'a> {
    fn of(text: &'a str, signs: &[&str]) -> Self {
        let is_name =
            |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        let line_before = |at: usize| text[..at].rsplit('\n').next();
        let of_sign = |sign: &&str| {
            let sign = format!(": {sign}");
            text.match_indices(&sign).filter_map(|(at, _)| line_before(at)).collect::<Vec<_>>()
        };
        let hosts = std::iter::once(&"#").chain(signs).flat_map(of_sign).filter(is_name).collect();
        let known = PREFIXES.iter().filter_map(|prefix| Regex::new(&format!("^{prefix}")).ok());
        Self { known: known.collect(), hosts }
    }

    /// The marks of the line's process, and what follows them.
    fn part(&self, line: &'a str) -> (Vec<&'a str>, &'a str) {
        let (mut marks, mut rest) = (Vec::new(), line);
        // Most lines are rows or comments without one, and there may be millions.
        if line.starts_with('#') || !line.contains([':', ']', ')', '|']) {
            return (marks, rest);
        }
        for prefix in self.known.iter().chain(&self.known) {
            if let Some(found) = prefix.captures(rest) {
                marks.extend(found.get(1).map(|mark| mark.as_str()));
                rest = &rest[found.get(0).map_or(0, |all| all.end())..];
            }
        }
        if let Some((host, behind)) =
            rest.split_once(':').filter(|(host, _)| self.hosts.contains(host))
        {
            marks.push(host);
            rest = behind;
        }
        (marks, rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_launchers() {
        for (line, expected) in [
            ("   8   2", ("", "   8   2")),
            ("0: # size", ("0", "# size")),
            ("12:", ("12", "")),
            ("2026-01-02T03:04:05.1234Z # size", ("", "# size")),
            ("[pod/a-0/c] 2026-01-02T03:04:05+01:00   8", ("pod/a-0/c", "  8")),
            ("Fri Jan 02 03:04:05 2026[1,0]<stdout>:8  1.5", ("1,0", "8  1.5")),
            ("(head, rank=0, pid=12) # size", ("head, rank=0, pid=12", "# size")),
            ("I 01-02 03:04:05 log_lib.py:4] # size", ("", "# size")),
            ("node-1:    8  2", ("node-1", "    8  2")),
            ("node-2: Test failure", ("", "node-2: Test failure")),
            ("web-1  | # size", ("web-1", "# size")),
            ("12:30:00 x", ("", "12:30:00 x")),
            ("[1,0]<stdout>:#  Rank", ("1,0", "#  Rank")),
            ("[prterun-a-1@1,3]<stdout>: 8", ("prterun-a-1@1,3", " 8")),
            ("[3] text", ("3", " text")),
            ("[0000:07:00 text", ("", "[0000:07:00 text")),
        ] {
            let prefixes = Prefixes::of("node-1: # size\n", &[]);
            let (marks, rest) = prefixes.part(line);
            assert_eq!((&*marks.join(" "), rest), expected);
        }
        let of: Vec<Vec<usize>> = streams("0: a\n1: b\n1:\n0: c\n", &[])
            .unwrap()
            .into_iter()
            .map(|lines| lines.into_iter().map(|line| line.number).collect())
            .collect();
        assert_eq!(of, [vec![1, 4], vec![2]]);
    }
}
