//! NVIDIA's libraries: loaded at run time, checked before the first call.
//!
//! The driver is called through cudarc, which panics if a library is missing, and at the first call of a missing
//! symbol. So the tables here list every symbol in use, and [`Library::require`] looks all of them up first: a missing
//! one becomes an error of one sentence. The other libraries are called through tables of their functions
//! (`functions!`), which say with a number how a call ended. This module never calls cudarc.
#![expect(unsafe_code, reason = "loading a library runs its initialisers")]

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::base::error::{Error, Result};

/// One library and the symbols that this program uses.
#[derive(Debug)]
pub struct Library {
    /// Its key in reports.
    pub key: &'static str,
    /// Its name in messages.
    name: &'static str,
    /// File names, the best first.
    files: &'static [&'static str],
    /// Whether cudarc loads it, which asks the loader for these names in this order.
    is_cudarcs: bool,
    remedy: &'static str,
    /// Every symbol that is always called for.
    pub symbols: &'static [&'static str],
    /// Those that some work needs, each with the library's first version that has it.
    pub newer: &'static [(&'static str, &'static str)],
    /// Loaded once and kept, because loading may take long.
    loaded: OnceLock<Result<Loaded>>,
}

#[derive(Debug)]
struct Loaded {
    handle: libloading::Library,
    file: PathBuf,
}

/// The CUDA driver.
pub static DRIVER: Library = Library {
    key: "cuda",
    name: "NVIDIA's driver",
    files: &["libcuda.so", "libcuda.so.1"],
    is_cudarcs: true,
    remedy: "install the driver, or choose --backend host",
    symbols: &[
        "cuCtxGetCurrent",
        "cuCtxSetCurrent",
        "cuDeviceGet",
        "cuDeviceGetAttribute",
        "cuDeviceGetCount",
        "cuDeviceGetName",
        "cuDeviceGetPCIBusId",
        "cuDeviceGetUuid_v2",
        "cuDevicePrimaryCtxRelease_v2",
        "cuDevicePrimaryCtxRetain",
        "cuDeviceTotalMem_v2",
        "cuDriverGetVersion",
        "cuEventCreate",
        "cuEventDestroy_v2",
        "cuEventElapsedTime",
        "cuEventQuery",
        "cuEventRecord",
        "cuFuncGetAttribute",
        "cuGetErrorName",
        "cuGetErrorString",
        "cuGraphDestroy",
        "cuGraphExecDestroy",
        "cuGraphInstantiateWithFlags",
        "cuGraphLaunch",
        "cuInit",
        "cuLaunchKernel",
        "cuLaunchKernelEx",
        "cuMemAlloc_v2",
        "cuMemFreeHost",
        "cuMemFree_v2",
        "cuMemGetInfo_v2",
        "cuMemHostAlloc",
        "cuMemHostGetDevicePointer_v2",
        "cuMemHostRegister_v2",
        "cuMemHostUnregister",
        "cuMemcpyAsync",
        "cuMemcpyDtoHAsync_v2",
        "cuMemcpyHtoDAsync_v2",
        "cuMemsetD8Async",
        "cuModuleGetFunction",
        "cuModuleLoadData",
        "cuModuleUnload",
        "cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags",
        "cuProfilerStart",
        "cuProfilerStop",
        "cuStreamBeginCapture_v2",
        "cuStreamCreate",
        "cuStreamDestroy_v2",
        "cuStreamEndCapture",
        "cuStreamSynchronize",
        "cuStreamWaitEvent",
    ],
    newer: &[],
    loaded: OnceLock::new(),
};

/// The run-time compiler of CUDA kernels.
pub static NVRTC: Library = Library {
    key: "nvrtc",
    name: "NVRTC",
    files: &["libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11", "libnvrtc.so"],
    is_cudarcs: false,
    remedy: "put the folder of libnvrtc.so.12 or .13 on LD_LIBRARY_PATH; the CUDA toolkit and PyTorch \
             (site-packages/nvidia/*/lib) bring it",
    symbols: &[
        "nvrtcAddNameExpression",
        "nvrtcCompileProgram",
        "nvrtcCreateProgram",
        "nvrtcDestroyProgram",
        "nvrtcGetCUBIN",
        "nvrtcGetCUBINSize",
        "nvrtcGetErrorString",
        "nvrtcGetLoweredName",
        "nvrtcGetNumSupportedArchs",
        "nvrtcGetPTX",
        "nvrtcGetPTXSize",
        "nvrtcGetProgramLog",
        "nvrtcGetProgramLogSize",
        "nvrtcGetSupportedArchs",
        "nvrtcVersion",
    ],
    newer: &[],
    loaded: OnceLock::new(),
};

