//! The results of an earlier run, kept under a dated name when this run writes to theirs.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use super::sidecar;
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, read_bounded, write_atomically};
use crate::base::units::format_utc;
use crate::render::{FILES, Format, KERNELS, Output, Outputs, is_of_results};
use crate::report::{self, Report};

/// What accompanies the first output of a run or of a series of launches; the first two hold its samples.
const COMPANIONS: [&str; 5] =
    [sidecar::ENDING, "launches", "comparison.json", "comparison.md", "comparison.comment.md"];

/// Moves what an earlier run has written under the names of these outputs, with what accompanies it:
/// `results.json` becomes `results.20261129T093244Z.json`, by the time at which it was written.
///
/// # Errors
/// Usage error when something cannot be moved.
pub fn keep_earlier(outputs: &Outputs) -> Result<()> {
    keep(&outputs.files, &COMPANIONS, outputs.folder.as_deref())
}

/// Does the same in a folder of results.
///
/// # Errors
/// Usage error when something cannot be moved.
pub fn keep_folder(folder: &Path) -> Result<()> {
    keep(&[], &[], Some(folder))
}

/// Does the same for files to which something else than a report is written, where they hold one; what can be computed
/// again is left to be replaced.
///
/// # Errors
/// Usage error when something cannot be moved.
pub fn keep_reports<'a>(files: impl Iterator<Item = &'a Path>) -> Result<()> {
    let reports = files.filter(|path| is_report(path));
    let mut outputs: Vec<Output> = reports
        .map(|path| Output {
            path: path.to_owned(),
            format: Format::of::<Report>(path).unwrap_or(Format::Json),
        })
        .collect();
    // Samples go with the report that names them.
    outputs.sort_by_key(|output| output.format != Format::Json);
    let names_samples = outputs.first().is_some_and(|first| first.format == Format::Json);
    keep(&outputs, if names_samples { &COMPANIONS } else { &[] }, None)
}

/// Whether it begins as a report does, in JSON, Markdown or CSV.
fn is_report(path: &Path) -> bool {
    let mut head = Vec::new();
    if is_plain(path)
        && let Ok(file) = File::open(path)
    {
        // What cannot be read has no beginning.
        let _ = file.take(200).read_to_end(&mut head);
    }
    let head = String::from_utf8_lossy(&head);
    let begins = ["# tesserabench", "id,benchmark,problem,"].iter().any(|it| head.starts_with(it));
    begins || head.contains("\"tesserabench.report/")
}

fn keep(outputs: &[Output], companions: &[&str], folder: Option<&Path>) -> Result<()> {
    let own = |path: &Path| (path.to_owned(), path.extension().unwrap_or_default().to_owned());
    let own_files = outputs.iter().map(|output| own(&output.path));
    let tables = outputs.iter().filter(|output| output.format == Format::Csv);
    let tables = tables.map(|output| (output.path.clone(), Output::SCALING.into()));
    let first = outputs.first();
    // What accompanies outputs that are not there is no earlier run's.
    let accompanied = first.filter(|_| outputs.iter().any(|output| output.path.exists()));
    let accompanying = accompanied.into_iter().flat_map(|first| {
        companions.iter().map(|ending| (first.path.clone(), OsString::from(ending)))
    });
    let in_folder = folder.into_iter().flat_map(|folder| {
        let names = FILES.into_iter().chain([KERNELS]);
        names.map(|name| folder.join(name)).filter(|path| is_of_results(path))
    });
    let in_folder = in_folder.map(|path| own(&path));
    let is_there = |(path, ending): &(PathBuf, OsString)| path.with_extension(ending).exists();
    let files: Vec<(PathBuf, OsString)> =
        own_files.chain(in_folder).chain(tables).chain(accompanying).filter(is_there).collect();
    let of_run = |(path, _): &(PathBuf, OsString)| path.metadata().ok()?.modified().ok();
    let Some(written) = files.iter().find_map(of_run) else { return Ok(()) };
    let seconds = written.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let first_date = format_utc(seconds).replace(['-', ':'], "");
    let dated = |date: &str| -> Vec<PathBuf> {
        files.iter().map(|(path, ending)| with_date(path, date, ending)).collect()
    };
    let (mut date, mut number) = (first_date.clone(), 1);
    while dated(&date).iter().any(|path| path.exists()) {
        number += 1;
        date = format!("{first_date}-{number}");
    }
    for ((path, ending), to) in files.iter().zip(dated(&date)) {
        let from = path.with_extension(ending);
        std::fs::rename(&from, &to).map_err(|why| Error::file("move", &from, why))?;
        tracing::warn!("'{}' of an earlier run is kept as '{}'", from.display(), to.display());
    }
    let is_moved = |first: &&Output| files.contains(&own(&first.path));
    match first.filter(is_moved).filter(|first| first.format == Format::Json) {
        Some(first) => rename_samples(first, &date),
        None => Ok(()),
    }
}

