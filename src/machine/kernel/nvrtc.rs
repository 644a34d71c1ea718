//! NVRTC, which compiles CUDA C++ while a program runs. It needs no GPU.
#![expect(unsafe_code, reason = "NVRTC takes raw handles")]

use std::ffi::{CStr, CString, c_char, c_int};

use cudarc::nvrtc::sys::nvrtcProgram as Handle;

use super::{
    Arch, Binary, Function, HEADERS, Request, Source, Stage, StageTime, function, ready, stage,
};
use crate::base::error::{Error, Result};
use crate::machine::nvidia::functions;

/// How a call ended: `nvrtcResult` as a number.
type Code = c_int;

/// `NVRTC_SUCCESS`.
const SUCCESS: Code = 0;
/// `NVRTC_ERROR_INVALID_OPTION`.
const INVALID_OPTION: Code = 5;

functions! {
    NVRTC,
    /// What is called of NVRTC (nvrtc.h).
    struct Functions {
        version = nvrtcVersion(*mut c_int, *mut c_int) -> Code;
        error_text = nvrtcGetErrorString(Code) -> *const c_char;
        count_archs = nvrtcGetNumSupportedArchs(*mut c_int) -> Code;
        archs = nvrtcGetSupportedArchs(*mut c_int) -> Code;
        create = nvrtcCreateProgram(
            *mut Handle, *const c_char, *const c_char, c_int, *const *const c_char, *const *const c_char,
        ) -> Code;
        destroy = nvrtcDestroyProgram(*mut Handle) -> Code;
        add_name = nvrtcAddNameExpression(Handle, *const c_char) -> Code;
        symbol = nvrtcGetLoweredName(Handle, *const c_char, *mut *const c_char) -> Code;
        compile = nvrtcCompileProgram(Handle, c_int, *const *const c_char) -> Code;
        log_size = nvrtcGetProgramLogSize(Handle, *mut usize) -> Code;
        log = nvrtcGetProgramLog(Handle, *mut c_char) -> Code;
        cubin_size = nvrtcGetCUBINSize(Handle, *mut usize) -> Code;
        cubin = nvrtcGetCUBIN(Handle, *mut c_char) -> Code;
        ptx_size = nvrtcGetPTXSize(Handle, *mut usize) -> Code;
        ptx = nvrtcGetPTX(Handle, *mut c_char) -> Code;
    }
}

impl Functions {
    /// What NVRTC calls a code, such as `NVRTC_ERROR_COMPILATION`.
    fn name(&self, code: Code) -> String {
        // SAFETY: it takes any code and returns a text that stays.
        let text = unsafe { CStr::from_ptr((self.error_text)(code)) };
        text.to_string_lossy().into_owned()
    }

    /// An error where a call did not end well: `doing`, and what NVRTC calls it.
    fn check(&self, code: Code, doing: impl FnOnce() -> String) -> Result<()> {
        let told = || Error::unfit(format!("{}: {} (code {code})", doing(), self.name(code)));
        if code == SUCCESS { Ok(()) } else { Err(told()) }
    }
}

/// NVRTC's version, such as `13.0`.
///
/// # Errors
/// Unfit without NVRTC.
pub fn compiler_version() -> Result<String> {
    let nvrtc = Functions::get()?;
    let (mut major, mut minor) = (0, 0);
    // SAFETY: both pointers are to one int.
    let code = unsafe { (nvrtc.version)(&raw mut major, &raw mut minor) };
    nvrtc.check(code, || "cannot ask NVRTC's version".to_owned())?;
    Ok(format!("{major}.{minor}"))
}

/// The architectures that this NVRTC compiles for, ascending.
fn known_archs() -> Result<Vec<Arch>> {
    let nvrtc = Functions::get()?;
    let doing = || "cannot ask NVRTC's architectures".to_owned();
    let mut count = 0;
    // SAFETY: the pointer is to one int.
    nvrtc.check(unsafe { (nvrtc.count_archs)(&raw mut count) }, doing)?;
    let mut numbers = vec![0; usize::try_from(count).unwrap_or(0)];
    // SAFETY: there is room for as many as there are.
    nvrtc.check(unsafe { (nvrtc.archs)(numbers.as_mut_ptr()) }, doing)?;
    let archs = numbers.into_iter().filter_map(|number: c_int| number.try_into().ok());
    let mut archs: Vec<Arch> = archs.filter_map(|number| Arch::of(number, None)).collect();
    archs.sort_unstable_by_key(|arch| arch.capability());
    Ok(archs)
}

