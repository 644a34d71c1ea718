//! Named ranges for a profiler around this process, by NVIDIA's interface for tools (NVTX 3).
//!
//! NVTX is a header without a library: a profiler names its own library in `NVTX_INJECTION64_PATH`, and a program gives
//! that library a table of places, into which it writes its functions (`nvtxTypes.h`, `nvtxInit.h`; the numbers never
//! change). Without the variable nothing is loaded, and a range costs one look at a flag.
#![expect(unsafe_code, reason = "the functions are those that a profiler's library brings")]

use std::ffi::{CString, c_char, c_int, c_uint, c_void};
use std::ptr::null;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Where a profiler says what it brings.
const VARIABLE: &str = "NVTX_INJECTION64_PATH";
/// `NVTX_ETID_CALLBACKS` and `NVTX_ETID_VERSIONINFO`, the tables that a profiler asks for.
const CALLBACKS: u32 = 1;
const VERSION_INFO: u32 = 3;
/// `NVTX_VERSION`.
const VERSION: u32 = 3;
/// Places of the modules by their numbers, `NVTX_CBID_…_SIZE`: none, core, CUDA, OpenCL, CUDA's runtime, domains, sync.
const PLACES: [usize; 7] = [0, 16, 9, 15, 7, 16, 7];
const MOST: usize = 16;
/// `NVTX_CB_MODULE_CORE`, and in it `NVTX_CBID_CORE_RangePushA` and `NVTX_CBID_CORE_RangePop`.
const CORE: usize = 1;
const PUSH: usize = 9;
const POP: usize = 11;

/// A place for a function.
type Place = AtomicPtr<c_void>;

/// The places of all modules; null where no function was written.
static FUNCTIONS: [[Place; MOST]; PLACES.len()] =
    [const { [const { Place::new(std::ptr::null_mut()) }; MOST] }; PLACES.len()];

/// Pointers to the places of a module, and a null behind them; the first place is of no function.
struct Table([*const Place; MOST + 1]);

// SAFETY: the pointers are to statics of atomics.
unsafe impl Sync for Table {}
// SAFETY: as above.
unsafe impl Send for Table {}

static TABLES: OnceLock<[Table; PLACES.len()]> = OnceLock::new();

/// `NvtxExportTableCallbacks`.
#[repr(C)]
struct Callbacks {
    size: usize,
    module_table: unsafe extern "C" fn(c_uint, *mut *const *const Place, *mut c_uint) -> c_int,
}

static EXPORTED: Callbacks =
    Callbacks { size: size_of::<Callbacks>(), module_table: give_module_table };

/// `NvtxExportTableVersionInfo`.
#[repr(C)]
struct VersionInfo {
    size: usize,
    version: u32,
    reserved: u32,
    set_version: extern "C" fn(u32),
}

static EXPORTED_VERSION: VersionInfo = VersionInfo {
    size: size_of::<VersionInfo>(),
    version: VERSION,
    reserved: 0,
    set_version: ignore_version,
};

/// Hears the version of the profiler's own header, which changes nothing here.
extern "C" fn ignore_version(_: u32) {}

fn tables() -> &'static [Table; PLACES.len()] {
    TABLES.get_or_init(|| {
        std::array::from_fn(|module| {
            let is_of_function = |place: usize| place > 0 && place < PLACES[module];
            let pointer = |place: usize| match is_of_function(place) {
                true => &raw const FUNCTIONS[module][place],
                false => null(),
            };
            Table(std::array::from_fn(pointer))
        })
    })
}

/// Gives a module's places and how many they are; 0 for an unknown one.
///
/// # Safety
/// `table` and `size` are null or may be written.
unsafe extern "C" fn give_module_table(
    module: c_uint,
    table: *mut *const *const Place,
    size: *mut c_uint,
) -> c_int {
    let known = (module as usize).min(PLACES.len());
    let Some(places) = PLACES.get(known).filter(|places| **places > 0) else { return 0 };
    if !size.is_null() {
        // SAFETY: the caller's.
        unsafe { size.write(*places as c_uint) };
    }
    if !table.is_null() {
        // SAFETY: the caller's; the table is never moved.
        unsafe { table.write(tables()[known].0.as_ptr()) };
    }
    1
}

