//! Matrix products by cuBLASLt, with the algorithm chosen once.
#![expect(unsafe_code, reason = "cuBLASLt takes raw handles and pointers")]

use std::ffi::{CStr, c_char, c_int, c_void};

use cudarc::cublaslt::sys::{
    self, cublasComputeType_t as Compute, cublasLtHandle_t as Handle,
    cublasLtMatmulAlgo_t as Algorithm, cublasLtMatmulDesc_t as Description,
    cublasLtMatmulDescAttributes_t as DescriptionAttribute,
    cublasLtMatmulPreference_t as Preference,
    cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute, cublasLtMatrixLayout_t as Layout,
    cudaDataType as DataType,
};

use super::gpu::{Buffer, Gpu};
use super::kernel::Memory;
use super::{Accuracy, Operation};
use crate::backend::reference::{Number, no_such_type, with_number};
use crate::base::error::{Error, Kind, Result};
use crate::base::random::Stream as Random;
use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::Element;
use crate::machine::nvidia::functions;
use crate::world::progress::Phase;

/// Bytes of scratch memory: what NVIDIA recommends for Hopper (cuBLAS documentation, "cublasSetWorkspace").
const WORKSPACE: u64 = 32 << 20;

/// `CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE` (cublasLt.h): parts of a split sum are added in the type
/// that computes, not in a narrower output type, so that results are rounded once.
const REDUCE_IN_COMPUTE_TYPE: u32 = 2;

/// How a call ended: `cublasStatus_t` as a number.
type Code = c_int;

/// `CUBLAS_STATUS_SUCCESS`.
const SUCCESS: Code = 0;
/// `CUBLAS_STATUS_NOT_SUPPORTED`.
const NOT_SUPPORTED: Code = 15;

/// `cublasLtMatmulHeuristicResult_t`, with its state as a number.
#[repr(C)]
struct Choice {
    algorithm: Algorithm,
    workspace_bytes: usize,
    state: Code,
    waves: f32,
    reserved: [c_int; 4],
}

functions! {
    CUBLASLT,
    /// What is called of cuBLASLt (cublasLt.h).
    struct Functions {
        version = cublasLtGetVersion() -> usize;
        name = cublasLtGetStatusName(Code) -> *const c_char;
        create = cublasLtCreate(*mut Handle) -> Code;
        destroy = cublasLtDestroy(Handle) -> Code;
        create_description = cublasLtMatmulDescCreate(*mut Description, Compute, DataType) -> Code;
        describe = cublasLtMatmulDescSetAttribute(
            Description, DescriptionAttribute, *const c_void, usize,
        ) -> Code;
        destroy_description = cublasLtMatmulDescDestroy(Description) -> Code;
        create_layout = cublasLtMatrixLayoutCreate(*mut Layout, DataType, u64, u64, i64) -> Code;
        destroy_layout = cublasLtMatrixLayoutDestroy(Layout) -> Code;
        create_preference = cublasLtMatmulPreferenceCreate(*mut Preference) -> Code;
        prefer = cublasLtMatmulPreferenceSetAttribute(
            Preference, PreferenceAttribute, *const c_void, usize,
        ) -> Code;
        destroy_preference = cublasLtMatmulPreferenceDestroy(Preference) -> Code;
        choose = cublasLtMatmulAlgoGetHeuristic(
            Handle, Description, Layout, Layout, Layout, Layout, Preference, c_int, *mut Choice,
            *mut c_int,
        ) -> Code;
        multiply = cublasLtMatmul(
            Handle, Description, *const c_void, *const c_void, Layout, *const c_void, Layout,
            *const c_void, *const c_void, Layout, *mut c_void, Layout, *const Algorithm, *mut c_void,
            usize, sys::cudaStream_t,
        ) -> Code;
    }
}

impl Functions {
    /// One sentence for a call that did not end well. Unsupported where cuBLASLt has not what is asked for.
    fn check(&self, code: Code, doing: &str) -> Result<()> {
        match code {
            SUCCESS => Ok(()),
            NOT_SUPPORTED => Err(Error::unsupported(format!(
                "cannot {doing}: cuBLASLt does not support it on this GPU"
            ))),
            code => {
                // SAFETY: it takes any code and returns a text that stays.
                let name = unsafe { CStr::from_ptr((self.name)(code)) }.to_string_lossy();
                let why = format!("cannot {doing}: cuBLASLt says {name} (code {code})");
                Err(Error::new(Kind::CaseFailed, why))
            }
        }
    }
}

