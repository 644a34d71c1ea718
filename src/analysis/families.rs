//! What belongs together, put together.

/// The items in families: each in the first that it fits, else in a new one; both in the order in which they come.
pub(super) fn families<T>(
    items: impl IntoIterator<Item = T>,
    fits: impl Fn(&[T], &T) -> bool,
) -> Vec<Vec<T>> {
    let mut families: Vec<Vec<T>> = Vec::new();
    for item in items {
        match families.iter_mut().find(|family| fits(family, &item)) {
            Some(family) => family.push(item),
            None => families.push(vec![item]),
        }
    }
    families
}