extern "C" fn export(table: u32) -> *const c_void {
    match table {
        CALLBACKS => (&raw const EXPORTED).cast(),
        VERSION_INFO => (&raw const EXPORTED_VERSION).cast(),
        _ => null(),
    }
}

/// Whether a profiler has brought its functions; the first call loads them.
fn is_there() -> bool {
    static THERE: OnceLock<bool> = OnceLock::new();
    *THERE.get_or_init(|| {
        let Some(file) = std::env::var_os(VARIABLE) else { return false };
        let attached = attach(&file);
        if let Err(why) = &attached {
            tracing::warn!("no named ranges for the profiler: {why}");
        }
        attached.is_ok()
    })
}

fn attach(file: &std::ffi::OsStr) -> Result<(), String> {
    type Initialise = unsafe extern "C" fn(extern "C" fn(u32) -> *const c_void) -> c_int;
    // SAFETY: the profiler that started this process names its own library.
    let library = unsafe { libloading::Library::new(file) }.map_err(|why| why.to_string())?;
    // SAFETY: `InitializeInjectionNvtx2` has this type (nvtxTypes.h).
    let initialise = unsafe { library.get::<Initialise>("InitializeInjectionNvtx2") };
    let initialise = *initialise.map_err(|why| why.to_string())?;
    // Its functions are called until this process ends.
    std::mem::forget(library);
    // SAFETY: as NVTX itself calls it, once.
    match unsafe { initialise(export) } {
        0 => Err(format!("'{}' refused to start", file.to_string_lossy())),
        _ => Ok(()),
    }
}

fn function(place: usize) -> Option<*mut c_void> {
    Some(FUNCTIONS[CORE][place].load(Ordering::Acquire)).filter(|function| !function.is_null())
}

/// A range that is open; it ends when it goes.
#[derive(Debug)]
#[must_use = "the range ends when this goes"]
pub struct Range(bool);

/// Begins a range within those that are open on this thread.
pub fn range(name: impl FnOnce() -> String) -> Range {
    let push = if is_there() { function(PUSH) } else { None };
    let Some((push, name)) = push.and_then(|push| Some((push, CString::new(name()).ok()?))) else {
        return Range(false);
    };
    // SAFETY: what a profiler writes there has the type `nvtxRangePushA_impl_fntype`.
    let push: unsafe extern "C" fn(*const c_char) -> c_int = unsafe { std::mem::transmute(push) };
    // SAFETY: the name ends with a zero, and the profiler copies it.
    unsafe { push(name.as_ptr()) };
    Range(true)
}

impl Drop for Range {
    fn drop(&mut self) {
        if let Some(pop) = function(POP).filter(|_| self.0) {
            // SAFETY: what a profiler writes there has the type `nvtxRangePop_impl_fntype`.
            let pop: unsafe extern "C" fn() -> c_int = unsafe { std::mem::transmute(pop) };
            // SAFETY: a range of this thread is open.
            unsafe { pop() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_of_the_header_has_its_places_and_no_other() {
        for (module, places) in PLACES.iter().enumerate() {
            let (mut table, mut size) = (null(), 0);
            // SAFETY: both may be written.
            let known =
                unsafe { give_module_table(module as c_uint, &raw mut table, &raw mut size) };
            assert_eq!((known == 1, size as usize), (module > 0, *places));
            // SAFETY: the table has a place more than it says, which is null.
            let end = |at: usize| unsafe { (*table.add(at)).is_null() };
            assert!(module == 0 || end(0) && !end(1) && !end(places - 1) && end(*places));
        }
        // SAFETY: nothing is written.
        let unknown = unsafe { give_module_table(7, std::ptr::null_mut(), std::ptr::null_mut()) };
        assert_eq!(unknown, 0);
        assert!(export(0).is_null() && export(2).is_null());
        assert!(!export(CALLBACKS).is_null() && !export(VERSION_INFO).is_null());
    }
}
