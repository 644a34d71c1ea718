//! A step of AdamW (Loshchilov and Hutter, 2019): Adam (Kingma and Ba, 2015) with parameters that decay by themselves.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_singles!(host),
    cublas_lt: false,
    check: Check {
        expected: &[
            |inputs, scalars, at, p| {
                by_element(inputs, at, p, |of| Step::of(scalars).expected(of)[0])
            },
            |inputs, scalars, at, m| {
                by_element(inputs, at, m, |of| Step::of(scalars).expected(of)[1])
            },
            |inputs, scalars, at, v| {
                by_element(inputs, at, v, |of| Step::of(scalars).expected(of)[2])
            },
        ],
        suspects: None,
    },
};

/// What a step is set by. For each moment `new` is 1 − β; after t steps `step` is rate/(1 − β₁ᵗ) and `root` 1/√(1 − β₂ᵗ);
/// `shrink` is rate·decay.
struct Step<W> {
    beta: [W; 2],
    new: [W; 2],
    eps: W,
    step: W,
    root: W,
    shrink: W,
}

impl<W: Number> Step<W> {
    fn of(scalars: &[f64]) -> Self {
        let number = |at: usize| W::rounded(scalars[at]);
        Self {
            beta: [number(0), number(1)],
            new: [number(2), number(3)],
            eps: number(4),
            step: number(5),
            root: number(6),
            shrink: number(7),
        }
    }
}

impl Step<f64> {
    /// The parameter and its moments.
    fn expected(&self, [p, m, v, g]: [f64; 4]) -> [Expected; 3] {
        let mean = |at: usize, was: f64, new: f64| {
            let (was, new) = (self.beta[at] * was, self.new[at] * new);
            Expected { value: was + new, scale: was.abs() + new.abs() }
        };
        let (m, v) = (mean(0, m, g), mean(1, v, g * g));
        let change = |m: f64| self.step * m / (v.value.sqrt() * self.root + self.eps);
        let value = p - change(m.value) - self.shrink * p;
        let scale = p.abs() + change(m.scale) + self.shrink * p.abs();
        [Expected { value, scale }, m, v]
    }
}

fn host<T: Stored<Wide = f32>>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let [p_new, m_new, v_new] = outputs else { return };
    cpu.dispatch(Parameters {
        step: Step::of(scalars),
        p: inputs[0].of::<T>(),
        m: inputs[1].of(),
        v: inputs[2].of(),
        g: inputs[3].of(),
        p_new: p_new.of(),
        m_new: m_new.of(),
        v_new: v_new.of(),
    });
}

struct Parameters<'a, T> {
    step: Step<f32>,
    p: &'a [T],
    m: &'a [f32],
    v: &'a [f32],
    g: &'a [T],
    p_new: &'a mut [T],
    m_new: &'a mut [f32],
    v_new: &'a mut [f32],
}

impl<T: Stored<Wide = f32>> pulp::NullaryFnOnce for Parameters<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Step { beta, new, eps, step, root, shrink } = self.step;
        let read = self.p.iter().zip(self.g).zip(self.m.iter().zip(self.v));
        let written = self.p_new.iter_mut().zip(self.m_new.iter_mut().zip(self.v_new));
        for ((p_new, (m_new, v_new)), ((p, g), (m, v))) in written.zip(read) {
            let (p, g) = (p.wide(), g.wide());
            *m_new = beta[0] * m + new[0] * g;
            *v_new = beta[1] * v + new[1] * g * g;
            let change = *m_new / (v_new.sqrt() * root + eps);
            *p_new = T::narrow(p - (step * change + shrink * p));
        }
    }
}
