//! `bench.yaml`: a kernel as it is described in its folder.

mod cuda;
mod kernel;
mod presets;

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
    /// Other names.
    #[serde(default)]
    aliases: Vec<Placed<String>>,
    /// One line on what it computes.
    #[serde(default)]
    description: Option<Placed<String>>,
    /// Whether it is measured when no benchmark is named.
    #[serde(default)]
    default: bool,
    /// What its problem is set by. Expressions may name them, and `element_bytes`.
    #[serde(default)]
    sizes: IndexMap<String, Placed<Size>>,
    /// Problem sizes by name, for `--problem-size NAME`. Sizes that are not there are as usual.
    #[serde(default)]
    presets: IndexMap<String, Placed<PresetProblems>>,
    /// What a program is told: whole numbers are sizes, anything else is as it is.
    #[serde(default)]
    problem_size: IndexMap<String, Placed<Value>>,
    /// Types of the elements; the first is the default. f32 if absent.
    #[serde(default)]
    precisions: Option<Placed<Vec<Precision>>>,
    /// Floating point operations, if they limit it; absent if memory does.
    #[serde(default)]
    flops: Option<Placed<Formula>>,
    /// Bytes that are read and written, if memory limits it; if absent, all of its tensors once.
    #[serde(default)]
    bytes: Option<Placed<Formula>>,
    /// Loads that wait for each other, if the latency of memory limits it.
    #[serde(default)]
    accesses: Option<Placed<Formula>>,
    /// Numbers of the type that elements are computed in.
    #[serde(default)]
    scalars: IndexMap<String, Placed<Formula>>,
    /// What it reads.
    #[serde(default)]
    inputs: IndexMap<String, Input>,
    /// What it writes; an empty map if nothing.
    #[serde(default)]
    outputs: Option<IndexMap<String, Output>>,
    /// The built-in kernel that says what is right for such inputs; results are not checked if absent.
    #[serde(default)]
    reference: Option<Placed<String>>,
    /// Largest difference that is rounding, in units of the epsilon of the type that is computed in (f32 for narrower
    /// ones) at the element's scale.
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
    /// What may be chosen for the device at hand by a search; the first of each is taken without one.
    #[serde(default)]
    tune: Tune,
}

/// What may be chosen, with its values.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Tune {
    /// For CPUs: what the built-in kernel takes.
    #[serde(default)]
    host: IndexMap<String, Placed<Vec<u64>>>,
    /// For GPUs: the source has macros of these names in capitals, and what is in 'cuda' may name them.
    #[serde(default)]
    cuda: IndexMap<String, Placed<Vec<u64>>>,
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
    /// Where not given. Only a size that is 0 there may be set to 0.
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

/// The problems of a preset.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "sizes, such as {rows: 1..256*2}, or a list of such")]
enum PresetProblems {
    /// The product of some sizes.
    One(IndexMap<String, SizeList>),
    /// Several of these.
    Several(Vec<IndexMap<String, SizeList>>),
}

/// Values of a size.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum SizeList {
    /// A size, or a list as it is typed: `1..256*2|max`.
    One(OneSize),
    /// Several of these.
    Several(Vec<OneSize>),
}

/// A tensor that is read.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Elements along each axis; the last is the fastest.
    shape: Placed<Vec<Formula>>,
    /// Type of the elements; that of the case if absent.
    #[serde(default)]
    dtype: Option<TensorType>,
    /// What is put into it.
    fill: Placed<Fill>,
}

/// The type of a tensor's elements.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a type, or for types of cases the type there: {i8: i32}")]
enum TensorType {
    /// Always this.
    One(Precision),
    /// For some types of cases; that of the case for all others.
    Each(IndexMap<Precision, Precision>),
}

/// A tensor that is written.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Output {
    /// Elements along each axis; the last is the fastest.
    shape: Placed<Vec<Formula>>,
    /// Type of the elements; that of the case if absent.
    #[serde(default)]
    dtype: Option<TensorType>,
}

/// A kernel for NVIDIA GPUs.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct CudaPart {
    /// The file in its folder: CUDA C++, or ready code that ends in `.ptx` or `.cubin`.
    source: Placed<String>,
    /// The function for all types, in whose name `T` stands for the type in CUDA C++: `gelu<T>`.
    #[serde(default)]
    entry: Option<Placed<String>>,
    /// Instead, the function for each type.
    #[serde(default)]
    entries: Option<Placed<IndexMap<Precision, String>>>,
    /// Its arguments in order: the name of a tensor is its address, that of a scalar a number of the element's type,
    /// any other expression a whole number of 64 bits.
    arguments: Vec<Placed<String>>,
    /// Blocks, along up to three axes.
    grid: Placed<Extents>,
    /// Threads of a block, along up to three axes.
    block: Placed<Extents>,
    /// Blocks of a cluster, along up to three axes, of whose numbers those of the grid are multiples; there are none if
    /// absent.
    #[serde(default)]
    cluster: Option<Placed<Extents>>,
    /// Bytes of shared memory of a block that are set at the launch.
    #[serde(default)]
    shared_bytes: Option<Placed<Formula>>,
    /// Whether launches stand in the GPU's queue before the time begins; true if absent. If not, what a launch costs is in
    /// the time, which then is the host's.
    #[serde(default)]
    queued: Option<bool>,
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

    fn outputs(&self) -> impl Iterator<Item = (&String, &Output)> {
        self.outputs.iter().flatten()
    }

    /// Its name, in a folder of this name.
    pub(super) fn name(&self, folder: &str) -> String {
        self.name.as_ref().map_or(folder, |name| name).to_owned()
    }
}
