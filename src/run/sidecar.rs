//! The samples of a run, brought to rank 0 a block of rounds at a time: a case's few in the report, its many in a
//! compressed CSV file. Nobody but their owner ever holds all of a rank's.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::backend::Sample;
use crate::base::error::{Error, Result};
use crate::base::units::{Nanos, counted};
use crate::render::csv_field;
use crate::report::Samples;
use crate::world::World;

/// The ending of the file, beside that of the report.
pub(super) const ENDING: &str = "samples.csv.gz";

/// Most samples (ranks times rounds) of a case that stand in the report itself.
pub(super) const INLINE_LIMIT: usize = 1024;

/// Samples of all ranks that rank 0 holds at a time: about 10 MiB as they are sent, 20 MiB in memory.
const SAMPLES_PER_BLOCK: usize = 1 << 19;

/// Brings `own` samples of every rank of a case, named by its id, its cycle and its world ranks, to rank 0's
/// sidecar. Every rank of `world` calls this; those that were not in the case bring none. What comes of
/// writing is known to rank 0 only, so that the others send on whatever it is.
pub fn gather(
    world: &World,
    (case, cycle, ranks): (&str, usize, &[usize]),
    own: Vec<Sample>,
    mut sidecar: Option<&mut Sidecar>,
) -> Result<Result<Samples>> {
    let rounds = usize::try_from(world.max(own.len() as i64)).unwrap_or(0);
    let per_block = (SAMPLES_PER_BLOCK / ranks.len()).max(1);
    let mut series = CaseSamples::new((case, cycle), ranks, rounds);
    let mut written = Ok(());
    let mut own = own.into_iter();
    for _ in 0..rounds.div_ceil(per_block) {
        // While rank 0 writes, the others leave it their cores.
        world.park();
        let parts = world.gather(own.by_ref().take(per_block).collect::<Vec<_>>())?;
        if let (Some(mut parts), Some(sidecar), Ok(())) = (parts, &mut sidecar, &written) {
            let block: Vec<_> =
                ranks.iter().map(|&rank| std::mem::take(&mut parts[rank])).collect();
            written = series.add(&block, sidecar);
        }
    }
    Ok(written.map(|()| sidecar.map_or(Samples::None, |sidecar| series.finish(sidecar))))
}

/// The samples of a case that arrive in blocks. Those for the file are not kept.
#[derive(Debug)]
struct CaseSamples<'a> {
    case: &'a str,
    cycle: usize,
    ranks: &'a [usize],
    rounds: usize,
    /// Samples by rank, then by round, when they are few enough for the report.
    few: Option<Vec<Vec<Sample>>>,
}

impl<'a> CaseSamples<'a> {
    /// Of a case that has this many rounds. Those of later cycles are all for the file.
    fn new((case, cycle): (&'a str, usize), ranks: &'a [usize], rounds: usize) -> Self {
        let inline = cycle == 0 && rounds * ranks.len() <= INLINE_LIMIT;
        let few = inline.then(|| vec![Vec::new(); ranks.len()]);
        Self { case, cycle, ranks, rounds: 0, few }
    }

    /// Adds a block, by rank and then by round. What goes to the file is on the disk when this returns.
    fn add(&mut self, block: &[Vec<Sample>], sidecar: &mut Sidecar) -> Result<()> {
        match &mut self.few {
            Some(few) => few.iter_mut().zip(block).for_each(|(all, part)| all.extend(part)),
            None => sidecar.add(self, block).map_err(|why| Error::write(&sidecar.path, &why))?,
        }
        self.rounds += block.first().map_or(0, Vec::len);
        Ok(())
    }

    fn finish(self, sidecar: &Sidecar) -> Samples {
        let Some(samples) = self.few else {
            let name = sidecar.path.file_name().unwrap_or_default();
            let file = name.to_string_lossy().into_owned();
            return Samples::Sidecar { file, rows: self.rounds * self.ranks.len() };
        };
        let origin = samples.iter().flatten().map(|sample| sample.start).min().unwrap_or(0);
        let column = |get: fn(&Sample) -> i64| {
            samples.iter().map(|rank| rank.iter().map(|s| get(s) - origin).collect()).collect()
        };
        let where_told = |get: fn(&Sample) -> Option<Nanos>| {
            samples.iter().map(|rank| rank.iter().map(get).collect()).collect()
        };
        let late = |i: &usize| samples.iter().any(|rank| rank[*i].late);
        Samples::Inline {
            start_ns: column(|sample| sample.start),
            end_ns: column(|sample| sample.end),
            device_ns: where_told(|sample| sample.device),
            host_ns: where_told(|sample| sample.host),
            invalid_rounds: (0..self.rounds).filter(late).collect(),
        }
    }
}

/// A file that is created when the first case needs it. Each block is a gzip member of its own, as gzip's
/// format allows: what a finished case has there is whole, whatever happens to the next.
#[derive(Debug)]
pub struct Sidecar {
    path: PathBuf,
    /// Bytes of whole members.
    pub(super) length: u64,
}

/// Opens the file, which is created where there is none; a link is not followed.
fn open(path: &Path) -> std::io::Result<File> {
    File::options().create(true).append(true).custom_flags(libc::O_NOFOLLOW).open(path)
}

impl Sidecar {
    /// The file at `path`; nothing is written yet, but what an earlier run left there is removed.
    pub fn at(path: PathBuf) -> Self {
        // Usually there is none; one that cannot be removed cannot be written either, and says so then.
        let _ = std::fs::remove_file(&path);
        Self { path, length: 0 }
    }

