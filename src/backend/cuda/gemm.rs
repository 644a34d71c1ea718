//! Matrix products by cuBLASLt, with the algorithm chosen once.
#![expect(unsafe_code, reason = "cuBLASLt takes raw handles and pointers")]

use std::ffi::c_void;

use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys::{self, cublasComputeType_t as Compute, cudaDataType as DataType};

use super::gpu::{Buffer, Gpu};
use super::kernel::Memory;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, no_such_type, with_number};
use crate::base::error::{Error, Kind, Result};
use crate::base::random::Stream as Random;
use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::Element;
use crate::machine::nvidia;
use crate::world::progress::Phase;

/// Bytes of scratch memory: what NVIDIA recommends for Hopper (cuBLAS documentation, "cublasSetWorkspace").
const WORKSPACE: u64 = 32 << 20;

/// `CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE` (cublasLt.h): parts of a split sum are added in the type
/// that computes, not in a narrower output type, so that results are rounded once.
const REDUCE_IN_COMPUTE_TYPE: u32 = 2;

/// The library's version.
pub(super) fn version() -> Result<String> {
    nvidia::CUBLASLT.require()?;
    // SAFETY: it takes nothing and returns a number.
    let code = unsafe { sys::cublasLtGetVersion() };
    // CUBLAS_VERSION in cublas_api.h.
    Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
}

fn failed(doing: &str) -> impl Fn(CublasError) -> Error {
    move |error| match error.0 {
        sys::cublasStatus_t::CUBLAS_STATUS_NOT_SUPPORTED => {
            Error::unsupported(format!("cannot {doing}: cuBLASLt does not support it on this GPU"))
        }
        code => Error::new(Kind::CaseFailed, format!("cannot {doing}: cuBLASLt says {code:?}")),
    }
}

/// Prepares a product.
///
/// # Errors
/// Unfit without cuBLASLt, unsupported for integers and when memory is short.
pub(super) fn prepare<'a>(gpu: &'a Gpu, run: &KernelRun) -> Result<Box<dyn Operation + 'a>> {
    nvidia::CUBLASLT.require()?;
    let plan = Plan::new(run)?;
    let (memory, workspace) = (Memory::new(gpu, run)?, gpu.allocate(WORKSPACE)?);
    Ok(Box::new(Product { gpu, memory, workspace, plan }))
}

