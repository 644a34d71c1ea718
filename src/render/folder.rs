//! A folder of results: the files that programs and people look for, each of one thing.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{Format, no_json};
use crate::base::error::{Error, Result};
use crate::base::plain::file_name;
use crate::report::{Comparison, Report, RunSummary, SUMMARY_SCHEMA};

/// What is written there, beside the folder of kernels; the last only where there is a baseline.
pub const FILES: [&str; 6] = [
    "env.json",
    "kernel_manifest.json",
    "summary.json",
    "summary.md",
    "report.html",
    "regressions.md",
];

/// The file among them that people open first.
pub const PAGE: &str = "summary.md";

/// The folder of the benchmarks' results.
pub const KERNELS: &str = "kernels";

/// Most bytes of the beginning of a file that tell what it is.
const HEAD: u64 = 64 << 10;

/// Whether this file, by its name among [`FILES`] and by how it begins, was written into a folder of results; or, of
/// [`KERNELS`], whether the list beside it was.
pub fn is_of_results(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let begins: &[&str] = match name.as_ref() {
        KERNELS => {
            return path.is_dir() && is_of_results(&path.with_file_name("kernel_manifest.json"));
        }
        "env.json" => &["\"run\": {", "\"id\": ", "\"started\": "],
        "kernel_manifest.json" => &["\"run\": \"", "\"version\": \"", "\"kernels\": ["],
        "summary.json" => &[SUMMARY_SCHEMA],
        "summary.md" => &["# Summary", "\n- run "],
        "report.html" => &["<!DOCTYPE html>", "content=\"tesserabench "],
        "regressions.md" => &["# Comparison"],
        _ => return false,
    };
    let mut head = Vec::new();
    // Of a pipe nobody knows whether it has an end.
    if path.is_file()
        && let Ok(file) = File::open(path)
    {
        // What cannot be read has no beginning.
        let _ = file.take(HEAD).read_to_end(&mut head);
    }
    let head = String::from_utf8_lossy(&head);
    let is_markdown = begins[0].starts_with('#');
    begins.iter().all(|part| head.contains(part)) && (!is_markdown || head.starts_with(begins[0]))
}

/// Refuses a folder in which what is to be written would take the place of something else, such as a folder of kernels'
/// sources.
///
/// # Errors
/// Usage error that names it.
pub fn refuse_foreign(folder: &Path) -> Result<()> {
    let refuse = |path: &Path, why: &str| {
        Err(Error::usage(format!(
            "'{}' {why}; name another folder for results with --output-dir",
            path.display()
        )))
    };
    for path in FILES.map(|name| folder.join(name)) {
        if path.symlink_metadata().is_ok() && !is_of_results(&path) {
            return refuse(&path, "was not written with results and would be replaced");
        }
    }
    let kernels = folder.join(KERNELS);
    let Ok(facts) = kernels.symlink_metadata() else { return Ok(()) };
    if !facts.is_dir() {
        return refuse(&kernels, "is no folder");
    }
    let entries = kernels.read_dir().map_err(|why| Error::file("read", &kernels, why))?;
    let is_ours = is_of_results(&kernels);
    let is_result = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.map(|entry| entry.path()).unwrap_or_default();
        is_ours && path.is_file() && path.extension().is_some_and(|ending| ending == "json")
    };
    match entries.into_iter().all(is_result) {
        true => Ok(()),
        false => refuse(&kernels, "holds something else than results, such as sources of kernels"),
    }
}

/// The files of a report and its summary by their names, with what they hold.
///
/// # Errors
/// Internal error when a text cannot be formed.
pub fn folder(
    report: &Report,
    summary: &RunSummary,
    compared: &[&Comparison],
) -> Result<Vec<(PathBuf, String)>> {
    let [environment, manifest, data, page, plots, regressions] = FILES.map(PathBuf::from);
    let mut files = vec![
        (environment, json(&report.origins())?),
        (manifest, json(&report.manifest(|name| file(name).display().to_string()))?),
        (data, Format::Json.write(summary, true)?),
        (page, Format::Markdown.write(summary, true)?),
        (plots, Format::Html.write(report, true)?),
    ];
    for kernel in report.kernels() {
        files.push((file(&kernel.name), json(&kernel)?));
    }
    if !compared.is_empty() {
        let pages = compared.iter().map(|comparison| Format::Markdown.write(*comparison, true));
        files.push((regressions, pages.collect::<Result<Vec<_>>>()?.join("\n")));
    }
    Ok(files)
}

/// The file of a benchmark's results.
fn file(kernel: &str) -> PathBuf {
    Path::new(KERNELS).join(format!("{}.json", file_name(kernel)))
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(no_json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::hostile;

    #[test]
    fn what_is_written_is_known_again_and_nothing_else_is() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        let mut report = hostile::everything();
        report.run.id = "x".repeat(5_000);
        std::fs::create_dir(at(KERNELS)).unwrap();
        let manifest = report.manifest(|name| file(name).display().to_string());
        std::fs::write(at("kernel_manifest.json"), json(&manifest).unwrap()).unwrap();
        std::fs::write(at("env.json"), json(&report.origins()).unwrap()).unwrap();
        std::fs::write(at("report.html"), Format::Html.write(&report, true).unwrap()).unwrap();
        for name in ["kernel_manifest.json", "env.json", "report.html", KERNELS] {
            assert!(is_of_results(&at(name)), "{name}");
        }
        assert!(refuse_foreign(place.path()).is_ok());
        for name in FILES {
            std::fs::write(at(name), "{\"run\": 1}").unwrap();
            assert!(!is_of_results(&at(name)), "{name}");
        }
        assert!(refuse_foreign(place.path()).is_err());
    }
}
