//! The catalogue: the named things that can be measured, with their problem sizes and precisions.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::work::{Collective, Element, Gemm, Placement, Stream, StreamOp, Work};

/// A problem: its keys with their values, as they stand in a case.
pub type Problem = BTreeMap<String, u64>;

/// A set of problem sizes that is chosen by name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Fits in a cache; seconds.
    Small,
    /// What is used when nothing is said.
    #[default]
    Medium,
    /// Large enough that start-up costs vanish.
    Large,
}

/// A key of a problem, such as `bytes`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Key {
    /// Name on the command line and in the report.
    pub name: &'static str,
    /// What it sets, with its unit.
    pub help: &'static str,
    /// Values for the presets small, medium and large; a key without them follows another one.
    pub presets: Option<[&'static str; 3]>,
    /// Whether ranks that share one problem (strong scaling) divide this key between them.
    pub divides: bool,
}

/// A named thing that can be measured.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Benchmark {
    /// Name on the command line and in the report.
    pub name: &'static str,
    /// One line on what it measures.
    pub description: &'static str,
    /// The keys of its problem.
    pub keys: &'static [Key],
    /// The precisions it is defined for; empty where it has none. The first is the default.
    pub precisions: &'static [Element],
    /// Whether it runs in place and out of place.
    pub placements: bool,
    /// Whether its ranks exchange data, so that it is measured on every group of the mesh.
    pub collective: bool,
}

/// Every benchmark.
pub const CATALOGUE: [Benchmark; 5] = [
    Benchmark {
        name: "all_reduce",
        description: "every rank ends with the elementwise sum over all ranks",
        keys: &[Key {
            name: "bytes",
            help: "size of each rank's buffer, bytes",
            presets: Some(["8..4KiB*8", "8..16MiB*8", "64MiB..1GiB*4"]),
            divides: false,
        }],
        precisions: &Element::ALL,
        placements: true,
        collective: true,
    },
    Benchmark {
        name: "barrier",
        description: "no rank leaves before every rank has come",
        keys: &[],
        precisions: &[],
        placements: false,
        collective: true,
    },
    Benchmark {
        name: "copy",
        description: "a[i] = b[i] over arrays in memory, on every rank at once",
        keys: &[ARRAY],
        precisions: &Element::WIDE_FLOATS,
        placements: false,
        collective: false,
    },
    Benchmark {
        name: "gemm",
        description: "C = A*B, dense and row-major, on every rank at once",
        keys: &[
            Key {
                name: "m",
                help: "rows of A and C",
                presets: Some(["256", "1024", "4096"]),
                divides: true,
            },
            Key {
                name: "n",
                help: "columns of B and C; m where not given",
                presets: None,
                divides: false,
            },
            Key {
                name: "k",
                help: "columns of A, rows of B; m where not given",
                presets: None,
                divides: false,
            },
        ],
        precisions: &Element::FLOATS,
        placements: false,
        collective: false,
    },
    Benchmark {
        name: "triad",
        description: "a[i] = b[i] + s*c[i] over arrays in memory, on every rank at once",
        keys: &[ARRAY],
        precisions: &Element::WIDE_FLOATS,
        placements: false,
        collective: false,
    },
];

const ARRAY: Key = Key {
    name: "array",
    help: "size of each array, bytes",
    presets: Some(["1MiB", "64MiB", "256MiB"]),
    divides: true,
};

/// The benchmark called `name`.
pub fn find(name: &str) -> Option<&'static Benchmark> {
    CATALOGUE.iter().find(|benchmark| benchmark.name == name)
}

impl Benchmark {
    /// The work of one problem.
    ///
    /// # Errors
    /// Usage error for sizes that are not whole elements, empty matrices, and what does not fit the
    /// address space.
    pub fn work(&self, problem: &Problem, element: Element, placement: Placement) -> Result<Work> {
        let get = |key: &str| problem.get(key).copied();
        let work = match self.name {
            "all_reduce" | "barrier" => Work::Collective {
                op: if self.name == "barrier" {
                    Collective::Barrier
                } else {
                    Collective::AllReduce
                },
                element,
                bytes: get("bytes").unwrap_or(0),
                placement,
            },
            "gemm" => {
                let side = |key: &str| self.side(key, get(key).unwrap_or(0));
                Work::Gemm(Gemm { m: side("m")?, n: side("n")?, k: side("k")?, element })
            }
            name => {
                let op = if name == "copy" { StreamOp::Copy } else { StreamOp::Triad };
                Work::Stream(Stream { op, bytes: get("array").unwrap_or(0), element })
            }
        };
        for (key, bytes) in problem.iter().filter(|(key, _)| ["array", "bytes"].contains(&&***key))
        {
            if !bytes.is_multiple_of(element.bytes()) {
                return Err(Error::usage(format!(
                    "{}: {key}={bytes} is not a whole number of {} elements; use a multiple of {}",
                    self.name,
                    element.name(),
                    element.bytes()
                )));
            }
            if *bytes == 0 && !self.collective {
                return Err(Error::usage(format!("{}: {key}=0 leaves nothing to do", self.name)));
            }
        }
        Ok(work)
    }

    /// One rank's share of a problem that `ranks` ranks divide between them. Keys that do not divide
    /// stay: the message of a collective, the second matrix of a product.
    ///
    /// # Errors
    /// Usage error when the problem does not divide evenly.
    pub fn share(&self, problem: &Problem, ranks: usize) -> Result<Problem> {
        let mut share = problem.clone();
        for key in self.keys.iter().filter(|key| key.divides) {
            let Some(value) = share.get_mut(key.name) else { continue };
            if !value.is_multiple_of(ranks as u64) {
                return Err(Error::usage(format!(
                    "{}: {}={value} does not divide among {ranks} ranks; choose a multiple of every \
                     --scaling-ranks value",
                    self.name, key.name
                )));
            }
            *value /= ranks as u64;
        }
        Ok(share)
    }

    fn side(&self, key: &str, value: u64) -> Result<usize> {
        // 2^24 a side: one f32 matrix of a PiB. Larger is a typing error and would overflow counts.
        if value == 0 || value > 1 << 24 {
            return Err(Error::usage(format!(
                "{}: {key}={value} is not a matrix side between 1 and {}",
                self.name,
                1 << 24
            )));
        }
        Ok(value as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pairs: &[(&str, u64)]) -> Problem {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
    }

    #[test]
    fn a_gemm_is_checked_and_divides_by_rows() {
        let gemm = find("gemm").unwrap();
        let sides = problem(&[("m", 8), ("n", 4), ("k", 2)]);
        let work = gemm.work(&sides, Element::F32, Placement::Out).unwrap();
        assert_eq!(work, Work::Gemm(Gemm { m: 8, n: 4, k: 2, element: Element::F32 }));
        assert!(gemm.work(&problem(&[("m", 0)]), Element::F32, Placement::Out).is_err());
        assert_eq!(gemm.share(&sides, 4).unwrap(), problem(&[("m", 2), ("n", 4), ("k", 2)]));
        assert!(gemm.share(&sides, 3).is_err());
    }

    #[test]
    fn buffers_hold_whole_elements() {
        let all_reduce = find("all_reduce").unwrap();
        assert!(all_reduce.work(&problem(&[("bytes", 6)]), Element::F32, Placement::Out).is_err());
        assert!(all_reduce.work(&problem(&[("bytes", 0)]), Element::F32, Placement::Out).is_ok());
    }
}