/// What cuBLASLt needs to know, and its choice. Its matrices are column-major, so it is asked for
/// Cᵀ = Bᵀ·Aᵀ: the same memory, without a transposition.
struct Plan {
    handle: sys::cublasLtHandle_t,
    operation: sys::cublasLtMatmulDesc_t,
    /// Of Bᵀ (n×k), Aᵀ (k×m) and Cᵀ (n×m).
    layouts: [sys::cublasLtMatrixLayout_t; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
}

impl Plan {
    fn new(run: &KernelRun) -> Result<Self> {
        use DataType::{CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F, CUDA_R_64F};
        let (data, compute, scale) = match run.element {
            // Not TF32: what is asked for is what is measured.
            Element::F32 => (CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::F64 => (CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F, CUDA_R_64F),
            Element::F16 => (CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::Bf16 => (CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            other => return Err(no_such_type(&format!("{} on GPUs", run.kernel.name), other)),
        };
        let doing = "plan a matrix product";
        let sides = |(_, shape): (_, &[usize])| (shape[0], shape[1]);
        let mut inputs = run.inputs().map(sides);
        let ((m, n), k) = (sides(run.output()), inputs.next().map_or(0, |(_, k)| k));
        // Filled in step by step, so that what there is goes when a step fails.
        let mut plan = Self {
            handle: result::create_handle().map_err(failed("start cuBLASLt"))?,
            operation: std::ptr::null_mut(),
            layouts: [std::ptr::null_mut(); 3],
            algorithm: sys::cublasLtMatmulAlgo_t { data: [0; 8] },
        };
        plan.operation = result::create_matmul_desc(compute, scale).map_err(failed(doing))?;
        for (layout, (rows, columns)) in plan.layouts.iter_mut().zip([(n, k), (k, m), (n, m)]) {
            *layout = result::create_matrix_layout(data, rows as u64, columns as u64, rows as i64)
                .map_err(failed(doing))?;
        }
        let preference = result::create_matmul_pref().map_err(failed(doing))?;
        let chosen = plan.choose(preference);
        // SAFETY: created above, destroyed once.
        let gone = unsafe { result::destroy_matmul_pref(preference) };
        plan.algorithm = chosen.and_then(|chosen| gone.map(|()| chosen)).map_err(failed(
            &format!("find an algorithm for a {m}x{n}x{k} product of {}", run.element.name()),
        ))?;
        Ok(plan)
    }

    /// cuBLASLt's first choice.
    fn choose(
        &self,
        preference: sys::cublasLtMatmulPreference_t,
    ) -> Result<sys::cublasLtMatmulAlgo_t, CublasError> {
        use sys::cublasLtMatmulPreferenceAttributes_t as Attribute;
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the preference is alive, and the value has that many bytes.
            unsafe { result::set_matmul_pref_attribute(preference, attribute, value, size) }
        };
        let (workspace, reduction) = (WORKSPACE as usize, REDUCE_IN_COMPUTE_TYPE);
        set(
            Attribute::CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
            (&raw const workspace).cast(),
            size_of_val(&workspace),
        )?;
        set(
            Attribute::CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
            (&raw const reduction).cast(),
            size_of_val(&reduction),
        )?;
        let [b, a, c] = self.layouts;
        // SAFETY: all handles were created by `new` and are alive.
        let found = unsafe {
            result::get_matmul_algo_heuristic(self.handle, self.operation, b, a, c, c, preference)
        };
        found.map(|found| found.algo)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: each was created by `new` or is null, and is destroyed once. Errors are of no use: the
        // product is over.
        unsafe {
            for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
                let _ = result::destroy_matrix_layout(layout);
            }
            if !self.operation.is_null() {
                let _ = result::destroy_matmul_desc(self.operation);
            }
            let _ = result::destroy_handle(self.handle);
        }
    }
}

/// A product, ready to run.
struct Product<'a> {
    gpu: &'a Gpu,
    memory: Memory,
    workspace: Buffer,
    plan: Plan,
}

impl Product<'_> {
    /// Random floats in [-1, 1), which are timed: small whole numbers switch fewer transistors, and a GPU at
    /// its power limit then clocks higher than it would for anybody's data.
    fn load_noise(&self) -> Result<()> {
        let mut random = Random::new(0, "gemm timed", &[]);
        for ((_, shape), buffer) in self.memory.run.inputs().zip(&self.memory.inputs) {
            let noise = (0..shape.iter().product()).map(|_: usize| 2.0 * random.unit() - 1.0);
            with_number!(self.memory.run.element, T => {
                let values: Vec<T> = noise.map(<T as Number>::rounded).collect();
                self.gpu.upload(buffer, 0, &values)?;
            });
        }
        Ok(())
    }
}

impl Operation for Product<'_> {
    fn load(&mut self, phase: Phase) -> Result<()> {
        match phase {
            Phase::Measure => self.load_noise(),
            _ => self.memory.load(self.gpu),
        }
    }

    fn enqueue(&mut self) -> Result<()> {
        let Memory { run, inputs, output } = &self.memory;
        let at = |buffer: &Buffer| -> *mut c_void {
            std::ptr::with_exposed_provenance_mut(buffer.pointer as usize)
        };
        let (ones, zeros) = ((1f32, 1f64), (0f32, 0f64));
        let scalar = |(narrow, wide): &(f32, f64)| -> *const c_void {
            match run.element {
                Element::F64 => std::ptr::from_ref(wide).cast(),
                _ => std::ptr::from_ref(narrow).cast(),
            }
        };
        let [b_layout, a_layout, c_layout] = self.plan.layouts;
        // SAFETY: the buffers hold the matrices that the layouts describe, the scalars are of the scale
        // type and read before the call returns, and all lives until the stream is done; cudarc's
        // names for a stream are one C type.
        unsafe {
            result::matmul(
                self.plan.handle,
                self.plan.operation,
                scalar(&ones),
                scalar(&zeros),
                at(&inputs[1]),
                b_layout,
                at(&inputs[0]),
                a_layout,
                at(output),
                c_layout,
                at(output),
                c_layout,
                &raw const self.plan.algorithm,
                at(&self.workspace),
                WORKSPACE as usize,
                self.gpu.raw_stream().cast(),
            )
        }
        .map_err(failed("queue a matrix product"))
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        match phase {
            // The noise that is timed has no exact product.
            Phase::Measure => Ok(Accuracy::default()),
            _ => self.memory.compare(self.gpu, phase),
        }
    }
}
