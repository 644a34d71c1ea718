//! How long the stages of a compilation take.

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stage of the way from a kernel's source to code that a device runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Putting the source, its headers and what is to be instantiated together.
    Render,
    /// C++ is read.
    FrontEnd,
    /// It is optimised, by NVVM, and written as PTX.
    Nvvm,
    /// PTX becomes machine code, by ptxas.
    Ptxas,
    /// What of the compiler's time belongs to none of these.
    Other,
    /// The driver puts the machine code on the device.
    Load,
}

impl Stage {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Render => "render",
            Self::FrontEnd => "front end",
            Self::Nvvm => "NVVM",
            Self::Ptxas => "ptxas",
            Self::Other => "other",
            Self::Load => "load",
        }
    }
}

/// How long a stage took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageTime {
    /// Which.
    pub stage: Stage,
    /// Milliseconds; whole ones of those that the compiler times itself.
    pub ms: f64,
}

/// Does something as a stage, and says how long it took.
pub fn timed<T>(stage: Stage, act: impl FnOnce() -> T) -> (T, StageTime) {
    let began = Instant::now();
    let done = act();
    (done, StageTime { stage, ms: began.elapsed().as_secs_f64() * 1e3 })
}

/// The compiler's own stages, from the table that NVRTC writes with `--time`, of which the whole took `all_ms`. Empty
/// where it wrote none that is known.
pub(super) fn read(table: &str, all_ms: f64) -> Vec<StageTime> {
    let mut times: Vec<StageTime> = Vec::new();
    for line in table.lines() {
        let mut fields = line.split(',').map(str::trim).rev();
        // The file's name comes first, and may have commas.
        let (Some("ms"), Some(ms), Some(phase)) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let stage = match phase {
            "CUDA C++ Frontend" => Stage::FrontEnd,
            "NVVM Optimizer" => Stage::Nvvm,
            "PTX Translation" => Stage::Ptxas,
            _ => continue,
        };
        let Some(ms) = ms.parse::<f64>().ok().filter(|ms| ms.is_finite() && *ms >= 0.0) else {
            continue;
        };
        match times.iter_mut().find(|known| known.stage == stage) {
            Some(known) => known.ms += ms,
            None => times.push(StageTime { stage, ms }),
        }
    }
    let known: f64 = times.iter().map(|time| time.ms).sum();
    times.push(StageTime { stage: Stage::Other, ms: (all_ms - known).max(0.0) });
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_compilers_table_is_read() {
        // As NVRTC 13.5 writes it.
        let table = "File name, phase name, metric, unit
k, 2.cu, CUDA C++ Frontend, 130, ms
k.cu, NVVM Optimizer, 1281, ms
k.cu, PTX Translation, 2518, ms
k.cu, Something Later, 7, ms
k.cu, NVVM Optimizer, 9, s\n";
        let time = |stage, ms| StageTime { stage, ms };
        let expected = [
            time(Stage::FrontEnd, 130.0),
            time(Stage::Nvvm, 1281.0),
            time(Stage::Ptxas, 2518.0),
            time(Stage::Other, 71.5),
        ];
        assert_eq!(read(table, 4000.5), expected);
        assert_eq!(read("", 40.0), [time(Stage::Other, 40.0)]);
        assert_eq!(read("k.cu, PTX Translation, NaN, ms", 1.0), [time(Stage::Other, 1.0)]);
    }
}
