//! NVIDIA's libraries: loaded at run time, checked before the first call.
//!
//! cudarc panics if a library is missing, and at the first call of a missing symbol. So the tables here list every
//! symbol in use, and [`Library::require`] looks all of them up first: a missing one becomes an error of one
//! sentence. cudarc does not try `libnccl.so.2`, the only name that NCCL is installed under; see [`nccl_to_link`]. This
//! module never calls cudarc.
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
    /// File names that cudarc tries, in its order.
    files: &'static [&'static str],
    remedy: &'static str,
    /// Every symbol that this program or cudarc calls.
    pub symbols: &'static [&'static str],
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
        "cuGetErrorName",
        "cuGetErrorString",
        "cuInit",
        "cuLaunchKernel",
        "cuMemAlloc_v2",
        "cuMemFreeHost",
        "cuMemFree_v2",
        "cuMemHostAlloc",
        "cuMemcpyDtoHAsync_v2",
        "cuMemcpyHtoDAsync_v2",
        "cuMemsetD8Async",
        "cuModuleGetFunction",
        "cuModuleLoadData",
        "cuModuleUnload",
        "cuStreamCreate",
        "cuStreamDestroy_v2",
        "cuStreamSynchronize",
    ],
    loaded: OnceLock::new(),
};

/// The run-time compiler of CUDA kernels.
pub static NVRTC: Library = Library {
    key: "nvrtc",
    name: "NVRTC",
    files: &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11"],
    remedy: "put the folder of libnvrtc.so.12 or .13 on LD_LIBRARY_PATH; the CUDA toolkit and PyTorch \
             (site-packages/nvidia/*/lib) bring it",
    symbols: &[
        "nvrtcCompileProgram",
        "nvrtcCreateProgram",
        "nvrtcDestroyProgram",
        "nvrtcGetCUBIN",
        "nvrtcGetCUBINSize",
        "nvrtcGetProgramLog",
        "nvrtcGetProgramLogSize",
        "nvrtcVersion",
    ],
    loaded: OnceLock::new(),
};

/// Matrix multiplication.
pub static CUBLASLT: Library = Library {
    key: "cublaslt",
    name: "cuBLASLt",
    files: &["libcublasLt.so", "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"],
    remedy: "put the folder of libcublasLt.so.12 or .13 on LD_LIBRARY_PATH; the CUDA toolkit and \
             PyTorch (site-packages/nvidia/*/lib) bring it",
    symbols: &[
        "cublasLtCreate",
        "cublasLtDestroy",
        "cublasLtGetVersion",
        "cublasLtMatmul",
        "cublasLtMatmulAlgoGetHeuristic",
        "cublasLtMatmulDescCreate",
        "cublasLtMatmulDescDestroy",
        "cublasLtMatmulPreferenceCreate",
        "cublasLtMatmulPreferenceDestroy",
        "cublasLtMatmulPreferenceSetAttribute",
        "cublasLtMatrixLayoutCreate",
        "cublasLtMatrixLayoutDestroy",
    ],
    loaded: OnceLock::new(),
};

/// Collectives. The newest symbol is `ncclCommInitRankConfig` (NCCL 2.14).
pub static NCCL: Library = Library {
    key: "nccl",
    name: "NCCL",
    files: &["libnccl.so"],
    remedy: "put the folder of libnccl.so.2 on LD_LIBRARY_PATH; NVIDIA's packages and PyTorch \
             (site-packages/nvidia/nccl/lib) bring it",
    symbols: &[
        "ncclAllGather",
        "ncclAllReduce",
        "ncclBroadcast",
        "ncclCommAbort",
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
    loaded: OnceLock::new(),
};

/// All libraries.
pub static ALL: [&Library; 4] = [&DRIVER, &NVRTC, &CUBLASLT, &NCCL];

impl Library {
    /// Loads the library as cudarc will, checks every symbol in use, and returns the file.
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
            Error::unfit(format!("{name} of {} cannot be loaded ({why})", self.name))
        })
    }

    fn loaded(&self) -> Result<&Loaded> {
        self.loaded.get_or_init(|| self.load_checked()).as_ref().map_err(Error::clone)
    }

    fn load_checked(&self) -> Result<Loaded> {
        let loaded = self.load(self.files).map_err(|why| {
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

    /// Loads the first of these file names that can be loaded; the error is the message for the last.
    fn load(&self, names: &[&str]) -> Result<Loaded, String> {
        let mut message = String::new();
        for &name in names {
            // SAFETY: loading runs the initialisers of the file that the loader finds by this name, and NVIDIA's do no
            // harm. It looks where it has found what this process was started with (LD_LIBRARY_PATH, ld.so.conf), so
            // whoever can put another file there already decides what runs here. We add no folder to that but one that
            // only this user can write (`run::restart`).
            match unsafe { libloading::Library::new(name) } {
                Ok(handle) => {
                    let file = file_of(&handle, self.symbols).unwrap_or_else(|| name.into());
                    return Ok(Loaded { handle, file });
                }
                Err(why) => {
                    // The source of libloading's error is the loader's message.
                    let cause = std::error::Error::source(&why).map(ToString::to_string);
                    message = cause.unwrap_or_else(|| why.to_string());
                    if message.contains("No such file") {
                        message = format!("{name} not found");
                    }
                }
            }
        }
        Err(message)
    }
}

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
    // Absolute, because it becomes the target of a link.
    Some(std::fs::canonicalize(&name).unwrap_or(name))
}

/// The file of an installed NCCL that cudarc can load only by a link of the name `libnccl.so`. The link's folder must
/// be on `LD_LIBRARY_PATH` when a process *starts*; the loader does not read the variable again later.
pub fn nccl_to_link() -> Option<PathBuf> {
    let is_loadable = NCCL.load(NCCL.files).is_ok();
    let file = || Some(NCCL.load(&["libnccl.so.2"]).ok()?.file);
    if is_loadable { None } else { file() }
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
        let old = copy(&NCCL).load(&["libc.so.6"]).unwrap().handle;
        assert!(has_symbol(&old, "malloc") && !has_symbol(&old, "ncclAllReduce"));
    }

    fn copy(library: &Library) -> Library {
        let Library { key, name, files, remedy, symbols, .. } = *library;
        Library { key, name, files, remedy, symbols, loaded: OnceLock::new() }
    }
}