/// Which architecture a kernel is compiled for instead, as PTX that the driver compiles for the device; nothing where NVRTC
/// knows the device's own.
///
/// # Errors
/// Unfit where there is none: the device is older than all that NVRTC knows.
pub(super) fn older_arch(request: &Request<'_>) -> Result<Option<Arch>> {
    let known = known_archs()?;
    let older = |device: Arch| known.iter().rev().copied().find(|arch| arch.compiles_for(device));
    // What is no architecture NVRTC shall refuse itself.
    let Some(device) = Arch::parse(request.arch) else { return Ok(None) };
    match older(device) {
        Some(arch) if arch.capability() == device.capability() => Ok(None),
        Some(arch) => Ok(Some(arch)),
        None => Err(Error::unfit(format!(
            "NVRTC {} does not compile for {} any more, only for {} and newer; put an older NVRTC first on \
             LD_LIBRARY_PATH",
            compiler_version()?,
            request.arch,
            known.first().map_or_else(|| "nothing".to_owned(), |arch| arch.name("sm")),
        ))),
    }
}

/// Compiles functions of a kernel to machine code, and to PTX on the way. A device is given the machine code: a driver
/// refuses PTX that is newer than itself, and would compile it again.
///
/// # Errors
/// Unfit without NVRTC, for an architecture that it does not know, and for a source or a function that it
/// refuses, with the first complaint.
pub(super) fn compile(request: &Request<'_>, code: &str) -> Result<Binary> {
    let Compiled { program, log, stages } = Compiled::new(request, code)?;
    let mut functions = function::read(&log);
    for (name, symbol) in request.functions.iter().zip(program.symbols(request.source)?) {
        let known = functions.iter_mut().find(|function| function.symbol == symbol);
        let known = known.ok_or_else(|| {
            Error::unfit(format!(
                "kernel {}: NVRTC does not report on its function {name}",
                request.source.name
            ))
        })?;
        (*name).clone_into(&mut known.name);
    }
    let ptx = program.ptx(request.source)?;
    let cubin = program.cubin(request.source)?;
    Ok(Binary { cubin, ptx, is_reported: true, functions, stages })
}

/// Compiles functions of a kernel to PTX alone, for this architecture and all newer ones.
///
/// # Errors
/// As [`compile`].
pub(super) fn compile_to_ptx(request: &Request<'_>, code: &str, arch: Arch) -> Result<Binary> {
    let virtual_arch = arch.name("compute");
    let request = &Request { arch: &virtual_arch, ..*request };
    let Compiled { program, stages, .. } = Compiled::new(request, code)?;
    let ptx = program.ptx(request.source)?;
    let symbols = program.symbols(request.source)?;
    let functions = ready::functions(symbols).into_iter().zip(request.functions);
    let functions =
        functions.map(|(function, name)| Function { name: (*name).to_owned(), ..function });
    let functions = functions.collect();
    Ok(Binary { cubin: Vec::new(), ptx, is_reported: false, functions, stages })
}

/// What a compilation gave.
struct Compiled {
    program: Program,
    /// The assembler's report.
    log: String,
    stages: Vec<StageTime>,
}

impl Compiled {
    fn new(request: &Request<'_>, code: &str) -> Result<Self> {
        // NVRTC appends to the file. Without one, the times of its stages are not known.
        let table = tempfile::NamedTempFile::new().ok();
        let timed = table.as_ref().map(|table| format!("--time={}", table.path().display()));
        let options = request.options();
        let mut attempt = Attempt::new(request, code, options.iter().chain(&timed))?;
        // One that is too old to time itself, or does not know the architecture.
        if attempt.ended == INVALID_OPTION {
            attempt = Attempt::new(request, code, &options)?;
        }
        let Attempt { program, ended, render, all } = attempt;
        let log = program.log();
        program.nvrtc.check(ended, || {
            let log = log.as_deref().unwrap_or_default();
            let complaint = log.lines().find(|line| line.contains("error")).unwrap_or_default();
            let says = if complaint.is_empty() { "" } else { ", which says " };
            format!(
                "kernel {} does not compile for {} by NVRTC {}{says}{complaint}",
                request.source.name,
                request.arch,
                compiler_version().unwrap_or_default(),
            )
        })?;
        // Empty where it cannot be read, as if NVRTC had not written it.
        let table = table.and_then(|table| std::fs::read_to_string(table.path()).ok());
        let table = table.unwrap_or_default();
        let stages = [render].into_iter().chain(stage::read(&table, all.ms)).collect();
        Ok(Self { program, log: log?, stages })
    }
}

/// A compilation, and how long it took.
struct Attempt {
    program: Program,
    ended: Code,
    render: StageTime,
    /// All stages of the compiler.
    all: StageTime,
}

impl Attempt {
    fn new<'a>(
        request: &Request<'_>,
        code: &str,
        options: impl IntoIterator<Item = &'a String>,
    ) -> Result<Self> {
        let options: Vec<&str> = options.into_iter().map(String::as_str).collect();
        let (program, render) = stage::timed(Stage::Render, || Program::new(request, code));
        let program = program?;
        let (ended, all) = stage::timed(Stage::Other, || program.compile(&options));
        Ok(Self { ended: ended?, program, render, all })
    }
}

/// A program of NVRTC's, with the names of the functions that are asked for.
struct Program {
    nvrtc: &'static Functions,
    raw: Handle,
    functions: Vec<CString>,
}

