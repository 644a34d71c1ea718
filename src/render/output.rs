//! Writing results to files.

use std::path::PathBuf;

use super::{Format, Render as _, csv, nccl_tests_table, print, say};
use crate::base::error::{Error, Result};
use crate::base::files::{probe, refuse_overwriting, write_atomically};
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

impl Output {
    /// The ending of the table of scaling studies, beside one of cases.
    pub const SCALING: &str = "scaling.csv";

    /// The files a configuration asks for; `results.json`, or of the format asked for, when it names
    /// none.
    ///
    /// # Errors
    /// Usage error when a file's format cannot be told, its folder cannot be written, it is an input, or a format
    /// is asked for that no file has a use for.
    pub fn resolve(config: &Config) -> Result<Vec<Self>> {
        let asked = config.output.format.as_deref().map(Format::named::<Report>).transpose()?;
        let ending = asked.map_or(Some("json"), Format::ending).ok_or_else(|| {
            Error::usage(format!(
                "--format table is for a terminal; files are {}",
                Format::endings::<Report>()
            ))
        })?;
        let default = || vec![format!("results.{ending}").into()];
        let files = config.output.files.clone().unwrap_or_else(default);
        let of = |path: &PathBuf| Format::of::<Report>(path);
        if asked.is_some_and(|asked| files.iter().all(|f| of(f).is_some_and(|f| f != asked))) {
            return Err(Error::usage(
                "--format is for files whose ending says nothing, and every file's ending names another \
                 format; leave --format out, or change an ending",
            ));
        }
        refuse_overwriting(files.iter().map(PathBuf::as_path), config.all_inputs())?;
        let outputs = files.into_iter().map(|path| {
            let format = of(&path).or(asked).ok_or_else(|| {
                Error::usage(format!(
                    "the format of '{}' cannot be told from its ending; use {}, or add --format",
                    path.display(),
                    Format::endings::<Report>()
                ))
            })?;
            probe(&path)?;
            Ok(Self { path, format })
        });
        outputs.collect()
    }

    /// Writes the report; beside rows of its cases, those of its scaling studies.
    ///
    /// # Errors
    /// Usage error when a file cannot be written.
    pub fn write(&self, report: &Report) -> Result<()> {
        let text = self.format.write(report, true)?;
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
pub fn tell(report: &Report, outputs: &[Output], as_nccl_tests: bool, from: &str) {
    let files = |output: &Output| [Some(output.path.clone()), output.of_scaling(report)];
    let files: Vec<String> =
        outputs.iter().flat_map(files).flatten().map(|path| path.display().to_string()).collect();
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
        let format = |config: &Config| Output::resolve(config).map(|outputs| outputs[0].format);
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
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn scaling_has_rows_of_its_own_beside_those_of_the_cases() {
        let folder = tempfile::tempdir().unwrap();
        let report = crate::render::hostile::everything();
        let written = |name: &str| {
            let path = folder.path().join(name);
            let format = Format::of::<Report>(&path).unwrap();
            Output { path, format }.write(&report).unwrap();
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