/// The library's version.
pub(super) fn version() -> Result<String> {
    // SAFETY: it takes nothing and returns a number.
    let code = unsafe { (Functions::get()?.version)() };
    // CUBLAS_VERSION in cublas_api.h.
    Ok(format!("{}.{}.{}", code / 10_000, code / 100 % 100, code % 100))
}

/// Prepares a product.
///
/// # Errors
/// Unfit without cuBLASLt, unsupported for types and sizes that it does not take, and when memory is short.
pub(super) fn prepare<'a>(gpu: &'a Gpu, run: &KernelRun) -> Result<Box<dyn Operation + 'a>> {
    let cublas = Functions::get()?;
    let types = Types::of(run)?;
    let scale = (types.has_scales).then(|| gpu.allocate(size_of::<f32>() as u64)).transpose()?;
    if let Some(scale) = &scale {
        gpu.upload(scale, 0, &[1f32])?;
    }
    let plan = Plan::new(cublas, run, &types, scale.as_ref())?;
    let (memory, workspace) = (Memory::new(gpu, run)?, gpu.allocate(WORKSPACE)?);
    let is_turned = types.turned.is_some();
    Ok(Box::new(Product { gpu, memory, workspace, scale, is_turned, plan }))
}

/// How cuBLASLt computes with elements of a type (cuBLAS documentation, "cublasLtMatmul").
struct Types {
    /// Of A and B.
    data: DataType,
    /// Of what would be added, and of the result.
    results: [DataType; 2],
    compute: Compute,
    /// Of the factors, host numbers here.
    factors: DataType,
    /// Where both factors must lie with their terms one after another, of what their sides must be multiples: B is then
    /// laid out column by column.
    turned: Option<u64>,
    /// Whether matrices have scales, in device memory.
    has_scales: bool,
}

