//! A plan as an earlier run has stored it.

use serde::Deserialize;

use crate::benchmark;

/// Of a stored plan only the names of its benchmarks: what is left of a plan that cannot be read as a whole.
#[derive(Deserialize)]
pub struct Outline {
    cases: Vec<Named>,
}

#[derive(Deserialize)]
struct Named {
    benchmark: String,
}

impl Outline {
    /// The first benchmark that is not here, as when its folder is gone.
    pub fn absent_benchmark(&self) -> Option<&str> {
        let mut names = self.cases.iter().map(|case| case.benchmark.as_str());
        names.find(|name| benchmark::find(name).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_here_is_named() {
        let absent = |benchmark: &str| {
            let plan =
                serde_json::json!({"cases": [{"benchmark": "copy"}, {"benchmark": benchmark}]});
            serde_json::from_value::<Outline>(plan).unwrap().absent_benchmark().map(str::to_owned)
        };
        assert_eq!(absent("all_reduce"), None);
        assert_eq!(absent("mine").as_deref(), Some("mine"));
    }
}
