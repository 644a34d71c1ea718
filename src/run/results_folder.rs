//! A folder of results: made, kept from an earlier run, and written.

use std::path::{Path, PathBuf};

use crate::analysis::{Limits, Reports, summarise, survey};
use crate::base::error::{Error, Result};
use crate::base::files::{read_bounded, write_atomically};
use crate::render::{FILES, KERNELS, folder, is_of_results};
use crate::report::{Comparison, FILE_LIMIT, KernelManifest, Report};

/// Makes the folder.
///
/// # Errors
/// Usage error when it cannot be made.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|why| Error::file("make the folder", path, why))
}

/// Writes the files of a report into its folder of results, with what comparisons with baselines say. What another run
/// has left there and this one does not write is removed.
///
/// # Errors
/// Usage error when one cannot be written or removed.
pub fn write_folder(path: &Path, report: &Report, compared: &[&Comparison]) -> Result<()> {
    let files = ["results.json".to_owned()];
    let reports = std::slice::from_ref(report);
    // The report has its limits.
    let analysis = survey(Reports { files: &files, reports }, &Limits::default());
    let summary = summarise(report, &analysis, compared);
    let files = folder(report, &summary, compared)?;
    make_folder(&path.join(KERNELS))?;
    for old in earlier(path) {
        let is_replaced = files.iter().any(|(name, _)| path.join(name) == old);
        if !is_replaced && old.is_file() {
            std::fs::remove_file(&old).map_err(|why| Error::file("remove", &old, why))?;
        }
    }
    for (name, text) in files {
        write_atomically(&path.join(name), text.as_bytes())?;
    }
    Ok(())
}

/// What an earlier run has written there: its files, and those of the benchmarks that its list names.
fn earlier(folder: &Path) -> Vec<PathBuf> {
    let own = FILES.map(|name| folder.join(name));
    let mut files: Vec<PathBuf> = own.into_iter().filter(|path| is_of_results(path)).collect();
    if is_of_results(&folder.join(KERNELS)) {
        let manifest = read_bounded(&folder.join("kernel_manifest.json"), FILE_LIMIT).ok();
        let manifest = manifest.and_then(|it| serde_json::from_str::<KernelManifest>(&it).ok());
        for kernel in manifest.into_iter().flat_map(|manifest| manifest.kernels) {
            // A list may name files that are not below it.
            let name = Path::new(&kernel.file).file_name().unwrap_or_default();
            files.push(folder.join(KERNELS).join(name));
        }
    }
    files
}