/// Matrix multiplication.
pub static CUBLASLT: Library = Library {
    key: "cublaslt",
    name: "cuBLASLt",
    files: &["libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11", "libcublasLt.so"],
    is_cudarcs: false,
    remedy: "put the folder of libcublasLt.so.12 or .13 on LD_LIBRARY_PATH; the CUDA toolkit and \
             PyTorch (site-packages/nvidia/*/lib) bring it",
    symbols: &[
        "cublasLtCreate",
        "cublasLtDestroy",
        "cublasLtGetStatusName",
        "cublasLtGetVersion",
        "cublasLtMatmul",
        "cublasLtMatmulAlgoConfigGetAttribute",
        "cublasLtMatmulAlgoGetHeuristic",
        "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescDestroy",
        "cublasLtMatmulDescSetAttribute",
        "cublasLtMatmulPreferenceCreate",
        "cublasLtMatmulPreferenceDestroy",
        "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatrixLayoutCreate",
        "cublasLtMatrixLayoutDestroy",
    ],
    newer: &[],
    loaded: OnceLock::new(),
};

/// Collectives. The newest symbols that are always called for are `ncclCommInitRankConfig` and `ncclCommFinalize` (NCCL 2.14).
pub static NCCL: Library = Library {
    key: "nccl",
    name: "NCCL",
    files: &["libnccl.so.2"],
    is_cudarcs: false,
    remedy: "put the folder of libnccl.so.2 on LD_LIBRARY_PATH; NVIDIA's packages and PyTorch \
             (site-packages/nvidia/nccl/lib) bring it",
    symbols: &[
        "ncclAllGather",
        "ncclAllReduce",
        "ncclBroadcast",
        "ncclCommAbort",
        "ncclCommDestroy",
        "ncclCommFinalize",
        "ncclCommGetAsyncError",
        "ncclCommInitRankConfig",
        "ncclGetErrorString",
        "ncclGetLastError",
        "ncclGetUniqueId",
        "ncclGetVersion",
        "ncclGroupEnd",
        "ncclGroupStart",
        "ncclRecv",
        "ncclRedOpCreatePreMulSum",
        "ncclRedOpDestroy",
        "ncclReduce",
        "ncclReduceScatter",
        "ncclSend",
    ],
    newer: &[
        ("ncclCommDeregister", "2.19"),
        ("ncclCommRegister", "2.19"),
        ("ncclCommSplit", "2.18"),
        ("ncclCommWindowDeregister", "2.27"),
        ("ncclCommWindowRegister", "2.27"),
        ("ncclMemAlloc", "2.19"),
        ("ncclMemFree", "2.19"),
    ],
    loaded: OnceLock::new(),
};

/// All libraries.
pub static ALL: [&Library; 4] = [&DRIVER, &NVRTC, &CUBLASLT, &NCCL];

impl Library {
    /// Loads the library, checks every symbol in use, and returns the file.
    ///
    /// # Errors
    /// Unfit for a missing library and for one that is too old.
    pub fn require(&self) -> Result<PathBuf> {
        self.loaded().map(|loaded| loaded.file.clone())
    }

    /// The function `name`.
    ///
    /// # Errors
    /// As [`require`](Self::require), and for a missing symbol.
    ///
    /// # Safety
    /// `F` must be the type of the function of this name.
    pub unsafe fn symbol<F: Copy>(&self, name: &str) -> Result<F> {
        // SAFETY: the caller guarantees the type, and the library is never unloaded.
        let symbol = unsafe { self.loaded()?.handle.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|why| {
            let newer = self.newer.iter().find(|(newer, _)| *newer == name);
            Error::unfit(match newer {
                Some((_, since)) => format!(
                    "this {} has no {name}, which came with version {since}; use that or a newer one",
                    self.name
                ),
                None => format!("{name} of {} cannot be loaded ({why})", self.name),
            })
        })
    }

    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.get_or_init(|| self.load_checked()).as_ref().map_err(Error::clone)
    }

    fn load_checked(&self) -> Result<Loaded> {
        let loaded = self.load().map_err(|why| {
            Error::unfit(format!("{} cannot be loaded: {why}; {}", self.name, self.remedy))
        })?;
        match self.symbols.iter().find(|symbol| !has_symbol(&loaded.handle, symbol)) {
            None => Ok(loaded),
            Some(symbol) => Err(Error::unfit(format!(
                "{} has no {symbol}: {} is too old for this program; use a newer one",
                loaded.file.display(),
                self.name
            ))),
        }
    }

    /// Loads the first file that can be loaded; the error is the message for the last.
    ///
    /// The loader itself would take any file of the first name, wherever it lies, before one of the second. So the folders
    /// of `LD_LIBRARY_PATH` come first, one after another, each with all names: a toolkit that the system has does not win
    /// over the folder that somebody has put there.
    fn load(&self) -> Result<Loaded, String> {
        let path = std::env::var_os("LD_LIBRARY_PATH").filter(|_| !self.is_cudarcs);
        let path = path.unwrap_or_default();
        let folders = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
        let files = folders.flat_map(|folder| self.files.iter().map(move |name| folder.join(name)));
        let files = files.filter(|file| file.exists());
        let mut message = String::new();
        for name in files.chain(self.files.iter().map(PathBuf::from)) {
            // SAFETY: loading runs the initialisers of the file, and NVIDIA's do no harm. It lies where the loader has
            // found what this process was started with (LD_LIBRARY_PATH, ld.so.conf), so whoever can put another file
            // there already decides what runs here.
            match unsafe { libloading::Library::new(&name) } {
                Ok(handle) => {
                    let file = file_of(&handle, self.symbols).unwrap_or(name);
                    return Ok(Loaded { handle, file });
                }
                Err(why) => {
                    // The source of libloading's error is the loader's message.
                    let cause = std::error::Error::source(&why).map(ToString::to_string);
                    message = cause.unwrap_or_else(|| why.to_string());
                    if message.contains("No such file") {
                        message = format!("{} not found", name.display());
                    }
                }
            }
        }
        Err(message)
    }
}

