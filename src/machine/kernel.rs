//! Kernels in CUDA C++ and as ready code, their way to machine code, and what stands in that. It needs no GPU.

mod arch;
mod build;
mod compilation;
pub mod disassembler;
mod function;
mod level;
mod nvrtc;
mod occupancy;
pub mod ptx;
mod ready;
pub mod sass;
mod stage;

use std::borrow::Cow;

use crate::base::error::Result;

use arch::Arch;
pub use build::{Built, build};
pub use compilation::Compilation;
pub use function::Function;
pub use level::Level;
pub use nvrtc::compiler_version;
pub use occupancy::{Demand, Occupancy};
pub use stage::{Stage, StageTime, timed};

/// What every kernel may include, by the names it does so.
pub const HEADERS: [(&str, &str); 8] = [
    ("tesserabench/access.cuh", include_str!("../../kernels/include/tesserabench/access.cuh")),
    ("tesserabench/mma.cuh", include_str!("../../kernels/include/tesserabench/mma.cuh")),
    ("tesserabench/tile.cuh", include_str!("../../kernels/include/tesserabench/tile.cuh")),
    ("tesserabench/product.cuh", include_str!("../../kernels/include/tesserabench/product.cuh")),
    ("tesserabench/number.cuh", include_str!("../../kernels/include/tesserabench/number.cuh")),
    ("tesserabench/vector.cuh", include_str!("../../kernels/include/tesserabench/vector.cuh")),
    (
        "tesserabench/elementwise.cuh",
        include_str!("../../kernels/include/tesserabench/elementwise.cuh"),
    ),
    ("tesserabench/rows.cuh", include_str!("../../kernels/include/tesserabench/rows.cuh")),
];

/// A kernel's source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Source {
    /// Name of its folder in `kernels/`.
    pub name: Cow<'static, str>,
    /// What stands in its file.
    pub code: Code,
}

/// Code of a kernel, by how far it is on its way to a device.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Code {
    /// CUDA C++. It may include the headers in `kernels/include/`.
    Cuda(Cow<'static, str>),
    /// PTX, which the driver compiles.
    Ptx(Cow<'static, str>),
    /// Machine code for one architecture and those that run it.
    Cubin(Cow<'static, [u8]>),
}

impl Code {
    /// As it lies in its file.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Cuda(text) | Self::Ptx(text) => text.as_bytes(),
            Self::Cubin(bytes) => bytes,
        }
    }

    /// Whether this program has it compiled.
    pub fn is_compiled(&self) -> bool {
        matches!(self, Self::Cuda(_))
    }
}

impl Source {
    /// One in CUDA C++ that is part of the program.
    pub const fn new(name: &'static str, code: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), code: Code::Cuda(Cow::Borrowed(code)) }
    }

    /// The functions of ready code that can be started, by their plain names; nothing of CUDA C++, which is not looked into.
    ///
    /// # Errors
    /// Usage error for what is no such code, in one sentence.
    pub fn ready_functions(&self) -> Result<Option<Vec<String>>> {
        match &self.code {
            Code::Cuda(_) => Ok(None),
            Code::Ptx(text) => ready::functions_of_ptx(text).map(Some),
            Code::Cubin(bytes) => ready::Cubin::read(bytes).map(|cubin| Some(cubin.functions)),
        }
    }
}

/// Machine code of a kernel by its compiler, or its ready code as it is.
///
/// # Errors
/// Unfit without NVRTC, for an architecture that it does not know, and for a source or a function that it refuses, with the
/// first complaint; unsupported for ready code that does not run on the architecture.
pub fn compile(request: &Request<'_>) -> Result<Binary> {
    match &request.source.code {
        Code::Cuda(code) => nvrtc::compile(request, code),
        Code::Ptx(text) => ready::of_ptx(request, text),
        Code::Cubin(bytes) => ready::of_cubin(request, bytes),
    }
}

/// The same for a device that must run it: where NVRTC does not know the device's architecture yet, PTX for the nearest older
/// one, which the driver compiles.
///
/// # Errors
/// As [`compile`].
fn compile_for_device(request: &Request<'_>) -> Result<Binary> {
    if let Code::Cuda(code) = &request.source.code
        && let Some(older) = nvrtc::older_arch(request)?
    {
        return nvrtc::compile_to_ptx(request, code, older);
    }
    compile(request)
}

/// The blocking kernel of the `cuda` backend.
pub const BLOCKING: Source =
    Source::new("blocking", include_str!("../../kernels/blocking/kernel.cu"));

/// Its function.
pub const BLOCKING_FUNCTION: &str = "blocking";

/// The function beside it that finds the smallest step of the device's clock.
pub const CLOCK_STEP: &str = "clock_step";

/// The kernel of the `cuda` backend that copies bytes between memories.
pub const MOVE_BYTES: Source =
    Source::new("move_bytes", include_str!("../../kernels/move_bytes/kernel.cu"));

/// Its function.
pub const MOVE_BYTES_FUNCTION: &str = "move_bytes";

/// A kernel as machine code.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    /// The code, for one architecture; empty of what is PTX alone.
    pub cubin: Vec<u8>,
    /// The PTX that it was assembled from, empty where that was not kept; or all that there is.
    pub ptx: String,
    /// Whether the assembler has told what its functions use.
    pub is_reported: bool,
    /// The functions that were asked for, and others that the source has without being asked.
    pub functions: Vec<Function>,
    /// How long each stage took.
    pub stages: Vec<StageTime>,
}

/// The architecture of a device, with the features that only this generation has where there are such.
pub fn arch_of(major: i32, minor: i32) -> String {
    let specific = if major >= 9 { "a" } else { "" };
    format!("sm_{major}{minor}{specific}")
}

/// What is to be compiled, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What is compiled.
    pub source: &'a Source,
    /// Its functions, such as `gelu<float>`.
    pub functions: &'a [&'a str],
    /// For which architecture, such as `sm_90a`.
    pub arch: &'a str,
    /// How much the assembler optimises.
    pub level: Level,
}

impl Request<'_> {
    /// The compiler's options, but for those that change nothing in what it makes.
    fn options(&self) -> Vec<String> {
        vec![
            format!("--gpu-architecture={}", self.arch),
            "--std=c++17".to_owned(),
            // The assembler then reports registers and spills in the log.
            "--ptxas-options=-v".to_owned(),
            self.level.option(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_by_capability() {
        assert_eq!(arch_of(8, 0), "sm_80");
        assert_eq!(arch_of(9, 0), "sm_90a");
        assert_eq!(arch_of(10, 0), "sm_100a");
    }
}
