//! Machine code from the cache, or else from the compiler.

use std::os::unix::fs::MetadataExt as _;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::{
    Binary, Code, Compilation, Function, HEADERS, Request, StageTime, compile, compile_for_device,
    compiler_version, ready,
};
use crate::base::cache::Cache;
use crate::base::error::{Error, Result};
use crate::machine::nvidia;

/// What the cache calls it.
const KIND: &str = "machine-code";

/// A kernel as machine code, and where it came from.
#[derive(Debug)]
pub struct Built {
    /// The code.
    pub binary: Binary,
    /// How it came about, without what a launch uses.
    pub compilation: Compilation,
}

/// What is kept beside the code.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// Whether the code is PTX, of which no assembler has told anything.
    is_ptx: bool,
    functions: Vec<Function>,
    stages: Vec<StageTime>,
}

/// Machine code of a kernel: what the cache has under all that it is made from, and otherwise made, and kept. Without
/// PTX, which no device is given, but where NVRTC does not know the device's architecture. Ready code stays as it is.
///
/// # Errors
/// As [`compile`]. A cache that cannot be used is no error; it is said once.
pub fn build(request: &Request<'_>) -> Result<Built> {
    if !request.source.code.is_compiled() {
        let compilation = Compilation {
            arch: request.arch.to_owned(),
            compiler: match request.source.code {
                Code::Ptx(_) => "the driver, of PTX".to_owned(),
                _ => "none, of machine code".to_owned(),
            },
            ..Compilation::default()
        };
        return Ok(Built { binary: compile(request)?, compilation });
    }
    let key = key(request)?;
    let cache = cache();
    let known = cache.and_then(|cache| unpack(&cache.get(&key)?));
    let cached = known.is_some();
    let binary = match known {
        Some(binary) => binary,
        None => {
            let made = compile_for_device(request)?;
            let ptx = if made.is_reported { String::new() } else { made.ptx };
            let binary = Binary { ptx, ..made };
            if let Some(cache) = cache {
                let kept = pack(&binary).and_then(|entry| cache.put(&key, &entry));
                if let Err(why) = kept {
                    tracing::warn!("machine code of {} is not kept: {why}", request.source.name);
                }
            }
            binary
        }
    };
    let compiler = format!("NVRTC {}", compiler_version()?);
    let compiler = match binary.is_reported {
        true => compiler,
        false => format!("the driver, of PTX for {} by {compiler}", ready::word_of(&binary.ptx)),
    };
    let compilation = Compilation {
        arch: request.arch.to_owned(),
        compiler,
        level: binary.is_reported.then_some(request.level),
        cached,
        stages: binary.stages.clone(),
        ..Compilation::default()
    };
    Ok(Built { binary, compilation })
}

fn cache() -> Option<&'static Cache> {
    static CACHE: OnceLock<Option<Cache>> = OnceLock::new();
    let open = || match Cache::open(KIND) {
        Ok(cache) => Some(cache),
        Err(why) => {
            tracing::warn!("kernels are compiled anew each time: {why}");
            None
        }
    };
    CACHE.get_or_init(open).as_ref()
}

/// All that the machine code is made from: the source with its headers and functions, the options, and the compiler. That has a version of two numbers,
/// which its corrections share; so its file counts, too.
fn key(request: &Request<'_>) -> Result<Vec<u8>> {
    let file = nvidia::NVRTC.require()?;
    let facts = file.metadata().ok();
    let compiler = (
        compiler_version()?,
        &file,
        facts.as_ref().map(std::fs::Metadata::len),
        facts.as_ref().map(|facts| (facts.mtime(), facts.mtime_nsec())),
    );
    let source = (&request.source.name, request.source.code.bytes(), HEADERS, request.functions);
    let made_from = (source, request.options(), compiler);
    serde_json::to_vec(&made_from)
        .map_err(|why| Error::internal(format!("no key of a kernel: {why}")))
}

/// The length of what is kept beside the code, that, and the code.
fn pack(binary: &Binary) -> Result<Vec<u8>> {
    let Binary { cubin, ptx, functions, stages, .. } = binary;
    let is_ptx = !binary.is_reported;
    let kept = Kept { is_ptx, functions: functions.clone(), stages: stages.clone() };
    let kept = serde_json::to_vec(&kept)
        .map_err(|why| Error::internal(format!("no entry of a kernel: {why}")))?;
    let code = if is_ptx { ptx.as_bytes() } else { cubin };
    Ok([&(kept.len() as u64).to_le_bytes()[..], &kept, code].concat())
}

fn unpack(entry: &[u8]) -> Option<Binary> {
    let (length, rest) = entry.split_first_chunk()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (kept, code) = rest.split_at_checked(length)?;
    let Kept { is_ptx, functions, stages } = serde_json::from_slice(kept).ok()?;
    let code = code.to_vec();
    let (cubin, ptx) = match is_ptx {
        true => (Vec::new(), String::from_utf8(code).ok()?),
        false => (code, String::new()),
    };
    Some(Binary { cubin, ptx, is_reported: !is_ptx, functions, stages })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::kernel::Stage;

    #[test]
    fn what_is_packed_is_unpacked() {
        let function = Function { name: "one".to_owned(), registers: 7, ..Function::default() };
        let stages = vec![StageTime { stage: Stage::Ptxas, ms: 1.5 }];
        let (functions, code) = (vec![function], vec![0, 1, 255]);
        let assembled = Binary {
            cubin: code,
            ptx: String::new(),
            is_reported: true,
            functions: functions.clone(),
            stages: stages.clone(),
        };
        let ptx = Binary {
            cubin: Vec::new(),
            ptx: ".target sm_90".to_owned(),
            is_reported: false,
            functions,
            stages,
        };
        for binary in [assembled, ptx] {
            let entry = pack(&binary).unwrap();
            assert_eq!(unpack(&entry).as_ref(), Some(&binary));
            // The cache's check sees all damage; here only nothing may go wrong.
            for end in 0..entry.len() {
                assert!(unpack(&entry[..end]).is_none_or(|shorter| shorter != binary));
            }
        }
    }
}