/// A table of functions of a library, each looked up at the first use of any. Where C returns an enumeration it has a number: a
/// newer library may return one that these bindings do not know, which no enumeration of Rust may hold.
macro_rules! functions {
    (
        $library:ident, $(#[$about:meta])* $visible:vis struct $table:ident {
            $($name:ident = $symbol:ident($($argument:ty),* $(,)?) -> $result:ty;)*
        }
    ) => {
        $(#[$about])*
        #[derive(Debug)]
        $visible struct $table {
            $($visible $name: unsafe extern "C" fn($($argument),*) -> $result,)*
        }

        impl $table {
            /// The functions of the library that this process has loaded.
            ///
            /// # Errors
            /// Unfit where there is none, and where it is too old.
            $visible fn get() -> $crate::base::error::Result<&'static Self> {
                static TABLE: std::sync::OnceLock<$crate::base::error::Result<$table>> =
                    std::sync::OnceLock::new();
                let library = &$crate::machine::nvidia::$library;
                // SAFETY: the types are those of the library's header.
                let load = || unsafe {
                    Ok(Self { $($name: library.symbol(stringify!($symbol))?,)* })
                };
                TABLE.get_or_init(load).as_ref().map_err(Clone::clone)
            }
        }
    };
}
pub(crate) use functions;

fn has_symbol(handle: &libloading::Library, symbol: &str) -> bool {
    // SAFETY: the symbol is only looked up, never called through this type.
    unsafe { handle.get::<unsafe extern "C" fn()>(symbol).is_ok() }
}

/// The file that the first of these symbols was loaded from.
fn file_of(handle: &libloading::Library, symbols: &[&str]) -> Option<PathBuf> {
    // SAFETY: the symbol is only looked up, never called through this type.
    let symbol = unsafe { handle.get::<unsafe extern "C" fn()>(*symbols.first()?) }.ok()?;
    // SAFETY: it consists of pointers, which may be null.
    let mut found: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: dladdr takes any address, and fills in the structure if it returns nonzero.
    let known = unsafe { libc::dladdr(*symbol as *const std::ffi::c_void, &raw mut found) } != 0;
    if !known || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the name is valid while the library is loaded.
    let name = unsafe { std::ffi::CStr::from_ptr(found.dli_fname) };
    let name = PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()));
    // Links may lead to it.
    Some(std::fs::canonicalize(&name).unwrap_or(name))
}

/// Tells a profiler around this process that what follows counts, or no longer does. Without one it does nothing.
///
/// # Errors
/// Unfit without a driver, and when it refuses.
pub fn let_profiler_count(counts: bool) -> Result<()> {
    let name = if counts { "cuProfilerStart" } else { "cuProfilerStop" };
    // SAFETY: both take nothing and return CUresult (cudaProfiler.h).
    let call: unsafe extern "C" fn() -> i32 = unsafe { DRIVER.symbol(name) }?;
    // SAFETY: they may be called at any time in a process with a context.
    match unsafe { call() } {
        0 => Ok(()),
        code => Err(Error::unfit(format!("{name} of NVIDIA's driver failed with code {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_missing_or_too_old_is_one_sentence() {
        let missing = Library { files: &["libnowhere.so"], ..copy(&NCCL) };
        let message = missing.require().unwrap_err().message;
        assert!(message.contains("NCCL cannot be loaded") && message.contains("LD_LIBRARY_PATH"));
        assert!(!message.contains('\n'));
        // The C library stands in for one that lacks what is needed.
        let old = Library { files: &["libc.so.6"], ..copy(&NCCL) };
        let message = old.require().unwrap_err().message;
        assert!(message.contains("has no ncclAllGather: NCCL is too old"), "{message}");
    }

    fn copy(library: &Library) -> Library {
        let Library { key, name, files, is_cudarcs, remedy, symbols, newer, .. } = *library;
        Library { key, name, files, is_cudarcs, remedy, symbols, newer, loaded: OnceLock::new() }
    }
}
