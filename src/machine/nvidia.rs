//! NVIDIA's libraries on this machine: found at run time, checked before the first call.
//!
//! cudarc panics when a library is missing, and again for each missing symbol at its first call. So
//! every symbol that this program uses stands in a table here, and is looked up before anything is
//! called: what is missing becomes one sentence. cudarc also does not know the one name that NCCL
//! is installed under, `libnccl.so.2`; see [`links`]. This room itself never calls cudarc.
#![expect(unsafe_code, reason = "loading a library runs its initialisers")]

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::Library as Loaded;

use crate::base::error::{Error, Result};

/// One library, as this program uses it.
#[derive(Debug)]
pub struct Library {
    /// Its name in reports.
    pub key: &'static str,
    /// What people call it.
    name: &'static str,
    /// Files that cudarc tries, in its order.
    files: &'static [&'static str],
    /// Names it is installed under that cudarc does not try.
    others: &'static [&'static str],
    /// How to get it.
    remedy: &'static str,
    /// Every symbol that is called, by this program or by cudarc for it.
    pub symbols: &'static [&'static str],
    /// Looked for once, and then kept: some take long to load.
    found: OnceLock<Result<Found>>,
}

/// A library that is there.
#[derive(Debug)]
struct Found {
    loaded: Loaded,
    file: PathBuf,
}

/// The driver.
pub static DRIVER: Library = Library {
    key: "cuda",
    name: "NVIDIA's driver",
    files: &["libcuda.so", "libcuda.so.1"],
    others: &[],
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
    found: OnceLock::new(),
};

/// The compiler of kernels.
pub static NVRTC: Library = Library {
    key: "nvrtc",
    name: "NVRTC",
    files: &["libnvrtc.so", "libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so.11"],
    others: &[],
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
    found: OnceLock::new(),
};

/// Matrix products.
pub static CUBLASLT: Library = Library {
    key: "cublaslt",
    name: "cuBLASLt",
    files: &["libcublasLt.so", "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11"],
    others: &[],
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
    found: OnceLock::new(),
};

/// Collectives. No symbol is younger than `ncclCommInitRankConfig` (2.14).
pub static NCCL: Library = Library {
    key: "nccl",
    name: "NCCL",
    files: &["libnccl.so"],
    others: &["libnccl.so.2"],
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
    found: OnceLock::new(),
};

/// All of them.
pub static ALL: [&Library; 4] = [&DRIVER, &NVRTC, &CUBLASLT, &NCCL];

impl Library {
    /// Loads the library as cudarc will, with every symbol in use, and says where it is.
    ///
    /// # Errors
    /// Unfit, in one sentence, for a library that is not there and for one that is too old.
    pub fn require(&self) -> Result<PathBuf> {
        self.find().map(|found| found.file.clone())
    }

    /// One of its symbols.
    ///
    /// # Errors
    /// As [`require`](Self::require), and when it has no such symbol.
    ///
    /// # Safety
    /// `F` must be the type of the function that has this name.
    pub unsafe fn symbol<F: Copy>(&self, name: &str) -> Result<F> {
        // SAFETY: the caller vouches for the type, and the library stays loaded.
        let symbol = unsafe { self.find()?.loaded.get::<F>(name) };
        symbol.map(|symbol| *symbol).map_err(|why| {
            Error::unfit(format!("{name} of {} cannot be loaded ({why})", self.name))
        })
    }

    fn find(&self) -> Result<&Found> {
        self.found.get_or_init(|| self.look()).as_ref().map_err(Error::clone)
    }

    fn look(&self) -> Result<Found> {
        let (loaded, file) = self.load(self.files).map_err(|why| {
            Error::unfit(format!("{} cannot be loaded ({why}); {}", self.name, self.remedy))
        })?;
        match self.symbols.iter().find(|symbol| !has(&loaded, symbol)) {
            None => Ok(Found { loaded, file }),
            Some(symbol) => Err(Error::unfit(format!(
                "{} has no {symbol}: {} is too old for this program; use a newer one",
                file.display(),
                self.name
            ))),
        }
    }

    /// The first of the files `names` that loads, and where it is.
    ///
    /// # Errors
    /// The loader's complaint about the last name.
    fn load(&self, names: &[&str]) -> Result<(Loaded, PathBuf), String> {
        let mut complaint = String::new();
        for &name in names {
            // SAFETY: NVIDIA's libraries do nothing at loading that could harm this process.
            match unsafe { Loaded::new(name) } {
                Ok(loaded) => {
                    let file = file_of(&loaded, self.symbols);
                    return Ok((loaded, file.unwrap_or_else(|| name.into())));
                }
                Err(why) => {
                    // The loader's own words are the cause of libloading's error.
                    let cause = std::error::Error::source(&why).map(ToString::to_string);
                    complaint = cause.unwrap_or_else(|| why.to_string());
                }
            }
        }
        Err(complaint)
    }

    /// Where the file is that cudarc does not find by itself.
    fn hidden(&self) -> Option<PathBuf> {
        if self.others.is_empty() || self.load(self.files).is_ok() {
            return None;
        }
        self.load(self.others).ok().map(|(_, file)| file)
    }
}

fn has(loaded: &Loaded, symbol: &str) -> bool {
    // SAFETY: the symbol is only looked for, never called through this type.
    unsafe { loaded.get::<unsafe extern "C" fn()>(symbol).is_ok() }
}

/// The file that the first of the library's symbols was loaded from.
fn file_of(loaded: &Loaded, symbols: &[&str]) -> Option<PathBuf> {
    // SAFETY: the symbol's address is only looked at, never called through this type.
    let symbol = unsafe { loaded.get::<unsafe extern "C" fn()>(*symbols.first()?) }.ok()?;
    let mut found = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: it takes any address, and fills in the structure when it returns another number than 0.
    let known = unsafe { libc::dladdr(*symbol as *const std::ffi::c_void, &raw mut found) } != 0;
    if !known || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the name stays as long as the library is loaded, which it is.
    let name = unsafe { std::ffi::CStr::from_ptr(found.dli_fname) };
    let name = PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes()));
    // Whole, so that it can be found from elsewhere too.
    Some(std::fs::canonicalize(&name).unwrap_or(name))
}

/// Links under the names that cudarc knows to libraries that it does not find: pairs of link name
/// and file. With the links' folder first on `LD_LIBRARY_PATH` when a process *starts*, cudarc finds
/// them; the loader does not look at the variable again later.
pub fn links() -> Vec<(String, PathBuf)> {
    ALL.iter()
        .filter_map(|library| Some(((*library.files.first()?).to_owned(), library.hidden()?)))
        .collect()
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
        let old = Library { others: &["libc.so.6"], ..copy(&NCCL) };
        let (loaded, _) = old.load(old.others).unwrap();
        assert!(has(&loaded, "malloc") && !has(&loaded, "ncclAllReduce"));
    }

    fn copy(library: &Library) -> Library {
        let Library { key, name, files, others, remedy, symbols, .. } = *library;
        Library { key, name, files, others, remedy, symbols, found: OnceLock::new() }
    }
}
