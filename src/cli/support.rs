//! `support-bundle`: one archive with what somebody else needs to look into a case.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use clap::Args;
use flate2::read::MultiGzDecoder;
use wildmatch::WildMatch;

use crate::base::archive::tar_gz;
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{is_plain, probe, refuse_overwriting, write_atomically};
use crate::base::plain::file_name;
use crate::base::units::{counted, format_size, now, parse_utc};
use crate::machine::{environment, probe as programs};
use crate::render::{csv_field, say, support_contents, support_files};
use crate::report::{Case, LimitOutcome, Outcome, Report, Samples};

/// Most bytes of the end of a log, of the samples of all cases, and of the text that these are looked for in.
const LOG_LIMIT: u64 = 8 << 20;
const SAMPLES_LIMIT: usize = 32 << 20;
const SEARCH_LIMIT: u64 = 16 << 30;

#[derive(Debug, Args)]
pub(super) struct SupportArgs {
    /// The report
    report: PathBuf,
    /// Case to look into, by its id or a glob; repeatable [default: those that failed or break a limit]
    #[arg(long, value_name = "ID")]
    case: Vec<String>,
    /// Log to put in, such as slurm-1.out or what NCCL_DEBUG_FILE names; repeatable
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Archive to write
    #[arg(long, short, value_name = "FILE", default_value = "support.tar.gz")]
    output: PathBuf,
}

pub(super) fn run(args: &SupportArgs) -> Result<Exit> {
    let report = Report::load(&args.report)?;
    refuse_overwriting([&args.output], args.log.iter().chain([&args.report]))?;
    probe(&args.output)?;
    let cases = chosen(&report, &args.case)?;
    let mut bundle = Bundle::default();
    for (name, text) in support_files(&report, &cases)? {
        bundle.add(&name, text.into_bytes(), told(&name));
    }
    bundle.samples(&cases, &args.report);
    bundle.journal(&args.report);
    for log in &args.log {
        bundle.log(log)?;
    }
    bundle.machine(&report);
    bundle.contents(&report, &cases);
    let folder = format!("tesserabench-support-{}", file_name(&report.run.id));
    let seconds = parse_utc(&now()).unwrap_or_default();
    write_atomically(&args.output, &tar_gz(&folder, &bundle.files, seconds)?)?;
    let (files, cases) = (counted(bundle.files.len(), "file"), counted(cases.len(), "case"));
    say(&format!("wrote {} with {files} on {cases}", args.output.display()));
    bundle.missing.iter().for_each(|line| say(&format!("not in it: {line}")));
    Ok(Exit::Ok)
}

/// The cases that are asked for; those with something to look into where none is named.
fn chosen<'a>(report: &'a Report, named: &[String]) -> Result<Vec<&'a Case>> {
    let all = || report.cases.iter();
    if named.is_empty() {
        let broken = report.limits.iter().filter(|check| check.outcome == LimitOutcome::Broken);
        let broken: HashSet<&str> = broken.map(|check| check.case.as_str()).collect();
        let is_wrong = |case: &&Case| {
            [Outcome::Failed, Outcome::TimedOut].contains(&case.outcome)
                || case.accuracy.as_ref().is_some_and(|accuracy| accuracy.wrong > 0)
                || broken.contains(case.id.as_str())
        };
        let cases: Vec<&Case> = all().filter(is_wrong).collect();
        return match cases.is_empty() {
            false => Ok(cases),
            true => Err(Error::usage(
                "no case of the report failed or breaks a limit; name the one to look into with --case ID",
            )),
        };
    }
    let globs: Vec<WildMatch> = named.iter().map(|glob| WildMatch::new(glob)).collect();
    if let Some(at) = globs.iter().position(|glob| !all().any(|case| glob.matches(&case.id))) {
        return Err(Error::usage(format!("the report has no case '{}'", named[at])));
    }
    Ok(all().filter(|case| globs.iter().any(|glob| glob.matches(&case.id))).collect())
}

/// What the files of every bundle are.
fn told(name: &str) -> &'static str {
    match name {
        "cases.md" | "cases.html" => "the cases, to read",
        "cases.json" => "the cases as data",
        "commands.txt" => "how to measure them again, by this program, nccl-tests and OSU",
        "environment.json" => "where and how they were measured; variables by allow-list",
        _ => "the whole report without raw samples",
    }
}

#[derive(Default)]
struct Bundle {
    files: Vec<(String, Vec<u8>)>,
    about: Vec<(String, String)>,
    missing: Vec<String>,
}

impl Bundle {
    fn add(&mut self, name: &str, bytes: Vec<u8>, about: &str) {
        self.about.push((name.to_owned(), about.to_owned()));
        self.files.push((name.to_owned(), bytes));
    }

