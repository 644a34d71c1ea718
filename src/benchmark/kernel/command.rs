//! Kernels that are programs: what is started, and on which backends.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Formula, Kernel, KernelRun, LEVEL};
use crate::base::error::{Error, Result};
use crate::base::files::{is_plain, read_bounded};
use crate::benchmark::Element;
use crate::machine::kernel::Level;

/// Calls `run_benchmark` of a Python file, and prints what it takes.
const RUNNER: &str = include_str!("run_benchmark.py");

/// Most bytes of a Python file that is looked into.
const FILE_LIMIT: u64 = 1 << 20;

/// A program that measures itself.
#[derive(Debug, Clone)]
pub struct Command {
    /// The program and its arguments; no shell reads them.
    pub words: Vec<String>,
    /// Where it is started.
    pub folder: PathBuf,
    /// What it is told beside its sizes.
    pub constants: Map<String, Value>,
    /// Whether the user named its folder, so that it may run.
    pub may_run: bool,
}

/// What a kernel needs, under the names that others use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// CPUs.
    #[serde(alias = "host")]
    Cpu,
    /// NVIDIA GPUs.
    Cuda,
    /// AMD GPUs, which only programs reach.
    Rocm,
    /// A program that uses JAX, on whatever it finds.
    Jax,
    /// A program that uses PyTorch, on whatever it finds.
    Pytorch,
}

impl Target {
    /// Whether it runs on a backend of this name.
    fn is_on(self, backend: &str) -> bool {
        match self {
            Self::Cpu | Self::Rocm => backend == "host",
            Self::Cuda => backend == "cuda",
            Self::Jax | Self::Pytorch => true,
        }
    }

    /// What a Python program uses, by what it imports.
    fn of_python(text: &str) -> Self {
        let imports = |name: &str| {
            let starts = [format!("import {name}"), format!("from {name}")];
            text.lines().any(|line| starts.iter().any(|start| line.trim().starts_with(start)))
        };
        match () {
            () if imports("jax") => Self::Jax,
            () if imports("torch") => Self::Pytorch,
            () if imports("cupy") || imports("numba.cuda") => Self::Cuda,
            () => Self::Cpu,
        }
    }
}

/// When a kernel is skipped: where all that is given here holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skip {
    /// On this backend.
    #[serde(default)]
    pub backend: Option<Target>,
    /// For elements of this type.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub precision: Option<super::manifest::Precision>,
    /// Where this expression is more than 0.
    #[serde(default)]
    pub when: Option<Formula>,
    /// Code of other tools. It is not run, so this condition never holds.
    #[serde(default)]
    pub check: Option<String>,
    /// Why.
    pub reason: String,
}

impl Command {
    /// The program that calls the `run_benchmark` of a Python file in the folder, and what that needs.
    pub(super) fn of_python(folder: &Path) -> Option<(Vec<String>, Target)> {
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).collect();
        files.sort();
        files.into_iter().find_map(|path| {
            let name = path.file_name()?.to_str()?;
            let ignored = name.starts_with("__") || name.starts_with("test_");
            if ignored || !name.ends_with(".py") || !is_plain(&path) {
                return None;
            }
            let text = read_bounded(&path, FILE_LIMIT).ok()?;
            let defines = text.lines().any(|line| line.starts_with("def run_benchmark("));
            let words = ["python3", "-c", RUNNER, name].map(str::to_owned);
            defines.then(|| (words.to_vec(), Target::of_python(&text)))
        })
    }
}

impl Kernel {
    /// Whether it has conditions that are code of other tools, and so are never asked.
    pub fn has_unasked_conditions(&self) -> bool {
        self.skips.iter().any(|skip| skip.check.is_some())
    }
}

impl KernelRun {
    /// Refuses what its description excludes.
    ///
    /// # Errors
    /// Unsupported, with the reason.
    pub fn check_backend(&self, backend: &str) -> Result<()> {
        let kernel = self.kernel;
        let name = &kernel.name;
        if kernel.command.as_ref().is_some_and(|command| !command.may_run) {
            return Err(Error::unsupported(format!(
                "{name} is a program, and programs run only from a folder that is named; add --kernel-path {}",
                kernel
                    .origin
                    .as_ref()
                    .map_or_else(String::new, |from| from.folder.display().to_string())
            )));
        }
        if !kernel.targets.is_empty() && !kernel.targets.iter().any(|target| target.is_on(backend))
        {
            return Err(Error::unsupported(format!("{name} is not for the {backend} backend")));
        }
        if backend != "cuda" && self.level != Level::default() {
            return Err(Error::unsupported(format!(
                "{name}: {LEVEL}={} is for what is compiled for GPUs, and the {backend} backend compiles nothing",
                self.level.name()
            )));
        }
        let holds = |skip: &&Skip| {
            skip.check.is_none()
                && skip.backend.is_none_or(|target| target.is_on(backend))
                && skip.precision.is_none_or(|precision| Element::from(precision) == self.element)
                && skip.when.as_ref().is_none_or(|when| self.value(when) > 0.0)
        };
        match kernel.skips.iter().find(holds) {
            Some(skip) => Err(Error::unsupported(format!("{name}: {}", skip.reason))),
            None => Ok(()),
        }
    }
}
