//! A rank of the world: its build, node, clock and cores.

use std::collections::{BTreeSet, HashSet};

use rustix::thread::{CpuSet, sched_getaffinity};
use serde::{Deserialize, Serialize};

use crate::base::random::fingerprint;
use crate::world::fault::{Fault, is_planted};
use crate::world::progress::Phase;

/// A rank of the world.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Content hash of the binary's sources, compiler and MPI.
    pub build: u64,
    /// Name of the node.
    pub host: String,
    /// Process id.
    pub process: u32,
    /// Clock domain: ranks with the same value (same kernel, same time namespace) read the same clock.
    pub clock: u64,
    /// The socket, if all cores of the affinity are on one.
    pub socket: Option<usize>,
    /// The cores of the rank's CPU affinity, ascending.
    pub cores: Vec<usize>,
    /// CPU quota of the control group in cores, if it is less than the affinity.
    quota: Option<usize>,
}

impl Member {
    pub(super) fn this() -> Self {
        let build = u64::from_str_radix(env!("TESSERABENCH_BUILD"), 16).unwrap_or(0);
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core)).collect();
        let bound = cores.len();
        let quota = std::thread::available_parallelism().map(usize::from).ok();
        Self {
            build: build ^ u64::from(is_planted(Fault::Build, Phase::Join)),
            host: host(),
            process: std::process::id(),
            clock: clock_domain(),
            socket: socket(&cores),
            cores,
            quota: quota.filter(|&quota| quota < bound),
        }
    }
}

pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The socket of all these cores, if there is only one and the kernel reports it.
fn socket(cores: &[usize]) -> Option<usize> {
    let mut all = cores.iter().map(|core| {
        let path = format!("/sys/devices/system/cpu/cpu{core}/topology/physical_package_id");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    });
    let first = all.next()??;
    all.all(|socket| socket == Some(first)).then_some(first)
}

fn clock_domain() -> u64 {
    // Without a boot id, the host name identifies the clock.
    let boot = std::fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_else(|_| host().into());
    let namespace = std::fs::read_link("/proc/self/ns/time").unwrap_or_default();
    fingerprint(boot.into_iter().chain(namespace.as_os_str().as_encoded_bytes().iter().copied()))
}

/// Ranks and cores of the most oversubscribed node, if there is one.
pub(super) fn oversubscription(members: &[Member]) -> Option<(usize, usize)> {
    let hosts: BTreeSet<&str> = members.iter().map(|member| member.host.as_str()).collect();
    let load = |host: &str| {
        let here = || members.iter().filter(|member| member.host == host);
        let cores: HashSet<usize> = here().flat_map(|member| &member.cores).copied().collect();
        let quota = here().filter_map(|member| member.quota).min().unwrap_or(usize::MAX);
        (here().count(), cores.len().min(quota).max(1))
    };
    hosts
        .into_iter()
        .map(load)
        .filter(|(ranks, cores)| ranks > cores)
        .max_by_key(|(ranks, cores)| ranks * 1000 / cores)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(host: &str, cores: &[usize]) -> Member {
        let (host, cores) = (host.to_owned(), cores.to_vec());
        Member { host, cores, quota: None, ..Member::this() }
    }

    #[test]
    fn ranks_share_cores_only_within_a_node() {
        let two_cores = ["a", "a", "b", "b"].map(|host| member(host, &[0, 1]));
        assert_eq!(oversubscription(&two_cores), None);
        assert_eq!(oversubscription(&[member("a", &[0]), member("a", &[1])]), None);
        let same_core = [member("a", &[0]), member("a", &[0]), member("b", &[0, 1])];
        assert_eq!(oversubscription(&same_core), Some((2, 1)));
    }
}