    /// The raw samples of the cases, where a file beside the report has them.
    fn samples(&mut self, cases: &[&Case], path: &Path) {
        let file = cases.iter().find_map(|case| match &case.samples {
            Samples::Sidecar { file, .. } => Some(file),
            _ => None,
        });
        let Some(file) = file else { return };
        // A report names files beside it only.
        let path = path.parent().unwrap_or(Path::new("")).join(file);
        if let Err(why) = is_packed(&path) {
            self.missing.push(format!("samples of '{}': {why}", path.display()));
            return;
        }
        match rows(&path, cases) {
            Ok((rows, true)) => self.add("samples.csv", rows, "raw samples of the cases"),
            Ok((rows, false)) => {
                let limit = format_size(SAMPLES_LIMIT as u64);
                self.add(
                    "samples.csv",
                    rows,
                    &format!("raw samples of the cases, the first {limit}"),
                );
            }
            Err(why) => self.missing.push(format!("samples of '{}': {why}", path.display())),
        }
    }

    fn journal(&mut self, report: &Path) {
        let mut path = report.as_os_str().to_owned();
        path.push(".journal.jsonl");
        let path = PathBuf::from(path);
        // A finished run has none.
        if path.symlink_metadata().is_err_and(|why| why.kind() == ErrorKind::NotFound) {
            return;
        }
        let read = is_packed(&path).and_then(|()| end(&path).map_err(|why| why.to_string()));
        match read {
            Ok(bytes) => self.add("logs/journal.jsonl", bytes, "the journal of the unfinished run"),
            Err(why) => self.missing.push(format!("journal '{}': {why}", path.display())),
        }
    }

    fn log(&mut self, path: &Path) -> Result<()> {
        if !is_plain(path) {
            return Err(Error::file("read", path, "it is no plain file"));
        }
        let bytes = end(path).map_err(|why| Error::file("read", path, why))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let place = self.files.len();
        let about = format!("the last {} of '{}'", format_size(bytes.len() as u64), path.display());
        self.add(&format!("logs/{place}-{}", file_name(&name)), bytes, &about);
        Ok(())
    }

    /// What this machine says of itself, if the cases were measured on it.
    fn machine(&mut self, report: &Report) {
        let host = environment::this_node().host;
        if !report.environment.nodes.iter().any(|node| node.host == host) {
            self.missing.push(format!(
                "topology: this is {host}, and the report is of other nodes; make the bundle on one of them"
            ));
            return;
        }
        for answer in programs::ask_all() {
            match answer.says {
                Ok(text) => {
                    let name =
                        format!("topology/{}.txt", file_name(&answer.command.replace(' ', "_")));
                    self.add(&name, text.into_bytes(), &format!("`{}` on {host}", answer.command));
                }
                Err(why) => self.missing.push(format!("`{}`: {why}", answer.command)),
            }
        }
    }

    /// A page on what is there and what is not.
    fn contents(&mut self, report: &Report, cases: &[&Case]) {
        let text = support_contents(report, cases, &self.about, &self.missing);
        self.files.insert(0, ("README.md".to_owned(), text.into_bytes()));
    }
}

/// Whether a file that nobody has named goes with the report. In a folder of somebody else's a link leads to any file of
/// whoever makes the bundle.
fn is_packed(path: &Path) -> std::result::Result<(), String> {
    match path.symlink_metadata() {
        Ok(facts) if facts.is_file() => Ok(()),
        Ok(facts) if facts.is_symlink() => Err("it is a link".to_owned()),
        Ok(_) => Err("it is no plain file".to_owned()),
        Err(why) => Err(why.to_string()),
    }
}

/// The last bytes of a file.
fn end(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut file = std::fs::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_LIMIT)))?;
    let mut bytes = Vec::new();
    file.take(LOG_LIMIT).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The header and the rows of these cases, and whether that is all of them.
fn rows(path: &Path, cases: &[&Case]) -> std::io::Result<(Vec<u8>, bool)> {
    let starts: Vec<String> =
        cases.iter().map(|case| format!("{},", csv_field(&case.id))).collect();
    let mut found = Vec::new();
    let text = MultiGzDecoder::new(std::fs::File::open(path)?).take(SEARCH_LIMIT);
    let mut reader = BufReader::new(text);
    let mut line = Vec::new();
    let mut is_first = true;
    // A line without end is none of ours.
    while (&mut reader).take(1 << 16).read_until(b'\n', &mut line)? > 0 {
        let is_asked = is_first || starts.iter().any(|start| line.starts_with(start.as_bytes()));
        if is_asked && found.len() + line.len() > SAMPLES_LIMIT {
            return Ok((found, false));
        }
        if is_asked {
            found.extend_from_slice(&line);
        }
        is_first = false;
        line.clear();
    }
    Ok((found, reader.get_ref().limit() > 0))
}
