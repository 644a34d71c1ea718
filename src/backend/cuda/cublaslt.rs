//! cuBLASLt: what it is asked for, and which of its algorithms it offers.
#![expect(unsafe_code, reason = "cuBLASLt takes raw handles and pointers")]

use std::ffi::{CStr, c_char, c_int, c_void};

use cudarc::cublaslt::sys::{
    self, cublasComputeType_t as Compute, cublasLtHandle_t as Handle,
    cublasLtMatmulAlgo_t as Algorithm, cublasLtMatmulAlgoConfigAttributes_t as AlgorithmAttribute,
    cublasLtMatmulDesc_t as Description, cublasLtMatmulDescAttributes_t as DescriptionAttribute,
    cublasLtMatmulPreference_t as Preference,
    cublasLtMatmulPreferenceAttributes_t as PreferenceAttribute, cublasLtMatrixLayout_t as Layout,
    cudaDataType as DataType,
};

use super::gpu::{Buffer, Gpu};
use crate::backend::reference::no_such_type;
use crate::base::error::{Error, Kind, Result};
use crate::benchmark::kernel::KernelRun;
use crate::benchmark::work::Element;
use crate::machine::nvidia::functions;

/// Bytes of scratch memory: what NVIDIA recommends for Hopper (cuBLAS documentation, "cublasSetWorkspace").
pub(super) const WORKSPACE: u64 = 32 << 20;

