//! NVIDIA's disassembler, which is a program of its own.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::base::error::{Error, Result};
use crate::machine::nvidia;

/// Its name.
const NAME: &str = "nvdisasm";

/// Finds it: on `PATH`, then beside NVRTC, as CUDA's toolkit and packages have it.
///
/// # Errors
/// Unfit, in one sentence, where it is not there.
pub fn find() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let listed = std::env::split_paths(&path).filter(|folder| folder.is_absolute());
    let library = nvidia::NVRTC.require().ok();
    let beside = library.iter().flat_map(|file| file.ancestors().skip(2).take(3));
    let beside = beside.map(|folder| folder.join("bin"));
    let found = listed.chain(beside).map(|folder| folder.join(NAME)).find(|file| file.is_file());
    found.ok_or_else(|| {
        Error::unfit(format!(
            "machine code is not looked into: {NAME} is not on PATH; the CUDA toolkit and the package \
             nvidia-cuda-nvdisasm bring it"
        ))
    })
}

/// What it writes of machine code.
///
/// # Errors
/// Unfit when it cannot be run, or refuses the code.
pub fn text(disassembler: &Path, cubin: &[u8]) -> Result<String> {
    let failed =
        |why: &dyn std::fmt::Display| Error::unfit(format!("{}: {why}", disassembler.display()));
    let mut file =
        tempfile::Builder::new().suffix(".cubin").tempfile().map_err(|why| failed(&why))?;
    file.write_all(cubin).map_err(|why| failed(&why))?;
    let ended = Command::new(disassembler)
        .arg("--print-code")
        .arg(file.path())
        .stdin(Stdio::null())
        .output()
        .map_err(|why| failed(&why))?;
    if !ended.status.success() {
        let said = String::from_utf8_lossy(&ended.stderr);
        return Err(failed(&said.lines().next().unwrap_or("it ends without a word")));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}
