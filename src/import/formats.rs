//! The forms of output that are read: one file and one line here for each.

use std::path::Path;

use super::death::Death;
use super::folder;
use super::format::{Format, Kind, Origin};
use super::lines;
use super::log::{Asked, Log};
use super::{
    criterion, imb, memory_benchmark, mscclpp, nccl_json, nccl_text, nvbandwidth, nvbench, osu,
    perftest,
};
use crate::base::error::{Error, Result};

/// All of them.
const FORMATS: [Format; 11] = [
    nccl_text::FORMAT,
    nccl_json::FORMAT,
    osu::FORMAT,
    imb::FORMAT,
    nvbandwidth::TEXT,
    nvbandwidth::JSON,
    perftest::FORMAT,
    nvbench::FORMAT,
    criterion::FORMAT,
    mscclpp::FORMAT,
    memory_benchmark::FORMAT,
];

/// Whether it is the output of a tool, even where it cannot be read as such: then what is wrong with it as a log is the
/// answer.
pub(super) fn is_known(text: &str) -> bool {
    FORMATS.iter().any(|format| format.is_in(text))
}

/// The bytes of a folder of results, which are read as a file's are; `None` where it holds none of any tool.
///
/// # Errors
/// As of [`folder::gather`].
pub(super) fn folder(path: &Path, limit: u64) -> Result<Option<Vec<u8>>> {
    let of = |format: &Format| match format.kind {
        Kind::Folder { files, .. } => files.to_vec(),
        _ => Vec::new(),
    };
    let endings: Vec<&str> = FORMATS.iter().flat_map(of).collect();
    folder::gather(path, &endings, limit)
}

/// The names of the tools, as a list in a sentence.
fn names() -> String {
    let mut names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    names.dedup();
    let last = names.pop().unwrap_or_default();
    format!("{} or of {last}", names.join(", of "))
}

/// What a file holds, by its content.
pub(super) fn read(text: &str, file: &Path, asked: &Asked) -> Result<Log> {
    let name = file.display().to_string();
    let origin = Origin { file: &name, asked };
    if let Some(files) = folder::files(text) {
        for format in &FORMATS {
            if let Kind::Folder { read, .. } = format.kind {
                return one(vec![read(&files, origin)?], None, text);
            }
        }
    }
    for format in FORMATS.iter().filter(|format| format.is_in(text)) {
        if let Kind::Json { read, .. } = format.kind {
            let log = read(text, origin)?;
            return one(vec![log], None, text);
        }
    }
    let (logs, death) = of_lines(text, origin)?;
    if logs.is_empty() && text.trim_start().starts_with('{') {
        let whole = serde_json::from_str::<serde::de::IgnoredAny>(text);
        return Err(Error::usage(match whole {
            Err(why) => format!("it is not whole JSON: {why}"),
            Ok(_) => format!("it is not the output of {}", names()),
        }));
    }
    one(logs, death, text)
}

/// What the programs of a text's lines have printed, and the line that tells of a death.
fn of_lines(text: &str, origin: Origin<'_>) -> Result<(Vec<Log>, Option<Death>)> {
    let mut streams = lines::streams(text, &signs())?;
    let is_there = |signs: &[&str]| {
        let mut lines = streams.iter().flatten();
        lines.any(|line| signs.iter().any(|sign| line.text.contains(sign)))
    };
    let mut tools = Vec::new();
    for format in &FORMATS {
        if let Kind::Lines { signs, read } = format.kind
            && is_there(signs)
        {
            tools.push((format.name, read));
        }
    }
    if let [(one, _), (other, _), ..] = tools[..] {
        return Err(Error::usage(format!(
            "it holds results of {one} and of {other}; part them into files"
        )));
    }
    let (mut logs, mut death): (Vec<Log>, Option<Death>) = (Vec::new(), None);
    for lines in &mut streams {
        lines.retain(|line| {
            let Some(new) = Death::read(line.number, line.text) else { return true };
            death = Some(match death.take() {
                Some(known) => known.or(Some(new)),
                None => new,
            });
            false
        });
        for (_, read) in &tools {
            logs.extend(read(lines, origin)?);
        }
    }
    if logs.len() > 1 && logs.iter().any(|log| !log.readings.is_empty()) {
        logs.retain(|log| !log.readings.is_empty());
    }
    Ok((logs, death))
}

/// What begins lines of output of any tool.
fn signs() -> Vec<&'static str> {
    let of = |format: &Format| match format.kind {
        Kind::Lines { signs, .. } => signs.to_vec(),
        Kind::Json { .. } | Kind::Folder { .. } => Vec::new(),
    };
    FORMATS.iter().flat_map(of).collect()
}

/// The one log that a file should hold.
fn one(mut logs: Vec<Log>, death: Option<Death>, text: &str) -> Result<Log> {
    let died = death.map(|death| death.told);
    let wrong = match logs.as_mut_slice() {
        [] => match lines::unknown_prefix(text, &signs()) {
            Some(what) => what,
            None => format!("it is not the output of {}", names()),
        },
        [log] if log.readings.is_empty() => {
            let told = died.or(log.cut.take()).map_or(String::new(), |told| format!(" ({told})"));
            format!("it is of {}, but has no result{told}", log.tool)
        }
        [log] => {
            log.died = died.is_some();
            log.cut = died.or(log.cut.take());
            return Ok(logs.remove(0));
        }
        _ => format!(
            "it holds the results of {} programs that ran side by side; part them into files",
            logs.len()
        ),
    };
    Err(Error::usage(wrong))
}
