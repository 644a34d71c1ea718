//! Kernels in CUDA C++, and their way to machine code by NVRTC. It needs no GPU.
#![expect(unsafe_code, reason = "NVRTC takes raw handles; cudarc wraps only its way to PTX")]

use std::borrow::Cow;
use std::ffi::{CString, c_char};

use cudarc::nvrtc::{result, sys};
use serde::Serialize;

use crate::base::error::{Error, Result};
use crate::machine::nvidia;

/// A kernel's source.
#[derive(Debug, Clone)]
pub struct Source {
    /// Name of its folder in `kernels/`.
    pub name: Cow<'static, str>,
    /// Its text.
    pub code: Cow<'static, str>,
}

impl Source {
    /// One that is part of the program.
    pub const fn new(name: &'static str, code: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), code: Cow::Borrowed(code) }
    }
}

/// The blocking kernel of the `cuda` backend.
pub const BLOCKING: Source =
    Source::new("blocking", include_str!("../../kernels/blocking/kernel.cu"));

/// A kernel as machine code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// The code, for one architecture.
    pub cubin: Vec<u8>,
    /// Its functions.
    pub functions: Vec<Function>,
}

/// What a function of a kernel uses, as the assembler reports it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// Registers of a thread.
    pub registers: u32,
    /// Bytes of a thread's registers that do not fit and go to memory, written and read.
    pub spill_bytes: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
}

/// The architecture of a device, with the features that only this generation has where there are such.
pub fn arch_of(major: i32, minor: i32) -> String {
    let specific = if major >= 9 { "a" } else { "" };
    format!("sm_{major}{minor}{specific}")
}

/// NVRTC's version, such as `13.0`.
pub fn compiler_version() -> Result<String> {
    nvidia::NVRTC.require()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both pointers are to one int.
    unsafe { sys::nvrtcVersion(&raw mut major, &raw mut minor) }
        .result()
        .map_err(|why| Error::unfit(format!("cannot ask NVRTC's version: {why:?}")))?;
    Ok(format!("{major}.{minor}"))
}

/// Compiles a kernel to machine code for `arch`, such as `sm_90a`. Not to PTX: a driver refuses PTX that
/// is newer than itself, and would compile it again.
///
/// # Errors
/// Unfit without NVRTC, for an architecture that it does not know, and for a source that it refuses,
/// with the first complaint.
pub fn compile(source: &Source, arch: &str) -> Result<Binary> {
    nvidia::NVRTC.require()?;
    let program = Program::new(source)?;
    let options = [
        format!("--gpu-architecture={arch}"),
        "--std=c++17".to_owned(),
        // The assembler then reports registers and spills in the log.
        "--ptxas-options=-v".to_owned(),
    ];
    // SAFETY: the program is alive.
    let compiled = unsafe { result::compile_program(program.raw, &options) };
    let log = program.log();
    compiled.map_err(|why| {
        let log = log.as_deref().unwrap_or_default();
        let complaint = log.lines().find(|line| line.contains("error")).unwrap_or_default();
        Error::unfit(format!(
            "kernel {} does not compile for {arch}: NVRTC {} says {:?} {complaint}",
            source.name,
            compiler_version().unwrap_or_default(),
            why.0
        ))
    })?;
    Ok(Binary { cubin: program.cubin(source)?, functions: functions(&log?) })
}

/// A program of NVRTC's, with the texts that it refers to.
struct Program {
    raw: sys::nvrtcProgram,
    _texts: [CString; 2],
}

impl Program {
    fn new(source: &Source) -> Result<Self> {
        let text = |text: &str| {
            CString::new(text)
                .map_err(|_| Error::usage(format!("kernel {} holds a zero byte", source.name)))
        };
        let (code, name) = (text(&source.code)?, text(&format!("{}.cu", source.name))?);
        let raw = result::create_program(&code, Some(&name))
            .map_err(|why| Error::unfit(format!("cannot start NVRTC: {:?}", why.0)))?;
        Ok(Self { raw, _texts: [code, name] })
    }

    fn log(&self) -> Result<String> {
        // SAFETY: the program is alive.
        let log = unsafe { result::get_program_log(self.raw) }
            .map_err(|why| Error::unfit(format!("NVRTC does not say what it did: {:?}", why.0)))?;
        let bytes: Vec<u8> = log.into_iter().map(c_char::cast_unsigned).collect();
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    fn cubin(&self, source: &Source) -> Result<Vec<u8>> {
        let lost = |why: result::NvrtcError| {
            Error::unfit(format!("kernel {} gives no machine code: {:?}", source.name, why.0))
        };
        let mut size = 0;
        // SAFETY: the program is alive, and the pointer is to one number.
        unsafe { sys::nvrtcGetCUBINSize(self.raw, &raw mut size) }.result().map_err(lost)?;
        let mut cubin = vec![0u8; size];
        // SAFETY: the buffer has the size that NVRTC asked for.
        unsafe { sys::nvrtcGetCUBIN(self.raw, cubin.as_mut_ptr().cast()) }
            .result()
            .map_err(lost)?;
        Ok(cubin)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once. An error is of no use: the code has been copied.
        let _ = unsafe { result::destroy_program(self.raw) };
    }
}

fn functions(log: &str) -> Vec<Function> {
    let mut functions: Vec<Function> = Vec::new();
    for line in log.lines() {
        if let Some((_, rest)) = line.split_once("Compiling entry function '") {
            let name = rest.split('\'').next().unwrap_or_default().to_owned();
            functions.push(Function { name, ..Function::default() });
        }
        let Some(function) = functions.last_mut() else { continue };
        let before = |what: &str| {
            let words = line.split(what).next().filter(|head| head.len() < line.len())?;
            words.split_whitespace().next_back()?.parse::<u32>().ok()
        };
        if let Some(registers) = before(" registers") {
            function.registers = registers;
            function.shared_bytes = before(" bytes smem").unwrap_or(0);
        }
        if let Some((stores, loads)) =
            before(" bytes spill stores").zip(before(" bytes spill loads"))
        {
            function.spill_bytes = stores + loads;
        }
    }
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_assemblers_report_is_read() {
        let log = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one' for 'sm_90a'
ptxas info    : Function properties for one
    24 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads
ptxas info    : Used 32 registers, used 0 barriers, 24 bytes cumulative stack size, 4096 bytes smem
ptxas info    : Compiling entry function 'two' for 'sm_90a'
ptxas info    : Function properties for two
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, used 0 barriers";
        let function = |name: &str, registers, spill_bytes, shared_bytes| Function {
            name: name.to_owned(),
            registers,
            spill_bytes,
            shared_bytes,
        };
        assert_eq!(functions(log), [function("one", 32, 20, 4096), function("two", 8, 0, 0)]);
    }

    #[test]
    fn architectures_by_capability() {
        assert_eq!(arch_of(8, 0), "sm_80");
        assert_eq!(arch_of(9, 0), "sm_90a");
        assert_eq!(arch_of(10, 0), "sm_100a");
    }
}