/// Most algorithms that are asked for.
const CANDIDATES: usize = 16;

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
#[derive(Clone, Copy)]
struct Candidate {
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
        offer = cublasLtMatmulAlgoGetHeuristic(
            Handle, Description, Layout, Layout, Layout, Layout, Preference, c_int, *mut Candidate,
            *mut c_int,
        ) -> Code;
        configuration = cublasLtMatmulAlgoConfigGetAttribute(
            *const Algorithm, AlgorithmAttribute, *mut c_void, usize, *mut usize,
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

/// What cuBLASLt needs to know, and what it offers. Its matrices are column-major, so it is asked for
/// Cᵀ = Bᵀ·Aᵀ: the same memory, without a transposition.
pub(super) struct Plan {
    cublas: &'static Functions,
    handle: Handle,
    operation: Description,
    /// Of Bᵀ (n×k; B where it is turned), Aᵀ (k×m), what would be added and Cᵀ (n×m).
    layouts: [Layout; 4],
    /// The algorithms of its heuristic, the best by that first; at least one.
    candidates: Vec<Algorithm>,
    /// Which of them is used.
    chosen: usize,
    /// 1, which the plan refers to, where matrices have scales.
    scale: Option<Buffer>,
    /// Whether B lies column by column.
    pub(super) is_turned: bool,
}

impl Plan {
    /// Asks for the product's algorithms.
    ///
    /// # Errors
    /// Unfit without cuBLASLt, and unsupported for types and sizes that it does not take.
    pub(super) fn new(gpu: &Gpu, run: &KernelRun) -> Result<Self> {
        let (cublas, types) = (Functions::get()?, Types::of(run)?);
        let scale =
            (types.has_scales).then(|| gpu.allocate(size_of::<f32>() as u64)).transpose()?;
        if let Some(scale) = &scale {
            gpu.upload(scale, 0, &[1f32])?;
        }
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
            candidates: Vec::new(),
            chosen: 0,
            scale,
            is_turned: types.turned.is_some(),
        };
        let created = {
            let (handle, operation) = (&raw mut plan.handle, &raw mut plan.operation);
            // SAFETY: the pointer is to one handle.
            cublas.check(unsafe { (cublas.create)(handle) }, "start cuBLASLt")?;
            // SAFETY: likewise.
            unsafe { (cublas.create_description)(operation, types.compute, types.factors) }
        };
        cublas.check(created, doing)?;
        plan.describe()?;
        let of_b = if plan.is_turned { (k, n) } else { (n, k) };
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
        let offered =
            plan.ask(preference, &format!("find an algorithm for a {m}x{n}x{k} product of {name}"));
        // SAFETY: created above, destroyed once.
        let gone = unsafe { (cublas.destroy_preference)(preference) };
        plan.candidates = offered?;
        cublas.check(gone, doing)?;
        Ok(plan)
    }

    /// Says how the first matrix lies, and where the scales are.
    fn describe(&self) -> Result<()> {
        use DescriptionAttribute as Attribute;
        let set = |attribute, value: *const c_void, size| {
            // SAFETY: the operation is alive, and the value has that many bytes.
            let code = unsafe { (self.cublas.describe)(self.operation, attribute, value, size) };
            self.cublas.check(code, "plan a matrix product")
        };
        // cublasOperation_t (cublas_api.h): CUBLAS_OP_N and CUBLAS_OP_T.
        let turned: i32 = if self.is_turned { 1 } else { 0 };
        let size = size_of_val(&turned);
        set(Attribute::CUBLASLT_MATMUL_DESC_TRANSA, (&raw const turned).cast(), size)?;
        let Some(scale) = self.scale.as_ref().map(|scale| scale.pointer) else { return Ok(()) };
        [
            Attribute::CUBLASLT_MATMUL_DESC_A_SCALE_POINTER,
            Attribute::CUBLASLT_MATMUL_DESC_B_SCALE_POINTER,
            Attribute::CUBLASLT_MATMUL_DESC_D_SCALE_POINTER,
        ]
        .into_iter()
        .try_for_each(|attribute| set(attribute, (&raw const scale).cast(), size_of_val(&scale)))
    }

    /// The algorithms that cuBLASLt's heuristic offers.
    fn ask(&self, preference: Preference, doing: &str) -> Result<Vec<Algorithm>> {
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
        let nothing = Candidate {
            algorithm: Algorithm { data: [0; 8] },
            workspace_bytes: 0,
            state: NOT_SUPPORTED,
            waves: 0.0,
            reserved: [0; 4],
        };
        let (mut offered, mut found) = ([nothing; CANDIDATES], 0);
        // SAFETY: all handles were created by `new` and are alive, and there is room for so many candidates.
        let code = unsafe {
            (self.cublas.offer)(
                self.handle,
                self.operation,
                b,
                a,
                added,
                c,
                preference,
                CANDIDATES as c_int,
                offered.as_mut_ptr(),
                &raw mut found,
            )
        };
        self.cublas.check(code, doing)?;
        let found = offered.iter().take(usize::try_from(found).unwrap_or(0));
        let possible = found.filter(|candidate| candidate.state == SUCCESS);
        let algorithms: Vec<Algorithm> = possible.map(|candidate| candidate.algorithm).collect();
        self.cublas.check(if algorithms.is_empty() { NOT_SUPPORTED } else { SUCCESS }, doing)?;
        Ok(algorithms)
    }

    /// How many algorithms there are to choose from.
    pub(super) fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// Takes another of them; the first until then.
    pub(super) fn choose(&mut self, candidate: usize) {
        self.chosen = candidate;
    }

    /// What cuBLASLt tells of the algorithm in use, in its own numbers (cublasLt.h,
    /// `cublasLtMatmulAlgoConfigAttributes_t`).
    pub(super) fn configuration(&self) -> Result<Vec<(&'static str, u64)>> {
        use AlgorithmAttribute as Attribute;
        let facts = [
            ("algorithm", Attribute::CUBLASLT_ALGO_CONFIG_ID),
            ("tile", Attribute::CUBLASLT_ALGO_CONFIG_TILE_ID),
            ("stages", Attribute::CUBLASLT_ALGO_CONFIG_STAGES_ID),
            ("split_k", Attribute::CUBLASLT_ALGO_CONFIG_SPLITK_NUM),
        ];
        let read = |(name, attribute)| {
            let (mut value, mut written) = (0u32, 0);
            let algorithm = &raw const self.candidates[self.chosen];
            let (to, size) = ((&raw mut value).cast(), size_of_val(&value));
            // SAFETY: the algorithm is cuBLASLt's own, and there is room for the number.
            let code = unsafe {
                (self.cublas.configuration)(algorithm, attribute, to, size, &raw mut written)
            };
            self.cublas.check(code, "read how a matrix product is computed")?;
            Ok((name, value.into()))
        };
        facts.into_iter().map(read).collect()
    }

    /// Queues the product of `a` and `b`, which goes to `c`.
    ///
    /// # Safety
    /// The buffers hold matrices of the shapes that the plan was made for, `workspace` has [`WORKSPACE`] bytes, and all live
    /// until the stream is done.
    pub(super) unsafe fn queue(
        &self,
        gpu: &Gpu,
        element: Element,
        [a, b, c, workspace]: [&Buffer; 4],
    ) -> Result<()> {
        let at = |buffer: &Buffer| -> *mut c_void {
            std::ptr::with_exposed_provenance_mut(buffer.pointer as usize)
        };
        let (ones, zeros) = ((1f32, 1f64, 1i32), (0f32, 0f64, 0i32));
        let scalar = |(narrow, wide, whole): &(f32, f64, i32)| -> *const c_void {
            match element {
                Element::F64 => std::ptr::from_ref(wide).cast(),
                Element::I8 => std::ptr::from_ref(whole).cast(),
                _ => std::ptr::from_ref(narrow).cast(),
            }
        };
        let [b_layout, a_layout, added_layout, c_layout] = self.layouts;
        // Times 0, so that it is not read; with scales it has a type of which there is nothing.
        let added = if self.scale.is_some() { std::ptr::null_mut() } else { at(c) };
        // SAFETY: the caller promises it for the buffers; the scalars are of the scale type and read before the call
        // returns, and cudarc's names for a stream are one C type.
        let queued = unsafe {
            (self.cublas.multiply)(
                self.handle,
                self.operation,
                scalar(&ones),
                at(b),
                b_layout,
                at(a),
                a_layout,
                scalar(&zeros),
                added,
                added_layout,
                at(c),
                c_layout,
                &raw const self.candidates[self.chosen],
                at(workspace),
                WORKSPACE as usize,
                gpu.raw_stream().cast(),
            )
        };
        self.cublas.check(queued, "queue a matrix product")
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
