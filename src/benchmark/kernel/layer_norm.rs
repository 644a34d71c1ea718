//! Layer normalisation of the rows of a matrix, forward (Ba, Kiros, Hinton, 2016).

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let y = outputs[0].of::<T>();
    let [x, weight, bias] = [0, 1, 2].map(|input| inputs[input].of::<T>());
    cpu.dispatch(Rows { x, weight, bias, eps: scalars[0], y });
}

/// The variance is taken around the mean; all but the first pass over a row find it in the cache. No closure: `call` and
/// what it calls must be inlined to get the widest vectors.
struct Rows<'a, T> {
    x: &'a [T],
    weight: &'a [T],
    bias: &'a [T],
    eps: f64,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Rows<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, weight, bias, eps, y } = self;
        let cols = weight.len();
        for (x, y) in x.chunks_exact(cols).zip(y.chunks_exact_mut(cols)) {
            let mean = T::Wide::rounded(sum(x, |x| x) / cols as f64);
            let variance = sum(x, |x| (x - mean) * (x - mean)) / cols as f64;
            let scale = T::Wide::rounded(1.0 / (variance + eps).sqrt());
            for (((y, x), weight), bias) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = T::narrow((x.wide() - mean) * scale * weight.wide() + bias.wide());
            }
        }
    }
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, y: &mut [Expected]) {
    let cols = y.len();
    let x = inputs[0].row(at / cols);
    let [weight, bias] = [1, 2].map(|input| inputs[input].read(0..cols));
    let mean = exact_sum(x.iter().copied()) / cols as f64;
    let variance = exact_sum(x.iter().map(|x| (x - mean).powi(2))) / cols as f64;
    let scale = 1.0 / (variance + scalars[0]).sqrt();
    for (i, y) in y.iter_mut().enumerate() {
        y.value = (x[i] - mean) * scale * weight[i] + bias[i];
        // Where x is near the mean, what is left is as exact as the two were.
        y.scale = (x[i].abs() + mean.abs()) * scale * weight[i].abs() + bias[i].abs();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variance_that_cancels_or_lacks_eps_is_found() {
        let kernel = KERNELS.iter().find(|kernel| kernel.name == "layer_norm").unwrap();
        let cols = 4096;
        let mut random = crate::base::random::Stream::new(0, "x", &[]);
        let x: Vec<f32> = (0..cols).map(|_| 9.0 + 2.0 * random.unit() as f32).collect();
        let (ones, zeros) = (vec![1f32; cols], vec![0f32; cols]);
        let inputs = [(&x, [1, cols]), (&ones, [1, cols]), (&zeros, [1, cols])];
        let inputs = inputs.each_ref().map(|(values, shape)| Values::new(values, shape));
        let mut expected = vec![Expected::default(); cols];
        let reference = kernel.reference.as_ref().unwrap();
        let scalar = kernel.scalars[0].value(|_| None);
        let eps = scalar as f32;
        (reference.check.expected[0])(&inputs, &[scalar], 0, &mut expected);
        let mean = sum(&x, |x| x) as f32 / cols as f32;
        let around = sum(&x, |x| (x - mean).powi(2)) as f32 / cols as f32;
        let squares = x.iter().map(|x| x * x).sum::<f32>() / cols as f32;
        let wrong = |variance: f32| {
            let is_wrong = |(x, expected): &(&f32, &Expected)| {
                let y = f64::from((*x - mean) / variance.sqrt());
                let room = reference.tolerance * f64::from(f32::EPSILON) * expected.scale;
                (y - expected.value).abs() > room
            };
            x.iter().zip(&expected).filter(is_wrong).count()
        };
        assert_eq!(wrong(around + eps), 0);
        assert!(wrong(squares - mean * mean + eps) > 0);
        assert!(wrong(around) > 0);
    }
}