/// `results.json` as `results.DATE.ENDING`.
fn with_date(path: &Path, date: &str, ending: &OsStr) -> PathBuf {
    let mut parts = OsString::from(date);
    if !ending.is_empty() {
        parts.push(".");
        parts.push(ending);
    }
    path.with_extension(parts)
}

/// Makes the kept report name its samples as they are called now.
fn rename_samples(output: &Output, date: &str) -> Result<()> {
    let path = with_date(&output.path, date, output.path.extension().unwrap_or_default());
    let stem = |path: &Path| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (old, new) = (stem(&output.path), stem(&path));
    let text = read_bounded(&path, report::FILE_LIMIT)?;
    // What is no report names no samples.
    let Ok(mut report) = serde_json::from_str::<Value>(&text) else { return Ok(()) };
    let mut changed = false;
    let cases = report["cases"].as_array_mut().into_iter().flatten();
    for file in cases.filter_map(|case| case.pointer_mut("/samples/sidecar/file")) {
        let name = file.as_str().and_then(|file| file.strip_prefix(&old));
        if let Some(name) = name.map(|rest| format!("{new}{rest}")) {
            *file = name.into();
            changed = true;
        }
    }
    if !changed {
        return Ok(());
    }
    let text = serde_json::to_string_pretty(&report)
        .map_err(|why| Error::internal(format!("cannot write a report: {why}")))?;
    write_atomically(&path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_kept_with_its_samples() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let files = [("r.json", Format::Json), ("other.csv", Format::Csv)]
            .map(|(name, format)| Output { path: at(name), format });
        let outputs =
            Outputs { files: files.to_vec(), folder: Some(at("d")), ..Outputs::default() };
        let names = || -> Vec<String> {
            let entries = std::fs::read_dir(folder.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<String> = names.collect();
            names.sort();
            names
        };
        // Samples alone are those of a run that wrote no report.
        std::fs::write(at("r.samples.csv.gz"), "samples").unwrap();
        keep_earlier(&outputs).unwrap();
        assert_eq!(names(), ["r.samples.csv.gz"]);
        let mut kept = Vec::new();
        for number in 1..=2 {
            let samples = r#"{"sidecar": {"file": "r.samples.csv.gz", "rows": 3}}"#;
            let report =
                format!("{{\"cases\": [{{\"samples\": {samples}, \"number\": {number}}}]}}");
            std::fs::write(at("r.json"), report).unwrap();
            std::fs::write(at("r.samples.csv.gz"), number.to_string()).unwrap();
            std::fs::write(at("other.csv"), "csv").unwrap();
            std::fs::create_dir_all(at("d/kernels")).unwrap();
            std::fs::write(at("d/summary.md"), format!("# Summary: {number}\n\n- run x")).unwrap();
            let manifest = r#"{"run": "x", "version": "1", "kernels": []}"#;
            std::fs::write(at("d/kernel_manifest.json"), manifest).unwrap();
            std::fs::write(at("other.scaling.csv"), "csv").unwrap();
            // Both in the same second.
            let time = std::fs::FileTimes::new().set_modified(UNIX_EPOCH);
            std::fs::File::options()
                .write(true)
                .open(at("r.json"))
                .unwrap()
                .set_times(time)
                .unwrap();
            keep_earlier(&outputs).unwrap();
            let date = ["19700101T000000Z", "19700101T000000Z-2"][number - 1];
            let text = std::fs::read_to_string(at(&format!("r.{date}.json"))).unwrap();
            let report: Value = serde_json::from_str(&text).unwrap();
            let case = &report["cases"][0];
            assert_eq!(case["number"], number);
            let samples = case.pointer("/samples/sidecar/file").unwrap().as_str().unwrap();
            assert_eq!(samples, format!("r.{date}.samples.csv.gz"));
            assert_eq!(std::fs::read_to_string(at(samples)).unwrap(), number.to_string());
            let summary = std::fs::read_to_string(at(&format!("d/summary.{date}.md"))).unwrap();
            assert!(summary.starts_with(&format!("# Summary: {number}\n")));
            assert!(at(&format!("d/kernels.{date}")).is_dir() && !at("d/kernels").exists());
            kept.extend([
                format!("other.{date}.csv"),
                format!("other.{date}.scaling.csv"),
                format!("r.{date}.json"),
                samples.to_owned(),
            ]);
        }
        kept.push("d".to_owned());
        kept.sort();
        assert_eq!(names(), kept);
    }
}
