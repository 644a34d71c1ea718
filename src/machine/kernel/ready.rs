//! Kernels that come as PTX or as machine code: what is in them, and where they run.

use super::{Arch, Binary, Function, Request, ptx};
use crate::base::error::{Error, Result};

/// What begins a line of PTX that says for which architecture it is.
const TARGET: &str = ".target";

/// The functions of PTX that can be started.
///
/// # Errors
/// Usage error for what is no PTX.
pub(super) fn functions_of_ptx(text: &str) -> Result<Vec<String>> {
    if target(text).is_none() {
        return Err(Error::usage(format!("it is no PTX: it has no {TARGET}, such as sm_80")));
    }
    Ok(ptx::read(text).into_keys().collect())
}

/// The architecture that PTX is for, as it is written there.
fn target(text: &str) -> Option<(&str, Arch)> {
    let mut lines = text.lines().filter_map(|line| line.trim().strip_prefix(TARGET));
    let word = lines.next()?.split([',', '/']).next()?.trim();
    Some((word, Arch::parse(word)?))
}

/// The architecture that PTX is for, for messages.
pub(super) fn word_of(text: &str) -> &str {
    target(text).map_or("an unknown architecture", |(word, _)| word)
}

/// PTX as it is, for a device that the driver can compile it for.
pub(super) fn of_ptx(request: &Request<'_>, text: &str) -> Result<Binary> {
    let (word, arch) = target(text).ok_or_else(|| Error::internal("PTX without its target"))?;
    if !device(request).is_none_or(|device| arch.compiles_for(device)) {
        return Err(does_not_run(request, &format!("PTX is for {word}")));
    }
    let functions = functions(ptx::read(text).into_keys());
    Ok(Binary {
        cubin: Vec::new(),
        ptx: text.to_owned(),
        is_reported: false,
        functions,
        stages: Vec::new(),
    })
}

/// Machine code as it is, for a device that runs it.
pub(super) fn of_cubin(request: &Request<'_>, bytes: &[u8]) -> Result<Binary> {
    let cubin = Cubin::read(bytes)?;
    if !device(request).is_none_or(|device| cubin.arch.runs_on(device)) {
        let Arch { major, minor, .. } = cubin.arch;
        return Err(does_not_run(request, &format!("machine code is for sm_{major}{minor}")));
    }
    Ok(Binary {
        cubin: bytes.to_owned(),
        ptx: String::new(),
        is_reported: false,
        functions: functions(cubin.functions),
        stages: Vec::new(),
    })
}

/// The architecture that is asked for; nothing where its name is not understood, of which the driver decides.
fn device(request: &Request<'_>) -> Option<Arch> {
    Arch::parse(request.arch)
}

fn does_not_run(request: &Request<'_>, what: &str) -> Error {
    let Request { source, arch, .. } = request;
    Error::unsupported(format!("kernel {}: its {what}, which does not run on {arch}", source.name))
}

/// Functions of which nothing but the name is known.
pub(super) fn functions(names: impl IntoIterator<Item = String>) -> Vec<Function> {
    let function = |name: String| Function { symbol: name.clone(), name, ..Function::default() };
    names.into_iter().map(function).collect()
}

/// Machine code in a file: ELF, as NVIDIA's tools write it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cubin {
    arch: Arch,
    /// Its functions that can be started or called, by name.
    pub(super) functions: Vec<String>,
}

impl Cubin {
    /// What `EM_CUDA` is in a file's header (LLVM, `BinaryFormat/ELF.h`).
    const MACHINE: u16 = 190;

    /// Reads what its header and the names of its sections say.
    ///
    /// # Errors
    /// Usage error for what is no such file.
    pub(super) fn read(bytes: &[u8]) -> Result<Self> {
        let is_own = bytes.starts_with(b"\x7fELF\x02\x01")
            && half(bytes, 18) == Some(usize::from(Self::MACHINE));
        if !is_own {
            return Err(Error::usage("it is no machine code for NVIDIA's GPUs (a cubin)"));
        }
        let cut = || Error::usage("it is a cubin that is cut or damaged");
        let flags = word(bytes, 48).ok_or_else(cut)?;
        // Where the architecture stands changed with version 8 of the binary interface (LLVM, `EF_CUDA_SM`).
        let number = if bytes[8] >= 8 { flags >> 8 & 0xff } else { flags & 0xff };
        let arch = Arch::of(number as u32, None).ok_or_else(cut)?;
        let functions = functions_of_elf(bytes).ok_or_else(cut)?;
        Ok(Self { arch, functions })
    }
}

