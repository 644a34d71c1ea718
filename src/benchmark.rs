//! The catalogue: the named things that can be measured, with their problem sizes and precisions.

pub mod collective;
pub mod copy;
mod element;
mod fitting;
pub mod kernel;
pub mod measures;
pub mod metric;
pub mod model;
mod numbers;
pub mod peak;
mod preset;
mod problem;
pub mod work;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, OnceLock};

use serde::Serialize;
use wildmatch::WildMatch;

pub(crate) use element::with_number;
pub use element::{Element, Number, Tf32, bytes_of, bytes_of_mut, numbers_of, numbers_of_mut};
pub use fitting::Asked;
pub use numbers::Numbers;
pub use preset::{OF_ALL, Preset, Texts};
pub use problem::{Problem, Setting};

use crate::base::error::{Error, Result, suggestion};
use crate::base::files::read_bounded;
use crate::base::units::{counted, parse_sizes, refuse_long};
use crate::benchmark::collective::{COLLECTIVES, Collective};
use crate::benchmark::copy::{COPIES, CopyKind};
use crate::benchmark::fitting::WORDS;
use crate::benchmark::kernel::{Found, KERNELS, Kernel};
pub use crate::benchmark::work::Counts;
use crate::benchmark::work::{
    Blocks, CompletionMode, Exchange, Operator, Placement, Registration, Root, Work,
};

/// Most bytes of a file with a matrix.
const MATRIX_LIMIT: u64 = 16 << 20;

/// The name of the [key](graph_key) for CUDA graphs.
const GRAPH: &str = "graph";

/// How many operations are captured into one CUDA graph: a key of all that GPUs do by queueing.
const fn graph_key() -> Key {
    let values = Values::Numbers { default: 0, least: 1, most: 1000, words: &["none"] };
    Key::new(GRAPH, "operations that are captured into one CUDA graph; GPUs only", values)
}

/// Keys that count the bytes of whole elements.
const BYTE_KEYS: [&str; 3] = ["array", "bytes", "offset"];

/// A key of a problem, such as `bytes`.
#[derive(Debug, Clone, Serialize)]
pub struct Key {
    /// Name on the command line and in the report.
    pub name: Cow<'static, str>,
    /// What it sets, with its unit.
    pub help: Cow<'static, str>,
    /// What it may be set to.
    pub values: Values,
    /// Whether ranks that share one problem (strong scaling) divide this key between them.
    pub divides: bool,
}

impl Key {
    /// Whether 0 is a size for it: one that is 0 where not given.
    pub fn may_be_zero(&self) -> bool {
        matches!(&self.values, Values::Sizes(presets) if presets.iter().any(|size| size == "0"))
    }
}

/// What a key may be set to.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Values {
    /// Sizes; those of the presets small, medium and large.
    Sizes([Cow<'static, str>; 3]),
    /// A size; that of the problem's first key where not given.
    AsFirst,
    /// A number, or one of some words.
    Numbers {
        /// Where not given; below `least` it stands for the first word.
        #[serde(rename = "usual")]
        default: u32,
        /// Smallest.
        least: u32,
        /// Largest.
        most: u32,
        /// What may stand instead.
        words: &'static [&'static str],
    },
    /// One of these words; the first where not given.
    Words(&'static [&'static str]),
    /// The path of a file; none where not given.
    File,
}

/// A named thing that can be measured.
#[derive(Debug, Clone, Serialize)]
pub struct Benchmark {
    /// Name on the command line and in the report.
    pub name: Cow<'static, str>,
    /// Names under which people may look for it.
    pub aliases: Vec<Cow<'static, str>>,
    /// One line on what it measures.
    pub description: Cow<'static, str>,
    /// The keys of its problem.
    pub keys: Vec<Key>,
    /// Sets of problem sizes that it has besides small, medium and large.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub presets: Vec<Preset>,
    /// The precisions it is defined for; empty where it has none. The first is the default.
    pub precisions: Vec<Element>,
    /// Whether it runs in place and out of place.
    pub placements: bool,
    /// Whether its ranks exchange data, so that it is measured on every group of the mesh.
    pub collective: bool,
    /// Whether it is measured when no benchmark is named.
    #[serde(rename = "usual")]
    pub default: bool,
    /// The folder in which it was found, if it does not come with the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    #[serde(skip)]
    kind: WorkKind,
}

