//! How a report was made, so that it can be made again.

use crate::render::document::Section;
use crate::report::{Report, Samples};

/// The command, the versions, and whatever else was chosen or found.
pub(super) fn section(report: &Report) -> Option<Section> {
    let (run, environment) = (&report.run, &report.environment);
    let sidecar = report.cases.iter().find_map(|case| match &case.samples {
        Samples::Sidecar { file, .. } => Some(format!("{file}, beside the report")),
        Samples::Inline { .. } | Samples::None => None,
    });
    let inline = report.cases.iter().any(|case| matches!(case.samples, Samples::Inline { .. }));
    let inline = inline.then(|| "in the report, where it is written as JSON".to_owned());
    let samples: Vec<String> = sidecar.into_iter().chain(inline).collect();
    let known = [
        ("command", run.command.join(" ")),
        ("run", run.id.clone()),
        ("version", format!("{}, build {}", run.version, run.build)),
        ("commit of the working folder", run.git.clone().unwrap_or_default()),
        ("seed", run.seed.to_string()),
        ("raw samples", samples.join("; ")),
    ];
    let known = known.into_iter().map(|(what, value)| (what.to_owned(), value));
    let found = environment.libraries.iter().chain(&environment.variables);
    let files = environment.library_files.iter();
    let files = files.map(|(name, file)| (format!("file of {name}"), file.clone()));
    let all = known.chain(found.map(|(what, value)| (what.clone(), value.clone()))).chain(files);
    let section = Section::table(
        "how it was made",
        all.filter(|(_, value)| !value.is_empty()),
        &[("what", &|(what, _)| what.as_str().into()), ("is", &|(_, value)| value.as_str().into())],
    );
    section.map(Section::in_files)
}
