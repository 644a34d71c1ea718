//! The Gaussian error linear unit in its form with tanh (Hendrycks, Gimpel, 2016): 0.5·(1 + tanh(u)) is sigmoid(2u).

use std::f64::consts::FRAC_2_SQRT_PI;

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

/// 2·√(2/π).
const SCALE: f64 = FRAC_2_SQRT_PI * std::f64::consts::SQRT_2;

const CUBE: f64 = 0.044_715;

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let a = outputs[0].of::<T>();
    cpu.dispatch(Elements { x: inputs[0].of::<T>(), a });
}

struct Elements<'a, T> {
    x: &'a [T],
    a: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Elements<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [scale, cube] = [SCALE, CUBE].map(T::Wide::rounded);
        for (a, x) in self.a.iter_mut().zip(self.x) {
            let x = x.wide();
            *a = T::narrow(x * (scale * (x + cube * x * x * x)).sigmoid());
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, a: &mut [Expected]) {
    by_element(inputs, at, a, |[x]| {
        let double = SCALE * (x + CUBE * x.powi(3));
        let value = x / (1.0 + (-double).exp());
        // An error of the exponent is one of the result.
        Expected { value, scale: value.abs() * (1.0 + double.abs()) }
    });
}
