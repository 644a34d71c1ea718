//! `clean-cache`: frees the folder of what the program can make again.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde::Serialize;

use super::{format, write};
use crate::base::cache::{self, Cleaned};
use crate::base::error::{Error, Exit, Result};
use crate::base::units::{counted, format_size};
use crate::render::{Cell, Document, Format, Render, Section};

#[derive(Debug, Args)]
pub(super) struct CleanCacheArgs {
    /// Remove what was not used for this many days
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    older_than: u32,
    /// Only say what would be removed
    #[arg(long)]
    dry_run: bool,
    /// The cache [default: TESSERABENCH_CACHE_DIR, or tesserabench in your cache folder]
    #[arg(long, value_name = "DIR")]
    cache_dir: Option<PathBuf>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Cleaning>())]
    format: Format,
}

/// What was removed, or would be.
#[derive(Serialize)]
struct Cleaning {
    folder: PathBuf,
    older_than_days: u32,
    dry_run: bool,
    kinds: Vec<Cleaned>,
}

impl Render for Cleaning {
    fn document(&self) -> Document {
        let count = |count: u64| Cell::number(Some(count as f64), |count| count.to_string());
        let removed = if self.dry_run { "to remove" } else { "removed" };
        let table = Section::table(
            "",
            &self.kinds,
            &[
                ("what", &|of| of.kind.as_str().into()),
                (removed, &|of| count(of.files)),
                ("bytes", &|of| count(of.bytes)),
                ("kept", &|of| count(of.kept)),
            ],
        );
        let files: u64 = self.kinds.iter().map(|kind| kind.files).sum();
        let bytes: u64 = self.kinds.iter().map(|kind| kind.bytes).sum();
        let done = if self.dry_run { "would remove" } else { "removed" };
        Document {
            title: "Cache".to_owned(),
            sections: table.into_iter().collect(),
            verdict: format!(
                "{done} {} ({}) not used for {} in {}",
                counted(files, "file"),
                format_size(bytes),
                counted(self.older_than_days, "day"),
                self.folder.display()
            ),
            ..Document::default()
        }
    }
}

pub(super) fn run(args: &CleanCacheArgs) -> Result<Exit> {
    let folder = args.cache_dir.clone().or_else(cache::folder).ok_or_else(|| {
        Error::usage(
            "no folder of your own is known for a cache; name it with --cache-dir, or set HOME",
        )
    })?;
    let age = Duration::from_secs(u64::from(args.older_than) * 86400);
    let kinds = cache::clean(&folder, age, args.dry_run)?;
    let older_than_days = args.older_than;
    let cleaning = Cleaning { folder, older_than_days, dry_run: args.dry_run, kinds };
    write(&cleaning, args.format, &[], false)?;
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::snapshots::pages;

    #[test]
    fn as_pages() {
        let kind = "machine-code".to_owned();
        let kinds = vec![Cleaned { kind, files: 3, bytes: 70_000, kept: 1 }];
        let folder = "cache/tesserabench".into();
        pages("clean-cache", &Cleaning { folder, older_than_days: 30, dry_run: false, kinds });
    }
}
