//! How a function is started, and its start.
#![expect(unsafe_code, reason = "the driver takes raw arguments")]

use std::ffi::c_void;

use cudarc::driver::CudaFunction;
use cudarc::driver::result::DriverError;
use cudarc::driver::sys;

use super::gpu::Gpu;
use crate::base::error::{Error, Result};
use crate::benchmark::kernel::{Choice, CudaKernel, KernelRun};

/// Most blocks of a cluster that every GPU with clusters starts (CUDA C++ Programming Guide, "Thread Block Clusters").
const CLUSTER: f64 = 8.0;

/// The first generation with clusters: compute capability 9.0.
const CLUSTERS_SINCE: i32 = 9;

/// Along each axis.
type Extent = [u32; 3];

/// How a function is started.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    /// Blocks.
    grid: Extent,
    /// Threads of a block.
    block: Extent,
    /// Blocks of a cluster.
    cluster: Option<Extent>,
    /// Bytes of shared memory of a block that are set here.
    pub(super) shared_bytes: u32,
}

impl Launch {
    /// That of a kernel.
    ///
    /// # Errors
    /// Unsupported for more than a GPU can start, and for clusters on one that has none.
    pub(super) fn of(
        gpu: &Gpu,
        own: &CudaKernel,
        run: &KernelRun,
        choice: &Choice,
    ) -> Result<Self> {
        let name = &run.kernel.name;
        let [grid, block] = [&own.grid, &own.block].map(|extents| run.extents(choice, extents));
        let cluster = own.cluster.as_ref().map(|cluster| run.extents(choice, cluster));
        let shared = run.value_with(choice, &own.shared_bytes);
        // As the CUDA C++ programming guide has them for all GPUs.
        let fits = |extents: [f64; 3], most: [f64; 3]| {
            extents.iter().zip(most).all(|(n, most)| *n <= most)
        };
        if !fits(grid, [f64::from(i32::MAX), 65535.0, 65535.0])
            || !fits(block, [1024.0, 1024.0, 64.0])
            || block.iter().product::<f64>() > 1024.0
            || shared > f64::from(i32::MAX)
        {
            return Err(Error::unsupported(format!(
                "{name} has a grid of {grid:?} blocks of {block:?} threads and {shared} bytes, more than a GPU can \
                 start"
            )));
        }
        if let Some(cluster) = cluster {
            let blocks = cluster.iter().product::<f64>();
            if blocks > CLUSTER {
                return Err(Error::unsupported(format!(
                    "{name} has clusters of {blocks} blocks, more than the {CLUSTER} that every GPU with clusters starts"
                )));
            }
            let (major, minor) = gpu.capability;
            if major < CLUSTERS_SINCE {
                return Err(Error::unsupported(format!(
                    "{name} is started in clusters of blocks, which GPUs have from compute capability \
                     {CLUSTERS_SINCE}.0 on; this one has {major}.{minor}"
                )));
            }
        }
        let whole = |extents: [f64; 3]| extents.map(|n| n as u32);
        Ok(Self {
            grid: whole(grid),
            block: whole(block),
            cluster: cluster.map(whole),
            shared_bytes: shared as u32,
        })
    }

    /// Threads of a block.
    pub(super) fn threads(&self) -> u32 {
        self.block.iter().product()
    }

    /// Queues the function with pointers to its arguments.
    ///
    /// # Safety
    /// The arguments are those that the function takes, and what they refer to lives until the stream is done.
    pub(super) unsafe fn queue(
        &self,
        gpu: &Gpu,
        function: &CudaFunction,
        arguments: &mut [*mut c_void],
    ) -> Result<(), DriverError> {
        let mut attribute = self.cluster.map(|[x, y, z]| sys::CUlaunchAttribute {
            id: sys::CUlaunchAttributeID::CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION,
            pad: [0; 4],
            value: sys::CUlaunchAttributeValue {
                clusterDim: sys::CUlaunchAttributeValue_union__bindgen_ty_1 { x, y, z },
            },
        });
        let ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]) = (self.grid, self.block);
        let config = sys::CUlaunchConfig {
            gridDimX: grid_x,
            gridDimY: grid_y,
            gridDimZ: grid_z,
            blockDimX: block_x,
            blockDimY: block_y,
            blockDimZ: block_z,
            sharedMemBytes: self.shared_bytes,
            hStream: gpu.raw_stream(),
            numAttrs: attribute.is_some().into(),
            attrs: attribute.as_mut().map_or(std::ptr::null_mut(), std::ptr::from_mut),
        };
        // SAFETY: the caller guarantees the arguments; the driver reads them, the configuration and its attribute before
        // it returns.
        unsafe {
            let (function, nothing) = (function.cu_function(), std::ptr::null_mut());
            sys::cuLaunchKernelEx(&raw const config, function, arguments.as_mut_ptr(), nothing)
        }
        .result()
    }
}