impl Benchmark {
    /// Its name and aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        std::iter::once(&self.name).chain(&self.aliases).map(AsRef::as_ref)
    }
}

/// What kind of work it is.
#[derive(Debug, Clone, Copy)]
enum WorkKind {
    Exchange(&'static Collective),
    Kernel(&'static Kernel),
    Copy(&'static CopyKind),
}

impl From<&'static Collective> for Benchmark {
    fn from(collective: &'static Collective) -> Self {
        let Collective { name, aliases, description, keys, default, ref in_place, .. } =
            *collective;
        Self {
            name: name.into(),
            aliases: aliases.iter().map(|&alias| alias.into()).collect(),
            description: description.into(),
            keys: [keys, &collective.gpu_keys()].concat(),
            presets: Vec::new(),
            precisions: if keys.is_empty() { Vec::new() } else { Element::ALL.to_vec() },
            placements: in_place.is_some(),
            collective: true,
            default,
            folder: None,
            kind: WorkKind::Exchange(collective),
        }
    }
}

impl From<&'static Kernel> for Benchmark {
    fn from(kernel: &'static Kernel) -> Self {
        Self {
            name: kernel.name.clone(),
            aliases: kernel.aliases.clone(),
            description: kernel.description.clone(),
            keys: kernel.keys.iter().cloned().chain(kernel.gpu_keys()).collect(),
            presets: kernel.presets.clone(),
            precisions: match kernel.has_elements() {
                true => kernel.precisions.clone(),
                false => Vec::new(),
            },
            placements: false,
            collective: false,
            default: kernel.default,
            folder: kernel.origin.as_ref().map(|origin| origin.folder.clone()),
            kind: WorkKind::Kernel(kernel),
        }
    }
}

impl From<&'static CopyKind> for Benchmark {
    fn from(kind: &'static CopyKind) -> Self {
        Self {
            name: kind.name.into(),
            aliases: kind.aliases.iter().map(|&alias| alias.into()).collect(),
            description: kind.description.into(),
            keys: kind.keys.to_vec(),
            presets: CopyKind::presets(),
            precisions: Vec::new(),
            placements: false,
            collective: false,
            default: false,
            folder: None,
            kind: WorkKind::Copy(kind),
        }
    }
}

/// Every benchmark.
pub static CATALOGUE: LazyLock<Vec<Benchmark>> = LazyLock::new(|| {
    let collectives = COLLECTIVES.iter().copied().map(Benchmark::from);
    let kernels = KERNELS.iter().map(Benchmark::from);
    collectives.chain(kernels).chain(COPIES.iter().map(Benchmark::from)).collect()
});

/// Kernels that were found.
static FOUND: OnceLock<Vec<Benchmark>> = OnceLock::new();

/// Looks for kernels, so that they can be measured.
///
/// # Errors
/// As [`kernel::discover`].
pub fn discover(paths: &[PathBuf]) -> Result<&'static Found> {
    let found = kernel::discover(paths)?;
    FOUND.get_or_init(|| found.kernels.iter().map(Benchmark::from).collect());
    Ok(found)
}

/// Every benchmark, and the kernels that were found.
pub fn catalogue() -> impl Iterator<Item = &'static Benchmark> + Clone {
    CATALOGUE.iter().chain(FOUND.get().into_iter().flatten())
}

/// The benchmark called `name`.
pub fn find(name: &str) -> Option<&'static Benchmark> {
    catalogue().find(|benchmark| benchmark.names().any(|known| known == name))
}

/// Names of the benchmarks that are measured when none is named.
pub fn defaults() -> impl Iterator<Item = &'static str> {
    catalogue().filter(|benchmark| benchmark.default).map(|benchmark| &*benchmark.name)
}

/// Names that stand for several benchmarks.
pub const SUITES: [(&str, &[&str]); 2] = [
    ("memory_bandwidth", &["copy", "scale", "add", "triad"]),
    ("vector_ops", &["axpy", "dot", "norm", "add", "mul", "reduce_sum", "reduce_max"]),
];