impl Types {
    fn of(run: &KernelRun) -> Result<Self> {
        use DataType::{
            CUDA_R_8F_E4M3, CUDA_R_8I, CUDA_R_16BF, CUDA_R_16F, CUDA_R_32F, CUDA_R_32I, CUDA_R_64F,
        };
        let plain = |data, compute, factors| {
            Ok(Self { data, results: [data; 2], compute, factors, turned: None, has_scales: false })
        };
        match run.element {
            // Not TF32: what is asked for is what is measured.
            Element::F32 => plain(CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::Tf32 => plain(CUDA_R_32F, Compute::CUBLAS_COMPUTE_32F_FAST_TF32, CUDA_R_32F),
            Element::F64 => plain(CUDA_R_64F, Compute::CUBLAS_COMPUTE_64F, CUDA_R_64F),
            Element::F16 => plain(CUDA_R_16F, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::Bf16 => plain(CUDA_R_16BF, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F),
            Element::Fp8E4m3 => Ok(Self {
                results: [CUDA_R_16BF, CUDA_R_8F_E4M3],
                turned: Some(16),
                has_scales: true,
                ..plain(CUDA_R_8F_E4M3, Compute::CUBLAS_COMPUTE_32F, CUDA_R_32F)?
            }),
            Element::I8 => Ok(Self {
                results: [CUDA_R_32I; 2],
                turned: Some(4),
                ..plain(CUDA_R_8I, Compute::CUBLAS_COMPUTE_32I, CUDA_R_32I)?
            }),
            Element::Fp8E5m2 => Err(Error::unsupported(format!(
                "{} on GPUs is cuBLASLt's, which multiplies no two matrices of fp8e5m2; batched_gemm does",
                run.kernel.name
            ))),
            other => Err(no_such_type(&format!("{} on GPUs", run.kernel.name), other)),
        }
    }
}

/// What cuBLASLt needs to know, and its choice. Its matrices are column-major, so it is asked for
/// Cᵀ = Bᵀ·Aᵀ: the same memory, without a transposition.
struct Plan {
    cublas: &'static Functions,
    handle: Handle,
    operation: Description,
    /// Of Bᵀ (n×k; B where it is turned), Aᵀ (k×m), what would be added and Cᵀ (n×m).
    layouts: [Layout; 4],
    algorithm: Algorithm,
}

impl Plan {
    fn new(
        cublas: &'static Functions,
        run: &KernelRun,
        types: &Types,
        scale: Option<&Buffer>,
    ) -> Result<Self> {
        let doing = "plan a matrix product";
        let mut sides = run.inputs().chain(run.outputs()).map(|(_, shape)| (shape[0], shape[1]));
        let [Some((m, k)), _, Some((_, n))] = std::array::from_fn(|_| sides.next()) else {
            return Err(Error::internal("a product has two inputs and an output"));
        };
        let name = run.element.name();
        if let Some(unit) = types.turned.map(|unit| unit as usize)
            && !(n.is_multiple_of(unit) && k.is_multiple_of(unit))
        {
            return Err(Error::unsupported(format!(
                "cuBLASLt multiplies matrices of {name} only where n and k are multiples of {unit}, and they are {n} \
                 and {k}"
            )));
        }
        // Filled in step by step, so that what there is goes when a step fails.
        let mut plan = Self {
            cublas,
            handle: std::ptr::null_mut(),
            operation: std::ptr::null_mut(),
            layouts: [std::ptr::null_mut(); 4],
            algorithm: Algorithm { data: [0; 8] },
        };
        let created = {
            let (handle, operation) = (&raw mut plan.handle, &raw mut plan.operation);
            // SAFETY: the pointer is to one handle.
            cublas.check(unsafe { (cublas.create)(handle) }, "start cuBLASLt")?;
            // SAFETY: likewise.
            unsafe { (cublas.create_description)(operation, types.compute, types.factors) }
        };
        cublas.check(created, doing)?;
        plan.describe(types, scale)?;
        let of_b = if types.turned.is_some() { (k, n) } else { (n, k) };
        let [added, given] = types.results;
        let shapes = [(types.data, of_b), (types.data, (k, m)), (added, (n, m)), (given, (n, m))];
        for (layout, (data, (rows, columns))) in plan.layouts.iter_mut().zip(shapes) {
            let (rows, columns) = (rows as u64, columns as u64);
            // SAFETY: the pointer is to one handle.
            let made = unsafe { (cublas.create_layout)(layout, data, rows, columns, rows as i64) };
            cublas.check(made, doing)?;
        }
        let mut preference = std::ptr::null_mut();
        // SAFETY: the pointer is to one handle.
        cublas.check(unsafe { (cublas.create_preference)(&raw mut preference) }, doing)?;
        let chosen = plan
            .choose(preference, &format!("find an algorithm for a {m}x{n}x{k} product of {name}"));
        // SAFETY: created above, destroyed once.
        let gone = unsafe { (cublas.destroy_preference)(preference) };
        plan.algorithm = chosen?;
        cublas.check(gone, doing)?;
        Ok(plan)
    }

    /// Says how the first matrix lies, and where the scales are.
    fn describe(&self, types: &Types, scale: Option<&Buffer>) -> Result<()> {
        use DescriptionAttribute as Attribute;
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the operation is alive, and the value has that many bytes.
            let code = unsafe { (self.cublas.describe)(self.operation, attribute, value, size) };
            self.cublas.check(code, "plan a matrix product")
        };
        // cublasOperation_t (cublas_api.h): CUBLAS_OP_N and CUBLAS_OP_T.
        let turned: i32 = if types.turned.is_some() { 1 } else { 0 };
        let size = size_of_val(&turned);
        set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, (&raw const turned).cast(), size)?;
        let Some(scale) = scale.map(|scale| scale.pointer) else { return Ok(()) };
        [
            Attribute::CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
            Attribute::CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
            Attribute::CUBLASLT_MATMUL_DESC_D_SCALE_POINTER,
        ]
        .into_iter()
        .try_for_each(|attribute| set(attribute, (&raw const scale).cast(), size_of_val(&scale)))
    }

    /// cuBLASLt's first choice.
    fn choose(&self, preference: Preference, doing: &str) -> Result<Algorithm> {
        use PreferenceAttribute as Attribute;
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the preference is alive, and the value has that many bytes.
            let code = unsafe { (self.cublas.prefer)(preference, attribute, value, size) };
            self.cublas.check(code, doing)
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
        let [b, a, added, c] = self.layouts;
        let mut choice = Choice {
            algorithm: Algorithm { data: [0; 8] },
            workspace_bytes: 0,
            state: NOT_SUPPORTED,
            waves: 0.0,
            reserved: [0; 4],
        };
        let mut found = 0;
        // SAFETY: all handles were created by `new` and are alive, and there is room for one choice.
        let code = unsafe {
            (self.cublas.choose)(
                self.handle,
                self.operation,
                b,
                a,
                added,
                c,
                preference,
                1,
                &raw mut choice,
                &raw mut found,
            )
        };
        self.cublas.check(code, doing)?;
        self.cublas.check(if found > 0 { choice.state } else { NOT_SUPPORTED }, doing)?;
        Ok(choice.algorithm)
    }
}

