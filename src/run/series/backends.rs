//! The backends of a series side by side.

use super::LaunchSeries;
use crate::analysis::{Limits, Reports, survey};
use crate::base::error::Result;
use crate::base::files::write_atomically;
use crate::render::{Backends, Format, Outputs, say};
use crate::report::Report;

impl LaunchSeries {
    /// Prints the cases that several backends have measured, and writes all reports together beside them as an analysis.
    /// None of it is a regression.
    pub(super) fn tell_backends(&self, merged: &[Option<Report>]) -> Result<()> {
        let sides = self.sides.iter().zip(merged);
        let of_backends = sides.filter(|(side, _)| side.variant.backend.is_some());
        let found = of_backends.filter_map(|(side, report)| Some((side.file(), report.clone()?)));
        let (files, reports): (Vec<String>, Vec<Report>) = found.unzip();
        if reports.len() < 2 {
            return Ok(());
        }
        // Each report has its own limits already.
        let analysis = survey(Reports { files: &files, reports: &reports }, &Limits::default());
        say("== backends");
        say(Format::Table.write(&Backends(&analysis), false)?.trim_end());
        let together = &Outputs::resolve(&self.sides[0].config)?.files[0];
        let write = |(format, ending): (Format, &str)| {
            let path = together.beside(ending);
            write_atomically(&path, format.write(&analysis, true)?.as_bytes())?;
            Ok(path.display().to_string())
        };
        let files = [
            (Format::Json, "backends.json"),
            (Format::Markdown, "backends.md"),
            (Format::Html, "backends.html"),
        ];
        let written: Vec<String> = files.into_iter().map(write).collect::<Result<_>>()?;
        say(&format!("wrote {}", written.join(", ")));
        Ok(())
    }
}