/// The benchmarks that a name, the name of a suite or a glob stands for.
///
/// # Errors
/// As [`named`].
pub fn meant_by(name: &str) -> Result<Vec<&'static Benchmark>> {
    if let Some((_, members)) = SUITES.iter().find(|(known, _)| *known == name) {
        return members.iter().map(|member| named(member)).collect();
    }
    let matcher = WildMatch::new(name);
    let matching: Vec<_> = catalogue().filter(|known| matcher.matches(&known.name)).collect();
    if matching.is_empty() { Ok(vec![named(name)?]) } else { Ok(matching) }
}

/// The benchmark called `name`.
///
/// # Errors
/// Usage error naming the nearest known name, or what is wrong with the kernel that has the name.
pub fn named(name: &str) -> Result<&'static Benchmark> {
    find(name).ok_or_else(|| {
        let refused = &kernel::found().refused;
        if let Some(refused) = refused.iter().find(|refused| refused.name == name) {
            return refused.why.clone();
        }
        let suites = SUITES.iter().map(|(name, _)| *name);
        let names = catalogue().map(|benchmark| &*benchmark.name).chain(suites);
        Error::usage(format!("benchmark '{name}' is not known; {}", suggestion(name, names)))
    })
}

impl Key {
    /// A key that ranks do not divide between them.
    pub const fn new(name: &'static str, help: &'static str, values: Values) -> Self {
        Self { name: Cow::Borrowed(name), help: Cow::Borrowed(help), values, divides: false }
    }

