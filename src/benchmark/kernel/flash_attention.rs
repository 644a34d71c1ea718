//! Attention of each head, forward, without a mask: softmax(q·kᵀ/√dim)·v, block by block of keys (Dao and others, 2022).

use super::*;

pub(super) const CODE: Code = Code {
    host: Host::Own { f32: host, f64: host },
    cublas_lt: false,
    check: Check { expected, suspects: None },
};

/// Queries and keys of a block of scores, and how deep the keys of a block are turned at a time.
const QUERIES: usize = 32;
const KEYS: usize = 64;
const DEPTH: usize = 64;

fn host<T: Exponential>(cpu: pulp::Arch, inputs: &[View<'_, T>], _: &[f64], o: &mut [T]) {
    cpu.dispatch(Heads { q: inputs[0], k: inputs[1].data, v: inputs[2].data, o });
}

struct Heads<'a, T> {
    q: View<'a, T>,
    k: &'a [T],
    v: &'a [T],
    o: &'a mut [T],
}

impl<T: Exponential> pulp::NullaryFnOnce for Heads<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let [tokens, dim] = [1, 2].map(|axis| self.q.shape[axis]);
        let head = tokens * dim;
        let inputs = self.q.data.chunks_exact(head).zip(self.k.chunks_exact(head));
        let inputs = inputs.zip(self.v.chunks_exact(head));
        for (((q, k), v), o) in inputs.zip(self.o.chunks_exact_mut(head)) {
            let block = QUERIES * dim;
            for (q, o) in q.chunks(block).zip(o.chunks_mut(block)) {
                attend(q, k, v, o, dim);
            }
        }
    }
}

/// The output of a block of queries.
#[inline(always)]
fn attend<T: Exponential>(q: &[T], k: &[T], v: &[T], o: &mut [T], dim: usize) {
    let factor = T::rounded(1.0 / (dim as f64).sqrt());
    let mut most = [T::rounded(f64::NEG_INFINITY); QUERIES];
    let mut sums = [T::of(0); QUERIES];
    o.fill(T::of(0));
    for (k, v) in k.chunks(KEYS * dim).zip(v.chunks(KEYS * dim)) {
        let keys = k.len() / dim;
        let mut scores = scores(q, k, dim);
        let rows = o.chunks_exact_mut(dim).zip(&mut scores).zip(most.iter_mut().zip(&mut sums));
        for ((o, scores), (most, whole)) in rows {
            let scores = &mut scores[..keys];
            let largest = largest(scores) * factor;
            let larger = if largest > *most { largest } else { *most };
            let kept = (*most - larger).exp();
            *most = larger;
            for score in &mut *scores {
                // Rounding may carry the largest beyond itself, and the exponential takes nothing above 0.
                let below = *score * factor - larger;
                *score = if below < T::of(0) { below } else { T::of(0) }.exp();
            }
            *whole = *whole * kept + T::rounded(sum(scores, |score| score));
            for o in &mut *o {
                *o = *o * kept;
            }
            add_weighted(o, scores, v);
        }
    }
    for (o, sum) in o.chunks_exact_mut(dim).zip(sums) {
        let factor = T::rounded(1.0 / sum.to_f64());
        for o in o {
            *o = *o * factor;
        }
    }
}

/// q·kᵀ. Keys are turned first, so that a vector holds a number of each of several keys.
#[inline(always)]
fn scores<T: Real>(q: &[T], k: &[T], dim: usize) -> [[T; KEYS]; QUERIES] {
    let mut scores = [[T::of(0); KEYS]; QUERIES];
    for first in (0..dim).step_by(DEPTH) {
        let depth = first..dim.min(first + DEPTH);
        let mut turned = [[T::of(0); KEYS]; DEPTH];
        for (key, k) in k.chunks_exact(dim).enumerate() {
            for (turned, k) in turned.iter_mut().zip(&k[depth.clone()]) {
                turned[key] = *k;
            }
        }
        for (scores, q) in scores.iter_mut().zip(q.chunks_exact(dim)) {
            let mut sums = *scores;
            for (turned, q) in turned.iter().zip(&q[depth.clone()]) {
                for (sum, k) in sums.iter_mut().zip(turned) {
                    *sum = q.mul_add(*k, *sum);
                }
            }
            *scores = sums;
        }
    }
    scores
}

/// o += weights·v, several rows of v at a time, so that o is read and written less often.
#[inline(always)]
fn add_weighted<T: Real>(o: &mut [T], weights: &[T], v: &[T]) {
    let dim = o.len();
    let (fours, rest) = weights.as_chunks::<4>();
    let (v, v_rest) = v.split_at(4 * fours.len() * dim);
    for ([a, b, c, d], v) in fours.iter().zip(v.chunks_exact(4 * dim)) {
        let ((first, second), (third, fourth)) = {
            let (front, back) = v.split_at(2 * dim);
            (front.split_at(dim), back.split_at(dim))
        };
        let rows = first.iter().zip(second).zip(third.iter().zip(fourth));
        for (o, ((p, q), (r, s))) in o.iter_mut().zip(rows) {
            *o = a.mul_add(*p, b.mul_add(*q, c.mul_add(*r, d.mul_add(*s, *o))));
        }
    }
    for (weight, v) in rest.iter().zip(v_rest.chunks_exact(dim)) {
        for (o, v) in o.iter_mut().zip(v) {
            *o = weight.mul_add(*v, *o);
        }
    }
}

fn expected(inputs: &[Values<'_>], _: &[f64], at: usize, o: &mut [Expected]) {
    let [tokens, dim] = [1, 2].map(|axis| inputs[0].shape[axis]);
    let (mut head, mut k, mut v) = (None, Vec::new(), Vec::new());
    let mut done = 0;
    while done < o.len() {
        let (row, first) = ((at + done) / dim, (at + done) % dim);
        if head != Some(row / tokens) {
            head = Some(row / tokens);
            let range = row / tokens * tokens * dim..(row / tokens + 1) * tokens * dim;
            [k, v] = [1, 2].map(|input| inputs[input].read(range.clone()));
        }
        let q = inputs[0].row(row);
        let score = |k: &[f64]| k.iter().zip(&q).map(|(k, q)| k * q).sum::<f64>();
        let mut weights: Vec<f64> =
            k.chunks_exact(dim).map(|k| score(k) / (dim as f64).sqrt()).collect();
        let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        weights.iter_mut().for_each(|weight| *weight = (*weight - most).exp());
        let sum = exact_sum(weights.iter().copied());
        let end = o.len().min(done + dim - first);
        let row = &mut o[done..end];
        row.fill(Expected::default());
        for (weight, v) in weights.iter().zip(v.chunks_exact(dim)) {
            for (o, v) in row.iter_mut().zip(&v[first..]) {
                o.value += weight / sum * v;
                o.scale += weight / sum * v.abs();
            }
        }
        done = end;
    }
}
