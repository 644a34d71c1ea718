//! What people read of what a profiler saw.

use super::Render;
use super::document::{Cell, Document, Section};
use super::words::percent;
use crate::base::error::Exit;
use crate::base::units::{counted, format_ms, significant};
use crate::report::{CpuCounters, GpuKernel, Profile, ProfiledCase, ProfiledRank};

/// Most kernels of a rank in a table; the file has all.
const SHOWN: usize = 10;

/// A rank of a case.
type Row<'a> = (&'a ProfiledCase, &'a ProfiledRank);

/// The same with what its CPUs counted.
type Counted<'a> = (&'a ProfiledCase, &'a ProfiledRank, &'a CpuCounters);

fn giga(count: Option<f64>) -> Cell {
    Cell::number(count.map(|count| count / 1e9), significant)
}

impl Render for Profile {
    fn document(&self) -> Document {
        let tables = [self.counters(), self.widths(), self.memory(), self.kernels(), self.files()];
        let mut sections: Vec<Section> = tables.into_iter().flatten().collect();
        sections.extend(Section::notes("not in it", self.remarks.iter().cloned()));
        let exit = Exit::from_code(self.exit).unwrap_or(Exit::Internal);
        let meaning = match exit {
            Exit::Ok => String::new(),
            other => format!(": {}", other.meaning()),
        };
        let version = self.profiler_version.clone();
        Document {
            title: "Profile".to_owned(),
            facts: vec![format!(
                "{}, {}, backend {}, {}",
                version.unwrap_or_else(|| self.profiler.name().to_owned()),
                self.started,
                self.backend,
                counted(self.ranks, "rank"),
            )],
            sections,
            verdict: format!(
                "{} under {}{meaning}",
                counted(self.cases.len(), "launch"),
                self.profiler.name()
            ),
            exit: Some(exit),
            ..Document::default()
        }
    }
}