/// Asks for the size of a result, and for the result itself.
type Getters = (
    unsafe extern "C" fn(Handle, *mut usize) -> Code,
    unsafe extern "C" fn(Handle, *mut c_char) -> Code,
);

impl Program {
    fn new(request: &Request<'_>, code: &str) -> Result<Self> {
        let source = request.source;
        let text = |text: &str| {
            CString::new(text)
                .map_err(|_| Error::usage(format!("kernel {} holds a zero byte", source.name)))
        };
        let (code, name) = (text(code)?, text(&format!("{}.cu", source.name))?);
        let texts = |of: fn(&(&str, &str)) -> String| {
            HEADERS.iter().map(|header| text(&of(header))).collect::<Result<Vec<CString>>>()
        };
        let (names, headers) =
            (texts(|header| header.0.to_owned())?, texts(|header| header.1.to_owned())?);
        let pointers =
            |texts: &[CString]| texts.iter().map(|text| text.as_ptr()).collect::<Vec<_>>();
        let (nvrtc, mut raw) = (Functions::get()?, std::ptr::null_mut());
        // SAFETY: the pointers are to one program and to texts that end in a zero byte; NVRTC copies them.
        let created = unsafe {
            (nvrtc.create)(
                &raw mut raw,
                code.as_ptr(),
                name.as_ptr(),
                HEADERS.len() as i32,
                pointers(&headers).as_ptr(),
                pointers(&names).as_ptr(),
            )
        };
        nvrtc.check(created, || "cannot start NVRTC".to_owned())?;
        let functions = request.functions.iter().map(|function| text(function));
        let functions = functions.collect::<Result<_>>();
        let program = Self { nvrtc, raw, functions: functions? };
        for function in &program.functions {
            // SAFETY: the program is alive, and the text ends in a zero byte.
            let added = unsafe { (nvrtc.add_name)(program.raw, function.as_ptr()) };
            nvrtc.check(added, || format!("NVRTC takes no function {function:?}"))?;
        }
        Ok(program)
    }

    /// The symbols of its functions, once it is compiled.
    fn symbols(&self, source: &Source) -> Result<Vec<String>> {
        let symbol = |function: &CString| {
            let mut symbol = std::ptr::null();
            // SAFETY: the program is alive, and the pointer is to one pointer.
            let found =
                unsafe { (self.nvrtc.symbol)(self.raw, function.as_ptr(), &raw mut symbol) };
            let doing = || format!("kernel {} gives no function {function:?}", source.name);
            self.nvrtc.check(found, doing)?;
            // SAFETY: NVRTC gave a text that ends in a zero byte and lives as long as the program.
            Ok(unsafe { CStr::from_ptr(symbol) }.to_string_lossy().into_owned())
        };
        self.functions.iter().map(symbol).collect()
    }

    /// How it ended.
    fn compile(&self, options: &[&str]) -> Result<Code> {
        let text = |option: &&str| {
            CString::new(*option).map_err(|_| Error::internal(format!("option {option:?}")))
        };
        let options = options.iter().map(text).collect::<Result<Vec<CString>>>()?;
        let pointers: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        // SAFETY: the program is alive, and the options are as many texts that end in a zero byte.
        Ok(unsafe { (self.nvrtc.compile)(self.raw, pointers.len() as i32, pointers.as_ptr()) })
    }

    fn log(&self) -> Result<String> {
        let getters = (self.nvrtc.log_size, self.nvrtc.log);
        self.text(getters, || "NVRTC does not say what it did".to_owned())
    }

    fn cubin(&self, source: &Source) -> Result<Vec<u8>> {
        let getters = (self.nvrtc.cubin_size, self.nvrtc.cubin);
        self.get(getters, || format!("kernel {} gives no machine code", source.name))
    }

    fn ptx(&self, source: &Source) -> Result<String> {
        let getters = (self.nvrtc.ptx_size, self.nvrtc.ptx);
        self.text(getters, || format!("kernel {} gives no PTX", source.name))
    }

    fn text(&self, getters: Getters, lost: impl Fn() -> String) -> Result<String> {
        let bytes = self.get(getters, lost)?;
        Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
    }

    fn get(&self, (size_of, get): Getters, lost: impl Fn() -> String) -> Result<Vec<u8>> {
        let mut size = 0;
        // SAFETY: the program is alive, and the pointer is to one number.
        self.nvrtc.check(unsafe { size_of(self.raw, &raw mut size) }, &lost)?;
        let mut bytes = vec![0u8; size];
        // SAFETY: the buffer has the size that NVRTC asked for.
        self.nvrtc.check(unsafe { get(self.raw, bytes.as_mut_ptr().cast()) }, &lost)?;
        Ok(bytes)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // SAFETY: created by `new`, destroyed once. An error is of no use: the code has been copied.
        let _ = unsafe { (self.nvrtc.destroy)(&raw mut self.raw) };
    }
}
