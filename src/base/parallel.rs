//! What takes long, on all cores.

/// What `of` makes of each, in order.
pub(crate) fn in_parallel<T: Send, R: Send>(items: Vec<T>, of: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(threads).max(1);
    let mut items = items.into_iter();
    let shares = std::iter::from_fn(|| {
        let part: Vec<T> = items.by_ref().take(share).collect();
        (!part.is_empty()).then_some(part)
    });
    std::thread::scope(|scope| {
        let of = &of;
        let parts: Vec<_> = shares
            .map(|part| scope.spawn(move || part.into_iter().map(of).collect::<Vec<R>>()))
            .collect();
        let joined = parts.into_iter().map(std::thread::ScopedJoinHandle::join);
        joined
            .flat_map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_done_in_their_order() {
        for number in [0, 1, 2, 7, 1000] {
            let squares: Vec<usize> = (0..number).map(|i| i * i).collect();
            assert_eq!(in_parallel((0..number).collect(), |i| i * i), squares);
        }
    }
}
