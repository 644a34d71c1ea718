//! C = A·B, dense and row-major.

use super::*;

pub(super) const CODE: Code = Code {
    host: product::HOST,
    cublas_lt: true,
    check: Check { expected: &[expected], suspects: Some(suspects) },
};

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, c: &mut [Expected]) {
    let mut sums = vec![0.0; c.len()];
    for (l, a) in inputs[0].row(at / c.len()).into_iter().enumerate() {
        sums.iter_mut().zip(inputs[1].row(l)).for_each(|(sum, b)| *sum += a * b);
    }
    c.iter_mut().zip(sums).for_each(|(c, sum)| *c = Expected::of(sum));
}

fn suspects(inputs: &[Values<'_>], _: &[f64], c: &Values<'_>) -> Vec<usize> {
    let x = freivalds(c.shape[1]);
    let expected = times(&inputs[0], &times(&inputs[1], &x));
    let got = times(c, &x);
    // Not a number is not the right one.
    let differs = |(row, (expected, got)): (usize, (f64, f64))| (expected != got).then_some(row);
    expected.into_iter().zip(got).enumerate().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_in_tf32_shows() {
        let gemm = KERNELS.iter().find(|kernel| kernel.name == "gemm").unwrap();
        let sides = [("m", 8), ("n", 8), ("k", 64)];
        let problem = sides.map(|(key, side)| (key.to_owned(), Setting::Number(side))).into();
        let run = gemm.run(&problem, Element::F32).unwrap();
        assert_eq!((run.flops(), run.bytes()), (Some(8192.0), 4352));
        assert_eq!(run.memory_traffic(), None);
        let (mut a, mut b) = (vec![0f32; 8 * 64], vec![0f32; 64 * 8]);
        gemm.inputs[0].fill(&run, &mut a);
        gemm.inputs[1].fill(&run, &mut b);
        let suspects_of = |used: &[f32]| {
            let mut c = [0f32; 64];
            for (i, l, j) in (0..8 * 64 * 8).map(|at| (at / 512, at / 8 % 64, at % 8)) {
                c[i * 8 + j] += a[i * 64 + l] * used[l * 8 + j];
            }
            let inputs = [Values::new(&a, &[8, 64]), Values::new(&b, &[64, 8])];
            suspects(&inputs, &[], &Values::new(&c, &[8, 8]))
        };
        assert!(suspects_of(&b).is_empty());
        // TF32 keeps 10 of the 23 bits of an f32's fraction.
        let narrowed: Vec<f32> = b.iter().map(|b| f32::from_bits(b.to_bits() & !0x1fff)).collect();
        assert_eq!(suspects_of(&narrowed).len(), 8);
    }
}
