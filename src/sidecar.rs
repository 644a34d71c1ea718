//! The samples of a run in a compressed CSV file, for cases with too many for the report.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::error::{Error, Result};
use crate::measure::Recording;

/// A file that is created when the first case needs it.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
    file: Option<GzEncoder<File>>,
}

impl Sidecar {
    /// The file at `path`; nothing is written yet, but what an earlier run left there is removed.
    pub fn at(path: PathBuf) -> Self {
        // Usually there is none; one that cannot be removed cannot be written either, and says so then.
        let _ = std::fs::remove_file(&path);
        Self { path, file: None }
    }

    /// The file's name without its folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Adds every sample of a case, invalid rounds included, and brings them to the file.
    ///
    /// # Errors
    /// Usage error when the file cannot be written.
    pub fn add(&mut self, case: &str, ranks: &[usize], recording: &Recording) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => start(&self.path),
        };
        let mut file = file.map_err(|why| Error::file("write", &self.path, why))?;
        let written = write(&mut file, case, ranks, recording).and_then(|()| file.flush());
        self.file = Some(file);
        written.map_err(|why| Error::file("write", &self.path, why))
    }

    /// Ends the file, if there is one.
    ///
    /// # Errors
    /// Usage error when the file cannot be written.
    pub fn finish(self) -> Result<()> {
        let finished = self.file.map(|file| file.finish().and_then(|file| file.sync_all()));
        finished.transpose().map(drop).map_err(|why| Error::file("write", &self.path, why))
    }
}

fn start(path: &Path) -> std::io::Result<GzEncoder<File>> {
    let mut file = GzEncoder::new(File::create(path)?, Compression::fast());
    file.write_all(b"case,round,rank,start_ns,end_ns,device_ns,late\n")?;
    Ok(file)
}

fn write(
    file: &mut GzEncoder<File>,
    case: &str,
    ranks: &[usize],
    recording: &Recording,
) -> std::io::Result<()> {
    let rounds = recording.samples.first().map_or(0, Vec::len);
    for round in 0..rounds {
        for (rank, samples) in ranks.iter().zip(&recording.samples) {
            let sample = samples[round];
            let device = sample.device.map_or_else(String::new, |nanos| nanos.to_string());
            writeln!(
                file,
                "\"{case}\",{round},{rank},{},{},{device},{}",
                sample.start, sample.end, sample.late
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Sample;
    use crate::config::Protocol;

    #[test]
    fn every_sample_is_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.samples.csv.gz");
        let sample = |start| Sample { start, end: start + 5, device: None, late: start == 10 };
        let recording = Recording {
            protocol: Protocol::Synchronised,
            common_clock: true,
            batch: 1,
            samples: vec![vec![sample(0), sample(10)], vec![sample(1), sample(11)]],
            telemetry: Vec::new(),
        };
        let mut sidecar = Sidecar::at(path.clone());
        sidecar.add("a/b=1,c=2/world:4,7", &[4, 7], &recording).unwrap();
        sidecar.finish().unwrap();
        let mut text = String::new();
        let mut file = flate2::read::GzDecoder::new(File::open(&path).unwrap());
        std::io::Read::read_to_string(&mut file, &mut text).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[3], "\"a/b=1,c=2/world:4,7\",1,4,10,15,,true");
    }
}
