//! `bench.yaml`: a kernel as it is described in its folder.

mod kernel;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{Extents, Fill, Formula, Skip, Target};
use crate::base::error::Result;
use crate::base::yaml::{self, Placed};
use crate::benchmark::Element;
pub(super) use kernel::folder_name;

/// What formulas may name besides the sizes.
pub(super) const ELEMENT_BYTES: &str = "element_bytes";

/// A kernel, described by the file `bench.yaml` in its folder.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Its name; that of the folder if absent.
    #[serde(default)]
    name: Option<Placed<String>>,
    /// One line on what it computes.
    #[serde(default)]
    description: Option<Placed<String>>,
    /// Whether it is measured when no benchmark is named.
    #[serde(default)]
    default: bool,
    /// What its problem is set by. Expressions may name them, and `element_bytes`.
    #[serde(default)]
    sizes: IndexMap<String, Placed<Size>>,
    /// What a program is told: whole numbers are sizes, anything else is as it is.
    #[serde(default)]
    problem_size: IndexMap<String, Placed<Value>>,
    /// Types of the elements; the first is the default. f32 if absent.
    #[serde(default)]
    precisions: Option<Placed<Vec<Precision>>>,
    /// Floating point operations, if they limit it; absent if memory does: its tensors are read or written once each.
    #[serde(default)]
    flops: Option<Placed<Formula>>,
    /// Numbers of the element's type.
    #[serde(default)]
    scalars: IndexMap<String, Placed<f64>>,
    /// What it reads.
    #[serde(default)]
    inputs: IndexMap<String, Input>,
    /// What it writes.
    #[serde(default)]
    output: Option<Output>,
    /// The built-in kernel that says what is right for such inputs; results are not checked if absent.
    #[serde(default)]
    reference: Option<Placed<String>>,
    /// Largest difference that is rounding, in units of the type's epsilon at the element's scale.
    #[serde(default)]
    tolerance: Option<Placed<Room>>,
    /// Differences that are no error, in other measures.
    #[serde(default)]
    tolerances: Tolerances,
    /// What it is for; any backend that has a form of it if absent.
    #[serde(default)]
    backends: Option<Vec<Target>>,
    /// When it is skipped.
    #[serde(default)]
    skip_conditions: Vec<Skip>,
    /// A program and its arguments, started once on each rank in the kernel's folder, which measures itself and prints
    /// lines such as `{"latency_ms": 1.5}`. Run only from a folder that is named with `--kernel-path`.
    #[serde(default)]
    command: Option<Placed<Vec<String>>>,
    /// How an NVIDIA GPU does it.
    #[serde(default)]
    cuda: Option<CudaPart>,
}

/// Differences that are no error.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tolerances {
    /// Root mean square of all differences.
    #[serde(default)]
    rmse: Option<Room>,
    /// Of each element, as a share of its scale.
    #[serde(default)]
    relative_error: Option<Room>,
}

/// A size.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Size {
    /// What it is, with its unit.
    #[serde(default)]
    help: String,
    /// Where not given.
    default: Sizes,
    /// Whether ranks that share one problem (strong scaling) divide it between them.
    #[serde(default)]
    divides: bool,
}

/// A size where not given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a size, the name of the first size, or three sizes: small, medium and large"
)]
enum Sizes {
    /// A number.
    Number(u64),
    /// `64MiB`; or the name of the first size, to be as large as that.
    Text(String),
    /// Those of the presets small, medium and large.
    Presets([OneSize; 3]),
}

/// A size.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OneSize {
    /// A number.
    Number(u64),
    /// `64MiB`.
    Text(String),
}

/// A tensor that is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Elements along each axis; the last is the fastest.
    shape: Placed<Vec<Formula>>,
    /// What is put into it.
    fill: Placed<Fill>,
}

/// The tensor that is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// Its name.
    name: Placed<String>,
    /// Elements along each axis; the last is the fastest.
    shape: Placed<Vec<Formula>>,
}

/// A kernel in CUDA C++.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CudaPart {
    /// The file in its folder.
    source: Placed<String>,
    /// The function for each type.
    entries: Placed<IndexMap<Precision, String>>,
    /// Its arguments in order: the name of a tensor is its address, that of a scalar a number of the element's type,
    /// any other expression a whole number of 64 bits.
    arguments: Vec<Placed<String>>,
    /// Blocks, along up to three axes.
    grid: Placed<Extents>,
    /// Threads of a block, along up to three axes.
    block: Placed<Extents>,
    /// Bytes of shared memory of a block that are set at the launch.
    #[serde(default)]
    shared_bytes: Option<Placed<Formula>>,
}

/// How large a difference may be.
#[derive(Debug, Clone, Copy, Default, JsonSchema)]
struct Room(#[schemars(range(min = 0.0))] f64);

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let most = f64::deserialize(from)?;
        let fits = most >= 0.0 && most.is_finite();
        if fits { Ok(Self(most)) } else { Err(serde::de::Error::custom("a number, 0 or more")) }
    }
}

/// The type of elements, under any of its names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema)]
pub struct Precision(#[schemars(with = "String")] Element);

impl From<Precision> for Element {
    fn from(precision: Precision) -> Self {
        precision.0
    }
}

impl<'de> Deserialize<'de> for Precision {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Element::parse(&text).map(Self).map_err(|why| serde::de::Error::custom(why.message))
    }
}

impl Manifest {
    /// Reads a description.
    ///
    /// # Errors
    /// Usage error that names line and key.
    pub fn parse(text: &str) -> Result<Self> {
        yaml::read_with_names(text)
    }

    /// Its name, in a folder of this name.
    pub(super) fn name(&self, folder: &str) -> String {
        self.name.as_ref().map_or(folder, |name| name).to_owned()
    }
}
