//! What belongs together, put together.

use std::collections::HashMap;
use std::hash::Hash;

/// The items in families of one `key`; families and items in the order in which they first come.
pub(super) fn families<T, K: Eq + Hash>(
    items: impl IntoIterator<Item = T>,
    key: impl Fn(&T) -> K,
) -> Vec<Vec<T>> {
    let mut places: HashMap<K, usize> = HashMap::new();
    let mut families: Vec<Vec<T>> = Vec::new();
    for item in items {
        let place = *places.entry(key(&item)).or_insert(families.len());
        match families.get_mut(place) {
            Some(family) => family.push(item),
            None => families.push(vec![item]),
        }
    }
    families
}
