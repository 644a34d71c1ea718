//! Rotary position embedding (Su and others, 2021): the halves of a head are the pairs, as in GPT-NeoX.

use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

fn host<T: Stored>(cpu: pulp::Arch, inputs: &[View<'_>], _: &[f64], outputs: &mut [ViewMut<'_>]) {
    let y = outputs[0].of::<T>();
    let heads = inputs[0].shape[0] / inputs[1].shape[0];
    let [x, cosine, sine] = [0, 1, 2].map(|input| inputs[input].of::<T>());
    cpu.dispatch(Heads { x, cosine, sine, heads, pairs: inputs[1].shape[1], y });
}

struct Heads<'a, T> {
    x: &'a [T],
    cosine: &'a [T],
    sine: &'a [T],
    heads: usize,
    pairs: usize,
    y: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Heads<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, cosine, sine, heads, pairs, y } = self;
        let rows = x.chunks_exact(2 * pairs).zip(y.chunks_exact_mut(2 * pairs));
        for (head, (x, y)) in rows.enumerate() {
            let token = head / heads * pairs;
            let (a, b) = x.split_at(pairs);
            let (first, second) = y.split_at_mut(pairs);
            let table = cosine[token..].iter().zip(&sine[token..]);
            let outputs = first.iter_mut().zip(second);
            for (((first, second), (a, b)), (c, s)) in outputs.zip(a.iter().zip(b)).zip(table) {
                let (a, b, c, s) = (a.wide(), b.wide(), c.wide(), s.wide());
                *first = T::narrow(a * c - b * s);
                *second = T::narrow(b * c + a * s);
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
