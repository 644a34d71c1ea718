//! Restarting this process with variables that must be set when it starts.
//!
//! NCCL reads its settings from the environment, and setting variables in a process that already has threads is not
//! safe. So a rank that needs some executes itself again, as the same process, before it joins the others.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;

use crate::base::error::{Error, Result};
use crate::machine::nvidia;

/// Settings of NCCL under which processes that share a GPU take each other for different machines
/// and talk through the loopback device. NCCL refuses two ranks with the same host and GPU; a host's
/// name is what NCCL_HOSTID says (NCCL 2.30.7, `src/misc/utils.cc` and `src/init.cc`). Few blocks, because
/// the kernels of all ranks must fit on the GPU together where its processes share it (MPS).
const EMULATION: [(&str, &str); 8] = [
    ("NCCL_NET", "Socket"),
    ("NCCL_IB_DISABLE", "1"),
    ("NCCL_SOCKET_IFNAME", "lo"),
    ("NCCL_P2P_DISABLE", "1"),
    ("NCCL_SHM_DISABLE", "1"),
    ("NCCL_NVLS_ENABLE", "0"),
    ("NCCL_MNNVL_ENABLE", "0"),
    ("NCCL_MAX_CTAS", "2"),
];

/// Lets NCCL connect ranks on MIG instances of one GPU, which it takes for one GPU twice otherwise (since 2.30).
const SHARED_GPU: &str = "NCCL_MULTI_RANK_GPU_ENABLE";

/// Whether `CUDA_VISIBLE_DEVICES` names a MIG instance; a process sees no other one then.
fn names_instance(shown: &OsStr) -> bool {
    shown.to_string_lossy().trim_start().starts_with("MIG-")
}

/// Restarts this process if its environment lacks something that the cuda backend needs.
///
/// # Errors
/// Unfit when it cannot be restarted.
pub fn for_cuda(emulated: bool) -> Result<()> {
    // Without a driver there is nothing to prepare for.
    if nvidia::DRIVER.require().is_err() {
        return Ok(());
    }
    let mut variables: Vec<(&str, OsString)> = Vec::new();
    if emulated {
        let host = format!("tesserabench-{}", std::process::id());
        variables.extend(EMULATION.iter().map(|(name, value)| (*name, OsString::from(value))));
        variables.push(("NCCL_HOSTID", host.into()));
    }
    if std::env::var_os("CUDA_VISIBLE_DEVICES").is_some_and(|shown| names_instance(&shown)) {
        variables.push((SHARED_GPU, "1".into()));
    }
    // What the user has set stays.
    variables.retain(|(name, _)| std::env::var_os(name).is_none());
    if variables.is_empty() {
        return Ok(());
    }
    let cannot = |why| Error::unfit(format!("this process cannot restart itself: {why}"));
    let own = std::env::current_exe().map_err(cannot)?;
    let mut command = std::process::Command::new(own);
    Err(cannot(command.args(std::env::args_os().skip(1)).envs(variables).exec()))
}
