//! Sizes at which tests try every kernel.

use super::Kernel;
use crate::benchmark::{Problem, Setting};

impl Kernel {
    /// Problems of its keys, some with parts that fill no vector and no tile.
    pub(crate) fn trials(&self) -> impl Iterator<Item = Problem> {
        let lines = include_str!("../../../tests/trials.txt").lines();
        lines.filter(|line| !line.starts_with('#')).map(|line| {
            let sizes: Vec<(&str, &str)> =
                line.split(' ').map(|size| size.split_once('=').unwrap()).collect();
            let setting = |name: &str| {
                let size = sizes.iter().find(|(known, _)| *known == name);
                Setting::of(size.unwrap_or_else(|| panic!("tests/trials.txt has no {name}")).1)
            };
            self.keys.iter().map(|key| (key.name.to_string(), setting(&key.name))).collect()
        })
    }
}
