//! Lines of a log, without what launchers put before them.

use crate::base::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line<'a> {
    /// From 1.
    pub(super) number: usize,
    pub(super) text: &'a str,
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
        self.short = (fields.len() < columns).then_some((line.number, fields.len()));
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
        "{row} has {fields} fields, and the table {columns} columns; mend or remove it"
    ))
}

/// Most lines of a file that hold something.
const LINE_LIMIT: usize = 1 << 22;

/// The lines of each process that hold something, in the order of their first: launchers that mark lines mix
/// those of several.
pub(super) fn streams(text: &str) -> Result<Vec<Vec<Line<'_>>>> {
    let mut streams: Vec<(&str, Vec<Line<'_>>)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    let mut lines = 0;
    for (line, number) in text.lines().zip(1..) {
        let (mark, text) = unmarked(line);
        if text.trim().is_empty() {
            continue;
        }
        lines += 1;
        if lines > LINE_LIMIT {
            return Err(Error::usage(format!(
                "it has more than {LINE_LIMIT} lines; leave out those of other programs"
            )));
        }
        let place = *places.entry(mark).or_insert_with(|| {
            streams.push((mark, Vec::new()));
            streams.len() - 1
        });
        streams[place].1.push(Line { number, text });
    }
    Ok(streams.into_iter().map(|(_, lines)| lines).collect())
}

/// The launcher's mark (`0: ` of srun, `[1,0]<stdout>:` of Open MPI, `[0] ` of MPICH), and what follows.
fn unmarked(line: &str) -> (&str, &str) {
    let start = line.trim_start();
    let digits = start.len() - start.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if digits > 0
        && let Some(rest) = start[digits..].strip_prefix(':')
        && (rest.is_empty() || rest.starts_with(' '))
    {
        return (&start[..digits], rest);
    }
    if let Some((inside, rest)) = start.strip_prefix('[').and_then(|inside| inside.split_once(']'))
        && inside.ends_with(|c: char| c.is_ascii_digit())
        && inside.chars().all(|c| c.is_ascii_alphanumeric() || "@,._:-".contains(c))
    {
        let streams = ["<stdout>", "<stderr>", "<stddiag>"];
        let rest = streams.iter().find_map(|name| rest.strip_prefix(name)).unwrap_or(rest);
        return (inside, rest.strip_prefix(':').unwrap_or(rest));
    }
    ("", line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_launchers() {
        for (line, expected) in [
            ("   8   2", ("", "   8   2")),
            ("0: # size", ("0", " # size")),
            ("12:", ("12", "")),
            ("12:30:00 x", ("", "12:30:00 x")),
            ("[1,0]<stdout>:#  Rank", ("1,0", "#  Rank")),
            ("[prterun-a-1@1,3]<stdout>: 8", ("prterun-a-1@1,3", " 8")),
            ("[3] text", ("3", " text")),
            ("[0000:07:00 text", ("", "[0000:07:00 text")),
        ] {
            assert_eq!(unmarked(line), expected);
        }
        let of: Vec<Vec<usize>> = streams("0: a\n1: b\n1:\n0: c\n")
            .unwrap()
            .into_iter()
            .map(|lines| lines.into_iter().map(|line| line.number).collect())
            .collect();
        assert_eq!(of, [vec![1, 4], vec![2]]);
    }
}