impl Drop for Plan {
    fn drop(&mut self) {
        // SAFETY: each was created by `new` or is null, and is destroyed once. Errors are of no use: the
        // product is over.
        unsafe {
            for layout in self.layouts.into_iter().filter(|layout| !layout.is_null()) {
                let _ = (self.cublas.destroy_layout)(layout);
            }
            if !self.operation.is_null() {
                let _ = (self.cublas.destroy_description)(self.operation);
            }
            if !self.handle.is_null() {
                let _ = (self.cublas.destroy)(self.handle);
            }
        }
    }
}

/// A product, ready to run.
struct Product<'a> {
    gpu: &'a Gpu,
    memory: Memory,
    workspace: Buffer,
    /// 1, which the plan refers to, where matrices have scales.
    scale: Option<Buffer>,
    /// Whether B lies column by column.
    is_turned: bool,
    plan: Plan,
}

impl Product<'_> {
    /// Random floats in [-1, 1), which are timed: small whole numbers switch fewer transistors, and a GPU at
    /// its power limit then clocks higher than it would for anybody's data.
    fn load_noise(&self) -> Result<()> {
        let mut random = Random::new(0, "gemm timed", &[]);
        for ((_, shape), buffer) in self.memory.run.inputs().zip(&self.memory.inputs) {
            let most = if self.memory.run.element.is_float() { 1.0 } else { 127.0 };
            let noise =
                (0..shape.iter().product()).map(|_: usize| most * (2.0 * random.unit() - 1.0));
            with_number!(self.memory.run.element, T => {
                let values: Vec<T> = noise.map(<T as Number>::rounded).collect();
                self.gpu.upload(buffer, 0, &values)?;
            });
        }
        Ok(())
    }

    /// The known data, B column by column where it must lie so.
    fn load_known(&self) -> Result<()> {
        let Memory { run, inputs, .. } = &self.memory;
        self.memory.load(self.gpu)?;
        let (Some(b), true) = (run.inputs().nth(1), self.is_turned) else { return Ok(()) };
        let (k, n) = (b.1[0], b.1[1]);
        let known = run.filled(b)?;
        with_number!(known.element, T => {
            let rows = known.of::<T>();
            let columns = (0..n).flat_map(|column| (0..k).map(move |row| rows[row * n + column]));
            self.gpu.upload(&inputs[1], 0, &columns.collect::<Vec<T>>())
        })
    }
}

impl Operation for Product<'_> {
    fn load(&mut self, phase: Phase) -> Result<()> {
        match phase {
            Phase::Measure => self.load_noise(),
            _ => self.load_known(),
        }
    }

    fn enqueue(&mut self) -> Result<()> {
        let Memory { run, inputs, outputs } = &self.memory;
        let at = |buffer: &Buffer| -> *mut c_void {
            std::ptr::with_exposed_provenance_mut(buffer.pointer as usize)
        };
        let (ones, zeros) = ((1f32, 1f64, 1i32), (0f32, 0f64, 0i32));
        let scalar = |(narrow, wide, whole): &(f32, f64, i32)| -> *const c_void {
            match run.element {
                Element::F64 => std::ptr::from_ref(wide).cast(),
                Element::I8 => std::ptr::from_ref(whole).cast(),
                _ => std::ptr::from_ref(narrow).cast(),
            }
        };
        let [b_layout, a_layout, added_layout, c_layout] = self.plan.layouts;
        // Times 0, so that it is not read; with scales it has a type of which there is nothing.
        let added = if self.scale.is_some() { std::ptr::null_mut() } else { at(&outputs[0]) };
        // SAFETY: the buffers hold the matrices that the layouts describe, the scalars are of the scale
        // type and read before the call returns, and all lives until the stream is done; cudarc's
        // names for a stream are one C type.
        let queued = unsafe {
            (self.plan.cublas.multiply)(
                self.plan.handle,
                self.plan.operation,
                scalar(&ones),
                at(&inputs[1]),
                b_layout,
                at(&inputs[0]),
                a_layout,
                scalar(&zeros),
                added,
                added_layout,
                at(&outputs[0]),
                c_layout,
                &raw const self.plan.algorithm,
                at(&self.workspace),
                WORKSPACE as usize,
                self.gpu.raw_stream().cast(),
            )
        };
        self.plan.cublas.check(queued, "queue a matrix product")
    }

    /// A kernel, and where a sum is split what clears the parts and what adds them up.
    fn entries(&self) -> u32 {
        3
    }

    fn compare(&mut self, phase: Phase) -> Result<Accuracy> {
        match phase {
            // The noise that is timed has no exact product.
            Phase::Measure => Ok(Accuracy::default()),
            _ => self.memory.compare(self.gpu, phase),
        }
    }
}
