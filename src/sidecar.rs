//! The samples of a run: a case's few in the report, its many in a compressed CSV file.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::backend::Sample;
use crate::error::{Error, Result};
use crate::report::Samples;

/// Most samples (ranks times rounds) of a case that stand in the report itself.
const INLINE_LIMIT: usize = 1024;

/// A file that is created when the first case needs it.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
    file: Option<GzEncoder<File>>,
}

/// The samples of a case that arrive in blocks. Those for the file are not kept.
#[derive(Debug)]
pub struct Series<'a> {
    case: &'a str,
    ranks: &'a [usize],
    inline: bool,
    /// Rounds so far.
    rounds: usize,
    /// Samples by rank, then by round, when they are few.
    few: Vec<Vec<Sample>>,
}

impl<'a> Series<'a> {
    /// Of a case that has this many rounds.
    pub fn new(case: &'a str, ranks: &'a [usize], rounds: usize) -> Self {
        let inline = rounds * ranks.len() <= INLINE_LIMIT;
        Self { case, ranks, inline, rounds: 0, few: vec![Vec::new(); ranks.len()] }
    }

    /// Adds a block, by rank and then by round. What goes to the file is there when this returns.
    ///
    /// # Errors
    /// Usage error when the file cannot be written.
    pub fn add(&mut self, block: &[Vec<Sample>], sidecar: &mut Sidecar) -> Result<()> {
        if self.inline {
            self.few.iter_mut().zip(block).for_each(|(all, part)| all.extend(part));
        } else {
            sidecar.add(self, block)?;
        }
        self.rounds += block.first().map_or(0, Vec::len);
        Ok(())
    }

    /// What the report says of them.
    pub fn finish(self, sidecar: &Sidecar) -> Samples {
        if !self.inline {
            return Samples::Sidecar { file: sidecar.name(), rows: self.rounds * self.ranks.len() };
        }
        let samples = &self.few;
        let origin = samples.iter().flatten().map(|sample| sample.start).min().unwrap_or(0);
        let column = |get: fn(&Sample) -> i64| {
            samples.iter().map(|rank| rank.iter().map(|s| get(s) - origin).collect()).collect()
        };
        let late = |i: &usize| samples.iter().any(|rank| rank[*i].late);
        Samples::Inline {
            start_ns: column(|sample| sample.start),
            end_ns: column(|sample| sample.end),
            device_ns: samples
                .iter()
                .map(|rank| rank.iter().map(|sample| sample.device).collect())
                .collect(),
            invalid_rounds: (0..self.rounds).filter(late).collect(),
        }
    }
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

    /// Adds a block of a case's samples, invalid rounds included, and brings them to the file.
    fn add(&mut self, series: &Series<'_>, block: &[Vec<Sample>]) -> Result<()> {
        let file = match self.file.take() {
            Some(file) => Ok(file),
            None => start(&self.path),
        };
        let mut file = file.map_err(|why| Error::file("write", &self.path, why))?;
        let written = write(&mut file, series, block);
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
    series: &Series<'_>,
    block: &[Vec<Sample>],
) -> std::io::Result<()> {
    let case = series.case;
    // The encoder is slow at many small pieces.
    let mut file = BufWriter::with_capacity(1 << 16, file);
    for i in 0..block.first().map_or(0, Vec::len) {
        let round = series.rounds + i;
        for (rank, samples) in series.ranks.iter().zip(block) {
            let Sample { start, end, device, late } = samples[i];
            let device = device.map_or_else(String::new, |nanos| nanos.to_string());
            writeln!(file, "\"{case}\",{round},{rank},{start},{end},{device},{late}")?;
        }
    }
    file.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_stay_in_the_report() {
        let mut sidecar = Sidecar::at(PathBuf::from("not/written"));
        let mut series = Series::new("a", &[3], 2);
        let sample = |start, late| Sample { start, end: start + 5, device: None, late };
        series.add(&[vec![sample(100, false)]], &mut sidecar).unwrap();
        series.add(&[vec![sample(120, true)]], &mut sidecar).unwrap();
        let expected = Samples::Inline {
            start_ns: vec![vec![0, 20]],
            end_ns: vec![vec![5, 25]],
            device_ns: None,
            invalid_rounds: vec![1],
        };
        assert_eq!(series.finish(&sidecar), expected);
    }

    #[test]
    fn every_one_of_many_samples_is_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.samples.csv.gz");
        let sample = |start| Sample { start, end: start + 5, device: None, late: start == 10 };
        let mut sidecar = Sidecar::at(path.clone());
        let mut series = Series::new("a/b=1,c=2/world:4,7", &[4, 7], INLINE_LIMIT);
        series.add(&[vec![sample(0)], vec![sample(1)]], &mut sidecar).unwrap();
        series.add(&[vec![sample(10)], vec![sample(11)]], &mut sidecar).unwrap();
        let file = "x.samples.csv.gz".to_owned();
        assert_eq!(series.finish(&sidecar), Samples::Sidecar { file, rows: 4 });
        sidecar.finish().unwrap();
        let mut text = String::new();
        let mut file = flate2::read::GzDecoder::new(File::open(&path).unwrap());
        std::io::Read::read_to_string(&mut file, &mut text).unwrap();
        let rows: Vec<&str> = text.lines().collect();
        assert_eq!(rows.len(), 5);
        assert_eq!(rows[3], "\"a/b=1,c=2/world:4,7\",1,4,10,15,,true");
    }
}
