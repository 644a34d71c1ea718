//! Writing results to files.

use std::path::{Path, PathBuf};

use super::folder::{FILES, PAGE, refuse_foreign};
use super::{Format, Marker, Render as _, csv, nccl_tests_table, print, say};
use crate::base::error::{Error, Result};
use crate::base::files::{probe, probe_folder, refuse_overwriting, write_atomically};
use crate::plan::config::Config;
use crate::report::Report;

/// A file to write, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Where.
    pub path: PathBuf,
    /// How.
    pub format: Format,
}

/// What a run writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Files; the first one names what accompanies it.
    pub files: Vec<Output>,
    /// A folder of results, which need not be there yet.
    pub folder: Option<PathBuf>,
    /// What names comments among the files; that of the kind of result if absent.
    pub marker: Option<Marker>,
    /// Whether the report is published on GitHub, too.
    pub github: bool,
}

impl Outputs {
    /// What a configuration asks for. Where it names no file it is `results.json`, or of the format asked for, in the
    /// folder of results where one is named.
    ///
    /// # Errors
    /// Usage error when a file's format cannot be told, its folder cannot be written or holds something else, it is an input, or a format
    /// is asked for that no file has a use for.
    pub fn resolve(config: &Config) -> Result<Self> {
        let folder = config.output.folder.clone();
        let asked = config.output.format.as_deref().map(Format::named::<Report>).transpose()?;
        let ending = asked.map_or(Some("json"), Format::ending).ok_or_else(|| {
            Error::usage(format!(
                "--format table is for a terminal; files are {}",
                Format::endings::<Report>()
            ))
        })?;
        let default = || {
            let name = format!("results.{ending}");
            vec![folder.as_ref().map_or_else(|| name.clone().into(), |folder| folder.join(&name))]
        };
        let files = config.output.files.clone().unwrap_or_else(default);
        let of = |path: &PathBuf| Format::of::<Report>(path);
        if asked.is_some_and(|asked| files.iter().all(|f| of(f).is_some_and(|f| f != asked))) {
            return Err(Error::usage(
                "--format is for files whose ending says nothing, and every file's ending names another \
                 format; leave --format out, or change an ending",
            ));
        }
        let own = folder.iter().flat_map(|folder| FILES.map(|file| folder.join(file)));
        let all: Vec<PathBuf> = files.iter().cloned().chain(own).collect();
        refuse_overwriting(&all, config.all_inputs())?;
        folder
            .iter()
            .try_for_each(|folder| probe_folder(folder).and_then(|()| refuse_foreign(folder)))?;
        let is_to_be_made = |path: &Path| {
            folder.as_deref().is_some_and(|to| path.parent() == Some(to) && !to.exists())
        };
        let outputs = files.into_iter().map(|path| {
            let format = of(&path).or(asked).ok_or_else(|| {
                Error::usage(format!(
                    "the format of '{}' cannot be told from its ending; use {}, or add --format",
                    path.display(),
                    Format::endings::<Report>()
                ))
            })?;
            if !is_to_be_made(&path) {
                probe(&path)?;
            }
            Ok(Output { path, format })
        });
        let marker = config.output.marker.as_deref().map(Marker::named).transpose()?;
        let (files, github) = (outputs.collect::<Result<_>>()?, config.output.github);
        Ok(Self { files, folder, marker, github })
    }

    /// Writes the report to its files.
    ///
    /// # Errors
    /// Usage error when a file cannot be written.
    pub fn write(&self, report: &Report) -> Result<()> {
        self.files.iter().try_for_each(|output| output.write(report, self.marker.as_ref()))
    }
}

impl From<Output> for Outputs {
    fn from(file: Output) -> Self {
        Self { files: vec![file], ..Self::default() }
    }
}

impl Output {
    /// The ending of the table of scaling studies, beside one of cases.
    pub const SCALING: &str = "scaling.csv";

    /// Writes the report, a comment with this marker; beside rows of its cases, those of its scaling studies.
    ///
    /// # Errors
    /// Usage error when a file cannot be written.
    pub fn write(&self, report: &Report, marker: Option<&Marker>) -> Result<()> {
        let text = self.format.write_marked(report, true, marker)?;
        write_atomically(&self.path, text.as_bytes())?;
        self.of_scaling(report).map_or(Ok(()), |path| {
            write_atomically(&path, csv::scaling(&report.scaling)?.as_bytes())
        })
    }