/// What stands behind `.text.` in the names of sections.
fn functions_of_elf(bytes: &[u8]) -> Option<Vec<String>> {
    /// Bytes of a section's header.
    const HEADER: usize = 64;
    let (first, count) = (long(bytes, 40)?, half(bytes, 60)?);
    let header = |index: usize| {
        let begin = first.checked_add(index.checked_mul(HEADER)?)?;
        bytes.get(begin..begin.checked_add(HEADER)?)
    };
    let names = header(half(bytes, 62)?)?;
    let begin = long(names, 24)?;
    let names = bytes.get(begin..begin.checked_add(long(names, 32)?)?)?;
    let mut functions = Vec::new();
    for index in 0..count {
        let name = names.get(word(header(index)?, 0)?..)?;
        let name = String::from_utf8_lossy(&name[..name.iter().position(|byte| *byte == 0)?]);
        functions.extend(name.strip_prefix(".text.").map(str::to_owned));
    }
    Some(functions)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn half(bytes: &[u8], at: usize) -> Option<usize> {
    number(bytes, at).map(|bytes| u16::from_le_bytes(bytes).into())
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    number(bytes, at).map(|bytes| u32::from_le_bytes(bytes) as usize)
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u64::from_le_bytes(number(bytes, at)?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with these sections, for compute capability 8.6.
    fn elf(sections: &[&str]) -> Vec<u8> {
        let mut file = b"\x7fELF\x02\x01\x01\x41\x08".to_vec();
        file.resize(64, 0);
        file[18..20].copy_from_slice(&Cubin::MACHINE.to_le_bytes());
        file[48..52].copy_from_slice(&0x0600_5604u32.to_le_bytes());
        let names: String = sections.iter().map(|name| format!("{name}\0")).collect();
        let table = (64 + names.len()) as u64;
        file.extend(names.as_bytes());
        file[40..48].copy_from_slice(&table.to_le_bytes());
        file[60..62].copy_from_slice(&(sections.len() as u16).to_le_bytes());
        let mut at = 0u32;
        for name in sections {
            let mut header = [0; 64];
            header[..4].copy_from_slice(&at.to_le_bytes());
            // The first one is that of the names.
            header[24..32].copy_from_slice(&64u64.to_le_bytes());
            header[32..40].copy_from_slice(&(names.len() as u64).to_le_bytes());
            file.extend(header);
            at += name.len() as u32 + 1;
        }
        file
    }

    #[test]
    fn machine_code_names_its_functions_and_its_architecture() {
        let file = elf(&[".shstrtab", ".nv.info", ".text.one", ".text._Z3twoPf"]);
        let arch = Arch { major: 8, minor: 6, suffix: None };
        let functions = vec!["one".to_owned(), "_Z3twoPf".to_owned()];
        assert_eq!(Cubin::read(&file).unwrap(), Cubin { arch, functions });
        let mut old = file.clone();
        old[8] = 7;
        old[48..52].copy_from_slice(&0x0050_0550u32.to_le_bytes());
        assert_eq!(Cubin::read(&old).unwrap().arch, Arch { major: 8, minor: 0, suffix: None });
        for end in 0..file.len() {
            let told = Cubin::read(&file[..end]).unwrap_err().message;
            assert!(told.contains("cubin"), "{told}");
        }
    }

    #[test]
    fn ptx_names_its_functions_and_its_architecture() {
        let text = ".version 8.3\n.target sm_80, debug\n.visible .entry one(\n)\n{\n\tret;\n}\n";
        assert_eq!(target(text).unwrap().0, "sm_80");
        assert_eq!(functions_of_ptx(text).unwrap(), ["one"]);
        assert!(functions_of_ptx("int x;").unwrap_err().message.contains("no PTX"));
    }
}
