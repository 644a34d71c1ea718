//! Reading a report back, and what is refused in it: whoever has a report may rely on the rest.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::check::Wrong;
use super::{Case, Measured, Report, SCHEMA};
use crate::base::error::{Error, Result};
use crate::base::files::read_bounded;
use crate::base::serde_words::in_plain_words;
use crate::benchmark::{self, work::Placement};

/// Most bytes a report may have that is read back.
pub const FILE_LIMIT: u64 = 1 << 30;

/// Begins what is wrong with a case's figures; the place within the case follows.
const FIGURES: &str = "figures: ";

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// Usage error for a file that cannot be read, is not a report, or is of another version.
    pub fn load(path: &Path) -> Result<Self> {
        Ok(Self::load_with_text(path)?.0)
    }

    /// Reads a report, and keeps what was read.
    ///
    /// # Errors
    /// As of [`load`](Self::load).
    pub fn load_with_text(path: &Path) -> Result<(Self, String)> {
        let text = read_bounded(path, FILE_LIMIT)?;
        Ok((Self::from_text(&text, path)?, text))
    }

    /// A report of what was read from `path`.
    ///
    /// # Errors
    /// Usage error for what is not a report, or is of another version.
    pub fn from_text(text: &str, path: &Path) -> Result<Self> {
        let parsed = Self::parse(text);
        let report = parsed.map_err(|why| Error::file("use the report", path, why))?;
        if report.cases.iter().any(|case| case.replication.is_some() && case.is_uncounted()) {
            tracing::warn!(
                "'{}' does not say what its cases count, because an older version wrote it: their rates over launches \
                 are left out",
                path.display()
            );
        }
        Ok(report)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        /// What is read first; the rest is passed over, which takes no memory.
        #[derive(Deserialize)]
        struct Head {
            schema: Option<String>,
        }
        let head = serde_json::from_str(text);
        let head: Head = head.or_else(|why: serde_json::Error| match why.is_data() {
            true => Ok(Head { schema: None }),
            false => Err(format!("it is not JSON: {why}")),
        })?;
        match head.schema {
            Some(schema) if schema == SCHEMA => {}
            Some(other) => return Err(format!("its schema is '{other}', not '{SCHEMA}'")),
            None => return Err(format!("it has no schema '{SCHEMA}'")),
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let report = serde_path_to_error::deserialize(&mut json).map_err(Wrong::of_type);
        let checked = report.and_then(|report: Self| report.check().map(|()| report));
        let mut report = checked.map_err(|wrong| wrong.told(text))?;
        if report.run.imported_from.is_none() {
            report.cases.iter_mut().for_each(Case::count_kernel);
        }
        Ok(report)
    }
}

impl Wrong {
    /// A key that is missing or of another type.
    fn of_type(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let place = format!(".{}", error.path());
        let why = error.into_inner();
        // Where that is, the place says better: of a case's figures only the end of the case is known.
        let position = format!(" at line {} column {}", why.line(), why.column());
        let why = why.to_string();
        let why = why.strip_suffix(&position).unwrap_or(&why);
        match why.strip_prefix(FIGURES).and_then(|why| why.split_once(": ")) {
            Some((inner, why)) => {
                Self { place: format!("{place}.{inner}"), why: in_plain_words(why) }
            }
            None => Self { place, why: in_plain_words(why) },
        }
    }

    /// In one sentence, with the line of `text` where the innermost key that is there stands.
    fn told(self, text: &str) -> String {
        let Self { place, why } = self;
        let mut value = text;
        for part in place.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
            let inner = match part.parse::<usize>() {
                Ok(index) => parts::<Vec<&RawValue>>(value).and_then(|all| all.get(index).copied()),
                Err(_) => parts::<HashMap<Cow<'_, str>, &RawValue>>(value)
                    .and_then(|all| all.get(part).copied()),
            };
            let Some(inner) = inner else { break };
            value = inner.get();
        }
        let before = value.as_ptr().addr() - text.as_ptr().addr();
        let line = 1 + text.as_bytes()[..before].iter().filter(|byte| **byte == b'\n').count();
        let place = place.trim_matches('.');
        format!("{place} in line {line}: {why}").trim_start().to_owned()
    }
}

fn parts<'a, T: Deserialize<'a>>(json: &'a str) -> Option<T> {
    serde_json::from_str(json).ok()
}

impl Case {
    /// Says what a kernel counts where an older version left it out: it follows from the problem.
    fn count_kernel(&mut self) {
        let kernel = benchmark::find(&self.benchmark).filter(|benchmark| !benchmark.collective);
        let (None, Some(kernel), Some(element)) = (self.counts, kernel, self.precision) else {
            return;
        };
        let work = kernel.work(&self.problem, element, self.placement.unwrap_or(Placement::Out));
        self.counts = work.ok().map(|work| work.counts(self.group_size));
    }

    /// Whether it was measured and does not say what it counts.
    pub fn is_uncounted(&self) -> bool {
        self.measured.is_some() && self.counts.is_none()
    }
}

/// The figures of a case, where it has some. `Option` of flattened keys would take one bad key for none at all.
pub(super) fn figures<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Box<Measured>>, D::Error> {
    let keys = serde_json::Map::deserialize(from)?;
    if !keys.contains_key("latency") {
        return Ok(None);
    }
    let figures = serde_path_to_error::deserialize(Value::Object(keys));
    let wrong = |why: serde_path_to_error::Error<_>| {
        D::Error::custom(format!("{FIGURES}{}: {}", why.path(), why.inner()))
    };
    figures.map(Some).map_err(wrong)
}
