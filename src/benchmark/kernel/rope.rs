//! Rotary position embedding (Su and others, 2021): the halves of a head are the pairs, as in GPT-NeoX.

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

fn host<T: Real>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], y: &mut [T]) {
    cpu.dispatch(Heads { x: inputs[0], cosine: inputs[1], sine: inputs[2], y });
}

struct Heads<'a, T> {
    x: View<'a, T>,
    cosine: View<'a, T>,
    sine: View<'a, T>,
    y: &'a mut [T],
}

impl<T: Real> pulp::NullaryFnOnce for Heads<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, cosine, sine, y } = self;
        let pairs = cosine.shape[1];
        let heads = x.shape[0] / cosine.shape[0];
        let rows = x.data.chunks_exact(2 * pairs).zip(y.chunks_exact_mut(2 * pairs));
        for (head, (x, y)) in rows.enumerate() {
            let token = head / heads * pairs;
            let (a, b) = x.split_at(pairs);
            let (first, second) = y.split_at_mut(pairs);
            let table = cosine.data[token..].iter().zip(&sine.data[token..]);
            let outputs = first.iter_mut().zip(second);
            for (((first, second), (a, b)), (c, s)) in outputs.zip(a.iter().zip(b)).zip(table) {
                *first = *a * *c - *b * *s;
                *second = *b * *c + *a * *s;
            }
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, y: &mut [Expected]) {
    let head = at / y.len();
    let token = head * inputs[1].shape[0] / inputs[0].shape[0];
    let [x, c, s] = [inputs[0].row(head), inputs[1].row(token), inputs[2].row(token)];
    let pairs = c.len();
    for i in 0..pairs {
        let turned = |p: f64, q: f64| Expected { value: p + q, scale: p.abs() + q.abs() };
        let (a, b) = (x[i], x[i + pairs]);
        y[i] = turned(a * c[i], -b * s[i]);
        y[i + pairs] = turned(b * c[i], a * s[i]);
    }
}