    /// The file of its scaling studies, where they have one: `results.scaling.csv` beside `results.csv`.
    fn of_scaling(&self, report: &Report) -> Option<PathBuf> {
        let is_there = self.format == Format::Csv && !report.scaling.is_empty();
        is_there.then(|| self.beside(Self::SCALING))
    }

    /// The path with another ending, for files that accompany this one.
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }
}

/// Prints a report, as nccl-tests would where that is asked for, and the files that it stands in.
pub fn tell(report: &Report, outputs: &Outputs, as_nccl_tests: bool, from: &str) {
    let files = |output: &Output| [Some(output.path.clone()), output.of_scaling(report)];
    let files = outputs.files.iter().flat_map(files).flatten();
    let mut files: Vec<String> = files.map(|path| path.display().to_string()).collect();
    files.extend(outputs.folder.iter().map(|folder| folder.join(PAGE).display().to_string()));
    let wrote = format!("wrote {}{from}", files.join(", "));
    if as_nccl_tests {
        say(nccl_tests_table(report).trim_end());
        say(&format!("# {wrote}"));
    } else {
        print(&report.document());
        say(&wrote);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_follow_from_endings() {
        let folder = tempfile::tempdir().unwrap();
        let config = |name: &str, format: Option<&str>| {
            let mut config = Config::default();
            config.output.files = Some(vec![folder.path().join(name)]);
            config.output.format = format.map(str::to_owned);
            config
        };
        let format =
            |config: &Config| Outputs::resolve(config).map(|outputs| outputs.files[0].format);
        assert_eq!(format(&config("a.csv", None)), Ok(Format::Csv));
        assert_eq!(format(&config("a.md", Some("markdown"))), Ok(Format::Markdown));
        assert_eq!(format(&config("a", Some("json"))), Ok(Format::Json));
        assert!(format(&config("a.txt", None)).is_err());
        assert!(format(&config("a.json", Some("csv"))).is_err());
        assert!(format(&config("a", Some("table"))).is_err());
        assert!(
            format(&config("a", Some("jsn")))
                .unwrap_err()
                .message
                .ends_with("did you mean 'json'?)")
        );
        assert!(format(&config("missing/a.json", None)).is_err());
        assert!(format(&config(".", Some("json"))).is_err());
        // A folder of results is made when something is written.
        let mut config = Config::default();
        config.output.folder = Some(folder.path().join("a/b"));
        let outputs = Outputs::resolve(&config).unwrap();
        assert_eq!(outputs.files[0].path, folder.path().join("a/b/results.json"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        config.output.folder = Some("/dev/null/x".into());
        assert!(Outputs::resolve(&config).unwrap_err().message.contains("/dev/null"));
    }

    #[test]
    fn scaling_has_rows_of_its_own_beside_those_of_the_cases() {
        let folder = tempfile::tempdir().unwrap();
        let report = crate::render::hostile::everything();
        let written = |name: &str| {
            let path = folder.path().join(name);
            let format = Format::of::<Report>(&path).unwrap();
            Output { path, format }.write(&report, None).unwrap();
            std::fs::read_to_string(folder.path().join("a.scaling.csv")).ok()
        };
        assert_eq!(written("a.json"), None);
        let text = written("a.csv").unwrap();
        let mut rows = ::csv::Reader::from_reader(text.as_bytes());
        let place = |name: &str| rows.headers().unwrap().iter().position(|it| it == name).unwrap();
        let [case, placement, efficiency] = ["case", "placement", "efficiency"].map(place);
        let found: Vec<_> = rows.records().map(Result::unwrap).collect();
        let points = report.scaling.iter().flat_map(|study| &study.points);
        let points: Vec<&str> = points.map(|point| point.case.as_str()).collect();
        assert_eq!(found.iter().map(|row| &row[case]).collect::<Vec<_>>(), points);
        let row = found.iter().find(|row| row[case].contains("placement=in")).unwrap();
        assert_eq!(&row[placement], "in");
        assert!(found.iter().any(|row| row[efficiency].parse() == Ok(1.0)));
    }
}
