//! Our gemm against OpenBLAS on one thread, alternated in one process.
//!
//! `OPENBLAS_NUM_THREADS=1 gemm PATH/TO/libopenblas.so`; `scripts/compare-with-peers gemm` does it all.
#![expect(unsafe_code, reason = "the peer is C")]
#![expect(clippy::print_stdout, reason = "a table is what this is for")]

use std::error::Error;
use std::ffi::{CStr, c_char, c_int};

use libloading::Library;
use tesserabench::backend::{self, Peers, Start};
use tesserabench::benchmark::work::{Element, Work};
use tesserabench::plan::Plan;
use tesserabench::plan::config::{Config, ThreadLevel};
use tesserabench::plan::place::Place;
use tesserabench::stats;
use tesserabench::world::clock::{Clock as _, HostClock};
use tesserabench::world::{WaitPolicy, World};

/// How often the two take turns at each size.
const ALTERNATIONS: usize = 31;

/// CBLAS's names for row-major and not transposed.
const ROW_MAJOR: c_int = 101;
const NOT_TRANSPOSED: c_int = 111;

type Gemm<T> = unsafe extern "C" fn(
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    c_int,
    T,
    *const T,
    c_int,
    *const T,
    c_int,
    T,
    *mut T,
    c_int,
);

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("usage: gemm PATH/TO/libopenblas.so")?;
    // SAFETY: OpenBLAS may be loaded into any process.
    let library = unsafe { Library::new(path)? };
    // SAFETY: OpenBLAS declares it so; it returns a static string.
    let core = unsafe {
        let name =
            library.get::<unsafe extern "C" fn() -> *const c_char>(b"openblas_get_corename")?;
        CStr::from_ptr(name()).to_string_lossy().into_owned()
    };
    // SAFETY: CBLAS declares the two so.
    let (sgemm, dgemm) = unsafe {
        (*library.get::<Gemm<f32>>(b"cblas_sgemm")?, *library.get::<Gemm<f64>>(b"cblas_dgemm")?)
    };
    let world = World::join(ThreadLevel::Single)?;
    let config: Config = serde_json::from_str(
        r#"{"benchmarks": {"gemm": {"m": [512, 1024, 2048]}}, "precision_policies": ["f32", "f64"]}"#,
    )?;
    let plan = Plan::resolve(&config, &Place::on_one_node(1))?;
    let backend = backend::open(&plan, &world)?;
    let clock = HostClock::new(WaitPolicy::Spin);
    println!("one thread, OpenBLAS kernels for {core}, {ALTERNATIONS} alternations; medians");
    println!(
        "{:>4} {:>5} {:>14} {:>16}  ours/OpenBLAS [quartiles]",
        "type", "n", "ours GFLOP/s", "OpenBLAS GFLOP/s"
    );
    let mut logarithms = Vec::new();
    for case in &plan.cases {
        let Work::Kernel(gemm) = &case.work else { continue };
        let n = gemm.sizes[0] as usize;
        let mut prepared = backend.prepare(&case.work, &case.group, Peers::of(&world))?;
        prepared.verify()?;
        let mut peer: Box<dyn FnMut()> = match gemm.element {
            Element::F32 => peer(n, sgemm, 1.0, 0.0),
            _ => peer(n, dgemm, 1.0, 0.0),
        };
        peer();
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for alternation in 0..ALTERNATIONS {
            for turn in 0..2 {
                if (alternation + turn) % 2 == 0 {
                    let sample = prepared.fire(Start::Now)?;
                    ours.push((sample.end - sample.start) as f64);
                } else {
                    let start = clock.now();
                    peer();
                    theirs.push((clock.now() - start) as f64);
                }
            }
        }
        // Speeds: the inverse of times.
        let ratios: Vec<f64> =
            ours.iter().zip(&theirs).map(|(ours, theirs)| theirs / ours).collect();
        let at = |q| stats::quantile(&ratios, q).unwrap_or(f64::NAN);
        let flops = gemm.flops().unwrap_or(f64::NAN);
        let rate = |nanos: &[f64]| flops / stats::median(nanos).unwrap_or(f64::NAN);
        logarithms.push(at(0.5).ln());
        println!(
            "{:>4} {:>5} {:>14.1} {:>16.1}  {:.3} [{:.3}, {:.3}]",
            gemm.element.name(),
            n,
            rate(&ours),
            rate(&theirs),
            at(0.5),
            at(0.25),
            at(0.75)
        );
    }
    println!("geometric mean of ours/OpenBLAS: {:.3}", stats::mean(&logarithms).exp());
    Ok(())
}

fn peer<T: Copy + 'static>(n: usize, gemm: Gemm<T>, one: T, zero: T) -> Box<dyn FnMut()> {
    let side = c_int::try_from(n).unwrap_or(c_int::MAX);
    let (a, b, mut c) = (vec![one; n * n], vec![one; n * n], vec![zero; n * n]);
    Box::new(move || {
        // SAFETY: three matrices of n·n elements, row-major, none overlapping another.
        unsafe {
            gemm(
                ROW_MAJOR,
                NOT_TRANSPOSED,
                NOT_TRANSPOSED,
                side,
                side,
                side,
                one,
                a.as_ptr(),
                side,
                b.as_ptr(),
                side,
                zero,
                c.as_mut_ptr(),
                side,
            );
        }
    })
}