    /// A key for sizes, with those of the presets small, medium and large.
    pub const fn sizes(
        name: &'static str,
        help: &'static str,
        of_presets: [&'static str; 3],
    ) -> Self {
        let [small, medium, large] = of_presets;
        let sizes = [Cow::Borrowed(small), Cow::Borrowed(medium), Cow::Borrowed(large)];
        Self::new(name, help, Values::Sizes(sizes))
    }

    /// The same, divided between ranks that share one problem.
    pub fn divided(self) -> Self {
        Self { divides: true, ..self }
    }

    /// The values that a text means; `None` for a value that need not be explicit.
    ///
    /// # Errors
    /// Usage error for what the key cannot be set to.
    pub fn parse(&self, text: &str) -> Result<Vec<Option<Setting>>> {
        match self.values {
            Values::Sizes(_) | Values::AsFirst => {
                let mut values = Vec::new();
                for part in text.split([',', '|']).map(str::trim) {
                    refuse_long(values.len())?;
                    match WORDS.contains(&part) {
                        true => values.push(Some(Setting::Word(part.to_owned()))),
                        false => values
                            .extend(parse_sizes(part)?.into_iter().map(|size| Some(size.into()))),
                    }
                }
                Ok(values)
            }
            // It stands in the case's id, which is printed and written in lines.
            Values::File if text.chars().any(char::is_control) => Err(Error::usage(format!(
                "{}: the file's name {text:?} has characters that cannot be printed; rename it",
                self.name
            ))),
            Values::File => Ok(vec![Some(Setting::Word(text.to_owned()))]),
            Values::Words(words) => {
                text.split(',').map(|word| self.word(word.trim(), words)).collect()
            }
            Values::Numbers { default, least, most, words } => {
                let mut values = Vec::new();
                for part in text.split(',').map(str::trim) {
                    refuse_long(values.len())?;
                    if part.starts_with(char::is_alphabetic) {
                        values.push(self.word(part, words)?.filter(|_| default >= least));
                        continue;
                    }
                    for number in parse_sizes(part)? {
                        if !(u64::from(least)..=u64::from(most)).contains(&number) {
                            return Err(Error::usage(format!(
                                "{}={number} is not between {least} and {most}",
                                self.name
                            )));
                        }
                        let explicit = number != u64::from(default);
                        values.push(explicit.then_some(Setting::Number(number)));
                    }
                }
                Ok(values)
            }
        }
    }

    fn word(&self, word: &str, words: &[&'static str]) -> Result<Option<Setting>> {
        if !words.contains(&word) {
            let known = suggestion(word, words.iter().copied());
            return Err(Error::usage(format!("{}={word} is not possible; {known}", self.name)));
        }
        let default = matches!(self.values, Values::Words(_)) && words[0] == word;
        Ok((!default).then(|| Setting::Word(word.to_owned())))
    }

    /// Its value where nothing is explicit, for people.
    pub fn default(&self) -> String {
        match &self.values {
            Values::Sizes([_, medium, _]) => medium.clone().into_owned(),
            Values::AsFirst | Values::File => String::new(),
            Values::Words(words) => words[0].to_owned(),
            Values::Numbers { default, least, words, .. } if *default < *least => {
                words[0].to_owned()
            }
            Values::Numbers { default, .. } => default.to_string(),
        }
    }
}

impl Benchmark {
    /// Whether its ranks act in pairs.
    pub fn is_paired(&self) -> bool {
        matches!(self.kind, WorkKind::Exchange(collective) if collective.is_paired())
    }

    /// The work of one problem.
    ///
    /// # Errors
    /// Usage error for sizes that are not whole elements, and for sides of tensors that are 0 or beyond all.
    pub fn work(&self, problem: &Problem, element: Element, placement: Placement) -> Result<Work> {
        let get = |key: &str| problem.get(key).and_then(Setting::number);
        for key in BYTE_KEYS {
            let Some(bytes) = get(key) else { continue };
            if !bytes.is_multiple_of(element.bytes()) {
                return Err(Error::usage(format!(
                    "{}: {key}={bytes} is not a whole number of {} elements; use a multiple of {}",
                    self.name,
                    element.name(),
                    element.bytes()
                )));
            }
            if bytes == 0 && !self.collective {
                return Err(Error::usage(format!("{}: {key}=0 leaves nothing to do", self.name)));
            }
        }
        Ok(match self.kind {
            WorkKind::Exchange(collective) => {
                let plain = Exchange::plain(collective, element, get("bytes").unwrap_or(0));
                Work::Exchange(self.exchange(problem, Exchange { placement, ..plain })?)
            }
            WorkKind::Kernel(kernel) => {
                let element = match kernel.has_elements() {
                    true => element,
                    // Its function has a type all the same.
                    false => kernel.precisions[0],
                };
                Work::Kernel(kernel.run(problem, element)?)
            }
            WorkKind::Copy(kind) => Work::Copy(kind.copy(problem)),
        })
    }

    fn exchange(&self, problem: &Problem, mut exchange: Exchange) -> Result<Exchange> {
        for key in &self.keys {
            let setting = problem.get(&*key.name);
            let word = setting.and_then(Setting::word);
            let default = match key.values {
                Values::Numbers { default, .. } => default,
                _ => 0,
            };
            // `Key::parse` has seen to it that numbers fit and words are known.
            let number = setting.and_then(Setting::number).map_or(default, |number| number as u32);
            match &*key.name {
                "op" => exchange.operator = word.and_then(Operator::find).unwrap_or_default(),
                "root" if word.is_some() => exchange.root = Root::Rotating,
                "root" => exchange.root = Root::Fixed(number),
                "form" => {
                    let form = word.and_then(CompletionMode::find);
                    exchange.completion = form.unwrap_or(exchange.collective.default_completion());
                }
                "aggregate" | "window" => exchange.window = number,
                "offset" => exchange.offset = number.into(),
                "by" => exchange.splits = word == Some("split"),
                "registered" => exchange.registration = word.and_then(Registration::find),
                GRAPH => exchange.graph = Some(number).filter(|&runs| runs > 0),
                "pairs" => exchange.pairs = Some(number).filter(|&pairs| pairs > 0),
                "spread" => exchange.blocks = Blocks::Spread(number),
                "matrix" => {
                    let Some(file) = word.map(Path::new) else { continue };
                    if problem.contains_key("spread") {
                        return Err(Error::usage(format!(
                            "{}: sizes of blocks follow from spread or matrix, not from both",
                            self.name
                        )));
                    }
                    exchange.blocks = Blocks::parse_matrix(&read_bounded(file, MATRIX_LIMIT)?)
                        .map_err(|why| Error::file("use the matrix", file, why))?;
                }
                _ => {}
            }
        }
        Ok(exchange)
    }

    /// One rank's share of a problem that `ranks` ranks divide between them. Keys that do not divide
    /// stay: the message of a collective, the second matrix of a product.
    ///
    /// # Errors
    /// Usage error when the problem does not divide evenly.
    pub fn share(&self, problem: &Problem, ranks: usize) -> Result<Problem> {
        let mut share = problem.clone();
        for key in self.keys.iter().filter(|key| key.divides) {
            let Some(Setting::Number(value)) = share.get_mut(&*key.name) else { continue };
            if !value.is_multiple_of(ranks as u64) {
                return Err(Error::usage(format!(
                    "{}: {}={value} does not divide among {}; choose a multiple of every \
                     --scaling-ranks value",
                    self.name,
                    key.name,
                    counted(ranks, "rank")
                )));
            }
            *value /= ranks as u64;
        }
        Ok(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(pairs: &[(&str, &str)]) -> Problem {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), Setting::of(value))).collect()
    }

    #[test]
    fn a_gemm_is_checked_and_divides_by_rows() {
        let gemm = find("gemm").unwrap();
        let sides = problem(&[("m", "8"), ("n", "4"), ("k", "2")]);
        let work = gemm.work(&sides, Element::F32, Placement::Out).unwrap();
        assert_eq!((work.counts(1).flops, work.footprint(1)), (Some(128.0), 4 * (16 + 8 + 32)));
        assert!(gemm.work(&problem(&[("m", "0")]), Element::F32, Placement::Out).is_err());
        let share = gemm.share(&sides, 4).unwrap();
        assert_eq!(share, problem(&[("m", "2"), ("n", "4"), ("k", "2")]));
        assert!(gemm.share(&sides, 3).is_err());
    }

    #[test]
    fn buffers_hold_whole_elements() {
        let all_reduce = find("all_reduce").unwrap();
        let of =
            |bytes| all_reduce.work(&problem(&[("bytes", bytes)]), Element::F32, Placement::Out);
        assert!(of("6").is_err() && of("0").is_ok());
    }

    #[test]
    fn keys_set_what_they_name() {
        let reduce = find("reduce").unwrap();
        let asked =
            problem(&[("bytes", "64"), ("op", "max"), ("root", "rotate"), ("aggregate", "4")]);
        let Work::Exchange(exchange) = reduce.work(&asked, Element::I8, Placement::In).unwrap()
        else {
            panic!("no exchange");
        };
        let expected = Exchange {
            operator: Operator::Max,
            root: Root::Rotating,
            window: 4,
            placement: Placement::In,
            ..Exchange::plain(collective::find("reduce").unwrap(), Element::I8, 64)
        };
        assert_eq!(exchange, expected);
    }

    #[test]
    fn usual_values_are_not_said() {
        let key = |benchmark: &str, name: &str| {
            find(benchmark).unwrap().keys.iter().find(|key| key.name == name).unwrap()
        };
        let explicit = |benchmark, name, text| -> Vec<Option<String>> {
            let values = key(benchmark, name).parse(text).unwrap();
            values.into_iter().map(|value| value.map(|value| value.to_string())).collect()
        };
        let word = |word: &str| Some(word.to_owned());
        assert_eq!(explicit("reduce", "op", "sum, max"), [None, word("max")]);
        assert_eq!(explicit("reduce", "root", "0,1,rotate"), [None, word("1"), word("rotate")]);
        assert_eq!(explicit("latency", "pairs", "all,2"), [None, word("2")]);
        assert_eq!(key("latency", "pairs").default(), "all");
        let wrong = |benchmark, name, text| key(benchmark, name).parse(text).unwrap_err().message;
        assert!(wrong("reduce", "op", "summ").contains("'sum'"));
        assert!(wrong("reduce", "aggregate", "0").contains("between 1"));
        assert!(wrong("latency", "form", "overlapped").contains("known: blocking"));
    }

    #[test]
    fn names_are_told_apart() {
        let mut names: Vec<&str> = CATALOGUE
            .iter()
            .flat_map(|benchmark| benchmark.aliases.iter().chain([&benchmark.name]))
            .map(|name| &**name)
            .collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        assert_eq!(find("bisection").unwrap().name, "bidirectional");
    }
}
