//! Attention of each head, forward: softmax(q·kᵀ/√dim)·v, block by block of keys (Dao and others, 2022).

use super::product::Product;
use super::*;

pub(super) const CODE: Code = Code {
    host: for_floats!(host),
    cublas_lt: false,
    check: Check { expected: &[expected], suspects: None },
};

/// Queries and keys of a block of scores.
const QUERIES: usize = 128;
const KEYS: usize = 256;

fn host<T: Stored>(
    cpu: pulp::Arch,
    inputs: &[View<'_>],
    scalars: &[f64],
    outputs: &mut [ViewMut<'_>],
) {
    let o = outputs[0].of::<T>();
    let (is_causal, sharing) = mask_and_sharing(scalars);
    let &[_, tokens, dim] = inputs[0].shape else { return };
    let [q, k, v] = [0, 1, 2].map(|input| inputs[input].of::<T>());
    let block = &mut Block::new(dim);
    cpu.dispatch(Heads { q, k, v, tokens, dim, sharing, is_causal, block, o });
}

/// Whether a token sees none after it, and how many heads of queries share a head of keys and values (Ainslie and others,
/// 2023).
fn mask_and_sharing(scalars: &[f64]) -> (bool, usize) {
    (scalars[0] > 0.0, scalars[1] as usize)
}

/// A block of queries, one of keys with their values, and what the queries have so far.
struct Block<W> {
    q: Vec<W>,
    k: Vec<W>,
    v: Vec<W>,
    scores: Vec<W>,
    /// The output of each query, but for the sum of its weights.
    o: Vec<W>,
    sums: [W; QUERIES],
    /// The largest score of each query.
    most: [W; QUERIES],
}

impl<W: Stored> Block<W> {
    fn new(dim: usize) -> Self {
        let [q, o] = [0; 2].map(|_| vec![W::of(0); QUERIES * dim]);
        let [k, v] = [0; 2].map(|_| vec![W::of(0); KEYS * dim]);
        let [sums, most] = [[W::of(0); QUERIES]; 2];
        Self { q, k, v, scores: vec![W::of(0); QUERIES * KEYS], o, sums, most }
    }
}

struct Heads<'a, T: Stored> {
    q: &'a [T],
    k: &'a [T],
    v: &'a [T],
    tokens: usize,
    dim: usize,
    sharing: usize,
    is_causal: bool,
    block: &'a mut Block<T::Wide>,
    o: &'a mut [T],
}

impl<T: Stored> pulp::NullaryFnOnce for Heads<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { q, k, v, tokens, dim, sharing, is_causal, block, o } = self;
        let size = tokens * dim;
        for (head, (q, o)) in q.chunks_exact(size).zip(o.chunks_exact_mut(size)).enumerate() {
            let [k, v] = [k, v].map(|all| &all[head / sharing * size..][..size]);
            let queries = QUERIES * dim;
            for (index, (q, o)) in q.chunks(queries).zip(o.chunks_mut(queries)).enumerate() {
                let first = index * QUERIES;
                let seen = if is_causal { first * dim + q.len() } else { size };
                let mask = is_causal.then_some(first);
                attend(q, &k[..seen], &v[..seen], block, (dim, mask));
                let rows = o.chunks_exact_mut(dim).zip(block.o.chunks_exact(dim)).zip(&block.sums);
                for ((o, held), sum) in rows {
                    let factor = T::Wide::rounded(1.0 / sum.to_f64());
                    for (o, held) in o.iter_mut().zip(held) {
                        *o = T::narrow(*held * factor);
                    }
                }
            }
        }
    }
}

/// Attends a block of queries. With a mask, which is the first query's token, queries see keys up to their own token.
#[inline(always)]
fn attend<T: Stored>(
    q: &[T],
    k: &[T],
    v: &[T],
    block: &mut Block<T::Wide>,
    (dim, mask): (usize, Option<usize>),
) {
    let lowest = T::Wide::rounded(f64::NEG_INFINITY);
    let [zero, one] = [0, 1].map(T::Wide::of);
    let root = T::Wide::rounded(1.0 / (dim as f64).sqrt());
    let queries = q.len() / dim;
    let Block { q: wide_q, k: wide_k, v: wide_v, scores, o, sums, most } = block;
    let (q, o) = (widened(q, wide_q), &mut o[..q.len()]);
    o.fill(zero);
    sums.fill(zero);
    most.fill(lowest);
    for (index, (k, v)) in k.chunks(KEYS * dim).zip(v.chunks(KEYS * dim)).enumerate() {
        let keys = k.len() / dim;
        let (k, v) = (widened(k, wide_k), widened(v, wide_v));
        let scores = &mut scores[..queries * keys];
        let sides = [queries, dim, keys];
        Product { sides, by_columns: true, adds: false }.compute(root, q, k, scores);
        let rows = scores.chunks_exact_mut(keys).zip(o.chunks_exact_mut(dim));
        let so_far = most.iter_mut().zip(&mut *sums);
        for (query, ((scores, o), (most, sum_so_far))) in rows.zip(so_far).enumerate() {
            if let Some(first) = mask {
                let seen = (first + query + 1).saturating_sub(index * KEYS).min(keys);
                scores[seen..].fill(lowest);
            }
            let largest = largest(scores);
            let larger = if largest > *most { largest } else { *most };
            let kept = (*most - larger).exp();
            *most = larger;
            scores.iter_mut().for_each(|score| *score = (*score - larger).exp());
            *sum_so_far = *sum_so_far * kept + T::Wide::rounded(sum(scores, |score| score));
            o.iter_mut().for_each(|o| *o = *o * kept);
        }
        let sides = [queries, keys, dim];
        Product { sides, by_columns: false, adds: true }.compute(one, scores, v, o);
    }
}

/// The numbers in the float that they are computed in.
#[inline(always)]
fn widened<'a, T: Stored>(numbers: &[T], wide: &'a mut [T::Wide]) -> &'a [T::Wide] {
    let wide = &mut wide[..numbers.len()];
    wide.iter_mut().zip(numbers).for_each(|(wide, number)| *wide = number.wide());
    wide
}

fn expected(inputs: &[Values<'_>], scalars: &[f64], at: usize, o: &mut [Expected]) {
    let (is_causal, sharing) = mask_and_sharing(scalars);
    let [tokens, dim] = [1, 2].map(|axis| inputs[0].shape[axis]);
    let (mut head, mut k, mut v) = (None, Vec::new(), Vec::new());
    let mut done = 0;
    while done < o.len() {
        let (row, first) = ((at + done) / dim, (at + done) % dim);
        let own = row / tokens / sharing;
        if head != Some(own) {
            head = Some(own);
            let range = own * tokens * dim..(own + 1) * tokens * dim;
            [k, v] = [1, 2].map(|input| inputs[input].read(range.clone()));
        }
        let q = inputs[0].row(row);
        let score = |k: &[f64]| k.iter().zip(&q).map(|(k, q)| k * q).sum::<f64>();
        let seen = if is_causal { row % tokens + 1 } else { tokens };
        let keys = k.chunks_exact(dim).take(seen);
        let mut weights: Vec<f64> = keys.map(|k| score(k) / (dim as f64).sqrt()).collect();
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