impl Profile {
    fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.cases.iter().flat_map(|case| case.ranks.iter().map(move |rank| (case, rank)))
    }

    /// The ranks whose CPUs counted.
    fn counted(&self) -> impl Iterator<Item = Counted<'_>> {
        self.rows().filter_map(|(case, rank)| Some((case, rank, rank.counters.as_ref()?)))
    }

    fn counters(&self) -> Option<Section> {
        let section = Section::table(
            "counted",
            self.counted(),
            &[
                ("case", &|(case, ..): &Counted<'_>| case.cases.join(" ").into()),
                ("rank", &|(_, rank, _)| Cell::count(rank.rank)),
                ("time", &|(_, rank, _)| Cell::number(rank.seconds, |s| format_ms(1e3 * s))),
                ("on CPUs", &|(.., of)| Cell::number(of.cpu_seconds, |s| format_ms(1e3 * s))),
                ("G instructions", &|(.., of)| giga(of.instructions)),
                ("G cycles", &|(.., of)| giga(of.cycles)),
                ("a cycle", &|(.., of)| Cell::number(of.instructions_per_cycle, significant)),
                ("counted", &|(.., of)| Cell::number(of.counted_percent, percent)),
            ],
        )?;
        let told = [
            "a cycle: instructions in one; counted: the least share of the time in which one of these was \
                     counted, the rest is extrapolated",
        ];
        Some(section.with(told).spare(&["counted", "G cycles", "on CPUs"]))
    }

    fn widths(&self) -> Option<Section> {
        let section = Section::table(
            "floating-point instructions by width",
            self.counted(),
            &[
                ("case", &|(case, ..): &Counted<'_>| case.cases.join(" ").into()),
                ("rank", &|(_, rank, _)| Cell::count(rank.rank)),
                ("scalar", &|(.., of)| Cell::number(of.simd.scalar_percent, percent)),
                ("128 bit", &|(.., of)| Cell::number(of.simd.bits_128_percent, percent)),
                ("256 bit", &|(.., of)| Cell::number(of.simd.bits_256_percent, percent)),
                ("512 bit", &|(.., of)| Cell::number(of.simd.bits_512_percent, percent)),
            ],
        )?;
        Some(section)
    }

    fn memory(&self) -> Option<Section> {
        let section = Section::table(
            "caches and memory",
            self.counted(),
            &[
                ("case", &|(case, ..): &Counted<'_>| case.cases.join(" ").into()),
                ("rank", &|(_, rank, _)| Cell::count(rank.rank)),
                ("L1 hits", &|(.., of)| Cell::number(of.caches.l1_percent, percent)),
                ("L2 hits", &|(.., of)| Cell::number(of.caches.l2_percent, percent)),
                ("last hits", &|(.., of)| Cell::number(of.caches.last_percent, percent)),
                ("read", &|(.., of)| Cell::quantity(of.memory_read_gbps, "GB/s")),
            ],
        )?;
        let told = "hits: of what a level was asked for; read: from memory to this rank's cores";
        Some(section.with([told]))
    }

    fn kernels(&self) -> Option<Section> {
        let rows = self.rows().flat_map(|(case, rank)| {
            let kernels = rank.kernels.iter().flatten().take(SHOWN);
            kernels.map(move |kernel| (case, rank, kernel))
        });
        type OfKernel<'a> = (&'a ProfiledCase, &'a ProfiledRank, &'a GpuKernel);
        let section = Section::table(
            "kernels",
            rows,
            &[
                ("case", &|(case, ..): &OfKernel<'_>| case.cases.join(" ").into()),
                ("rank", &|(_, rank, _)| Cell::count(rank.rank)),
                ("kernel", &|(.., kernel)| kernel.name.as_str().into()),
                ("launches", &|(.., kernel)| Cell::count(kernel.launches as usize)),
                ("total", &|(.., kernel)| Cell::number(kernel.total_ms, format_ms)),
                ("share", &|(.., kernel)| Cell::number(kernel.share_percent, percent)),
                ("SM", &|(.., kernel)| Cell::number(kernel.sm_percent, percent)),
                ("memory", &|(.., kernel)| Cell::number(kernel.memory_percent, percent)),
                ("warps", &|(.., kernel)| Cell::number(kernel.occupancy_percent, percent)),
            ],
        )?;
        let told = [
            "SM, memory: throughput, of the most there can be; warps: at work, of all that fit a multiprocessor",
        ];
        let told = told.into_iter().filter(|_| {
            self.rows().any(|(_, rank)| {
                rank.kernels.iter().flatten().any(|kernel| kernel.sm_percent.is_some())
            })
        });
        Some(section.with(told).spare(&["warps", "share"]))
    }

    fn files(&self) -> Option<Section> {
        let section = Section::table(
            "files",
            self.rows(),
            &[
                ("case", &|(case, _): &Row<'_>| case.cases.join(" ").into()),
                ("rank", &|(_, rank)| Cell::count(rank.rank)),
                ("folder", &|(case, _)| case.folder.as_str().into()),
                ("files", &|(_, rank)| match rank.files.is_empty() {
                    true => "none".into(),
                    false => rank.files.join(" ").into(),
                }),
            ],
        )?;
        Some(section)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::profiler::Profiler;
    use crate::render::snapshots::pages;
    use crate::report::{CacheHits, PROFILE_SCHEMA, SimdShare};

    fn profile(profiler: Profiler, rank: ProfiledRank) -> Profile {
        Profile {
            schema: PROFILE_SCHEMA.to_owned(),
            version: "0.0.0".to_owned(),
            started: "2026-01-01T00:00:00Z".to_owned(),
            command: Vec::new(),
            profiler,
            profiler_version: None,
            backend: "host".to_owned(),
            ranks: 1,
            cases: vec![ProfiledCase {
                cases: vec!["triad/f32/array=64MiB/world:0".to_owned()],
                folder: "case-1".to_owned(),
                report: Some("results.json".to_owned()),
                exit: 0,
                ranks: vec![rank],
            }],
            remarks: vec!["perf cannot count here: requests of L2".to_owned()],
            exit: 0,
        }
    }

    #[test]
    fn counters_of_perf() {
        let counters = CpuCounters {
            cpu_seconds: Some(1.5),
            instructions: Some(6e9),
            cycles: Some(3e9),
            instructions_per_cycle: Some(2.0),
            simd: SimdShare {
                scalar_percent: Some(1.0),
                bits_512_percent: Some(99.0),
                ..SimdShare::default()
            },
            caches: CacheHits { l1_percent: Some(95.0), ..CacheHits::default() },
            memory_read_bytes: Some(3e9),
            memory_read_gbps: Some(2.0),
            counted_percent: Some(40.0),
        };
        let files = vec!["rank-0.csv".to_owned()];
        let rank = ProfiledRank {
            files,
            seconds: Some(1.5),
            counters: Some(counters),
            ..ProfiledRank::default()
        };
        pages("profile-perf", &profile(Profiler::Perf, rank));
    }

    #[test]
    fn kernels_of_ncu() {
        let kernel = GpuKernel {
            name: "triad_f32".to_owned(),
            launches: 5,
            total_ms: 0.25,
            share_percent: 100.0,
            sm_percent: Some(12.0),
            memory_percent: Some(91.0),
            occupancy_percent: None,
        };
        let files = vec!["rank-0.ncu-rep".to_owned(), "rank-0.log".to_owned()];
        let rank = ProfiledRank { files, kernels: Some(vec![kernel]), ..ProfiledRank::default() };
        let profile = Profile { remarks: Vec::new(), ..profile(Profiler::Ncu, rank) };
        pages("profile-ncu", &profile);
    }
}