    /// The file at `path` after its first `length` bytes; what is behind them belongs to no finished case.
    pub(super) fn resume(path: PathBuf, length: u64) -> Result<Self> {
        if length == 0 {
            return Ok(Self::at(path));
        }
        let cut = open(&path).and_then(|file| {
            let size = file.metadata()?.len();
            if size < length {
                let why = format!("{size} of {} left", counted(length, "byte"));
                return Err(std::io::Error::other(why));
            }
            file.set_len(length)
        });
        cut.map_err(|why| Error::file("resume", &path, why))?;
        Ok(Self { path, length })
    }

    /// Adds a block of a case's samples, invalid rounds included.
    fn add(&mut self, series: &CaseSamples<'_>, block: &[Vec<Sample>]) -> std::io::Result<()> {
        let file = open(&self.path)?;
        // The encoder is slow at many small pieces.
        let member = GzEncoder::new(file, Compression::fast());
        let mut rows = BufWriter::with_capacity(1 << 16, member);
        if self.length == 0 {
            rows.write_all(b"case,cycle,round,rank,start_ns,end_ns,device_ns,late,host_ns\n")?;
        }
        let (case, cycle) = (csv_field(series.case), series.cycle);
        for i in 0..block.first().map_or(0, Vec::len) {
            let round = series.rounds + i;
            for (rank, samples) in series.ranks.iter().zip(block) {
                let Sample { start, end, device, host, late, .. } = samples[i];
                let told =
                    |nanos: Option<Nanos>| nanos.map_or_else(String::new, |it| it.to_string());
                let (device, host) = (told(device), told(host));
                writeln!(
                    rows,
                    "{case},{cycle},{round},{rank},{start},{end},{device},{late},{host}"
                )?;
            }
        }
        let file = rows.into_inner()?.finish()?;
        file.sync_data()?;
        self.length = file.metadata()?.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn few_samples_stay_in_the_report() {
        let mut sidecar = Sidecar::at(PathBuf::from("not/written"));
        let mut series = CaseSamples::new(("a", 0), &[3], 2);
        let sample = |start, late| Sample::by_host(start, start + 5, late);
        series.add(&[vec![sample(100, false)]], &mut sidecar).unwrap();
        series.add(&[vec![sample(120, true)]], &mut sidecar).unwrap();
        let expected = Samples::Inline {
            start_ns: vec![vec![0, 20]],
            end_ns: vec![vec![5, 25]],
            device_ns: None,
            host_ns: None,
            invalid_rounds: vec![1],
        };
        assert_eq!(series.finish(&sidecar), expected);
    }

    #[test]
    fn every_one_of_many_samples_is_a_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.samples.csv.gz");
        let sample = |start| Sample::by_host(start, start + 5, start == 10);
        let mut sidecar = Sidecar::at(path.clone());
        for cycle in 0..2 {
            let mut series =
                CaseSamples::new(("a/b=1,c=\"2\"/world:4,7", cycle), &[4, 7], INLINE_LIMIT);
            series.add(&[vec![sample(0)], vec![sample(1)]], &mut sidecar).unwrap();
            series.add(&[vec![sample(10)], vec![sample(11)]], &mut sidecar).unwrap();
            let file = "x.samples.csv.gz".to_owned();
            assert_eq!(series.finish(&sidecar), Samples::Sidecar { file, rows: 4 });
        }
        let rows = read(&path);
        assert_eq!(rows.len(), 9);
        assert_eq!(rows[3], "\"a/b=1,c=\"\"2\"\"/world:4,7\",0,1,4,10,15,,true,");
    }

    fn read(path: &Path) -> Vec<String> {
        let mut text = String::new();
        let mut file = flate2::read::MultiGzDecoder::new(File::open(path).unwrap());
        std::io::Read::read_to_string(&mut file, &mut text).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_torn_end_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let sample = Sample::by_host(0, 5, false);
        let add = |sidecar: &mut Sidecar| {
            let mut series = CaseSamples::new(("a", 1), &[0], 1);
            series.add(&[vec![sample]], sidecar).unwrap();
            series.finish(sidecar);
            sidecar.length
        };
        let length = add(&mut Sidecar::at(path.clone()));
        File::options().append(true).open(&path).unwrap().write_all(b"torn").unwrap();
        add(&mut Sidecar::resume(path.clone(), length).unwrap());
        assert_eq!(read(&path).len(), 3);
        assert!(Sidecar::resume(path, 1 << 20).is_err());
    }
}
