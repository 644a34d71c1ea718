//! By what rules sides are compared: the configuration with its defaults, checked.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use super::differences::check_allowed;
use super::looks::Spending;
use super::noise::NoiseFloor;
use crate::base::error::{Error, Result};
use crate::plan::config::{ComparedMetric, Config, StatisticalTest};
use crate::report::RegressionSeverity;

/// By what rules sides are compared. Shares are of 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// What is compared.
    pub metric: ComparedMetric,
    /// How p is computed.
    pub test: StatisticalTest,
    /// Expected share of false ones among the cases called REGRESSED.
    pub false_discovery_rate: f64,
    /// Whether the cases may depend on each other in any way, not only so that they get worse together.
    pub any_dependence: bool,
    /// Confidence of the intervals.
    pub confidence: f64,
    /// The machine's own variation, where A/A runs told it: no threshold is below it.
    pub noise_floor: Option<NoiseFloor>,
    /// Differences that do not prevent a comparison.
    pub allow: Vec<String>,
    /// Whether inconclusive and vanished cases fail.
    pub strict: bool,
    /// By how much the largest relative error may grow.
    pub accuracy_drift: f64,
    /// From which share of more memory on a warning is given.
    pub memory: f64,
    /// Seed of all random numbers.
    pub seed: u64,
    threshold: f64,
    thresholds: BTreeMap<String, f64>,
    moderate: f64,
    pub(super) severe: f64,
    /// What a look may spend of the false discovery rate.
    pub(super) spending: Spending,
}

impl Rules {
    /// The rules that a configuration asks for.
    ///
    /// # Errors
    /// Usage error for a percentage or a rate that is none, and for a difference that is allowed and cannot be.
    pub fn resolve(config: &Config) -> Result<Self> {
        let confidence = config.benchmarking.statistical_significance.unwrap_or(0.95);
        let seed = config.seed.unwrap_or(1);
        let config = &config.comparison;
        let share = |name: &str, percent: Option<f64>, default: f64| {
            let percent = percent.unwrap_or(default);
            match percent.is_finite() && percent >= 0.0 {
                true => Ok(percent / 100.0),
                false => Err(Error::usage(format!(
                    "{name} of {percent} is no percentage; write 5 for five percent"
                ))),
            }
        };
        let rate = config.false_discovery_rate.unwrap_or(0.05);
        if !(rate > 0.0 && rate < 1.0) {
            return Err(Error::usage(format!(
                "a false discovery rate of {rate} is not between 0 and 1; 0.05 is usual"
            )));
        }
        let drift = config.accuracy_drift.unwrap_or(1e-3);
        if !(drift.is_finite() && drift >= 0.0) {
            return Err(Error::usage(format!(
                "an accuracy drift of {drift} is no relative error; 0.001 is usual"
            )));
        }
        check_allowed(&config.allow)?;
        let thresholds = config.thresholds.iter().map(|(glob, percent)| {
            Ok((glob.clone(), share(&format!("the threshold of '{glob}'"), Some(*percent), 0.0)?))
        });
        Ok(Self {
            metric: config.metric.unwrap_or_default(),
            test: config.statistical_test.unwrap_or_default(),
            false_discovery_rate: rate,
            any_dependence: config.any_dependence.unwrap_or(false),
            confidence,
            noise_floor: None,
            allow: config.allow.clone(),
            strict: config.strict.unwrap_or(false),
            accuracy_drift: drift,
            memory: share("a memory threshold", config.memory_threshold, 10.0)?,
            seed,
            threshold: share("a regression threshold", config.regression_threshold, 5.0)?,
            thresholds: thresholds.collect::<Result<_>>()?,
            moderate: share("a severity", config.severity.moderate, 10.0)?,
            severe: share("a severity", config.severity.severe, 20.0)?,
            spending: Spending::ALL,
        })
    }

    /// By what share a case of this benchmark must be worse to count: what is asked for it by the longest name
    /// that matches, or for all; but no less than the noise floor.
    pub fn threshold(&self, benchmark: &str) -> f64 {
        let matching =
            self.thresholds.iter().filter(|(glob, _)| WildMatch::new(glob).matches(benchmark));
        let own =
            matching.max_by_key(|(glob, _)| glob.len()).map_or(self.threshold, |(_, own)| *own);
        own.max(self.noise_floor.map_or(0.0, |floor| floor.share))
    }

    /// The share of false ones that this look may call REGRESSED.
    pub(super) fn rate(&self) -> f64 {
        self.false_discovery_rate * self.spending.share
    }

    /// The smallest of any look.
    pub(super) fn least_rate(&self) -> f64 {
        self.false_discovery_rate * self.spending.last
    }

    /// Which regression the launches should be able to show, as a share: a severe one, or one of twice the threshold.
    pub fn wanted(&self) -> f64 {
        self.severe.max(2.0 * self.threshold)
    }

    /// How bad it is to be worse by this share.
    pub fn severity(&self, worse: f64) -> RegressionSeverity {
        match worse {
            _ if worse >= self.severe => RegressionSeverity::Severe,
            _ if worse >= self.moderate => RegressionSeverity::Moderate,
            _ => RegressionSeverity::Mild,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(yaml: &str) -> Result<Rules> {
        let comparison = serde_saphyr::from_str(yaml).unwrap();
        Rules::resolve(&Config { comparison, ..Config::default() })
    }

    #[test]
    fn the_longest_name_that_matches_sets_the_threshold() {
        let rules =
            rules("regression_threshold: 4\nthresholds: {'all_*': 10, all_reduce: 2}").unwrap();
        let thresholds = ["gemm", "all_gather", "all_reduce"].map(|name| rules.threshold(name));
        assert_eq!(thresholds, [0.04, 0.1, 0.02]);
        let noisy = Rules { noise_floor: Some(NoiseFloor { share: 0.03, pairs: None }), ..rules };
        let thresholds = ["gemm", "all_reduce"].map(|name| noisy.threshold(name));
        assert_eq!(thresholds, [0.04, 0.03]);
    }

    #[test]
    fn severities_have_their_bounds() {
        let rules = rules("{}").unwrap();
        let severities = [0.03, 0.1, 0.2].map(|worse| rules.severity(worse));
        assert_eq!(
            severities,
            [RegressionSeverity::Mild, RegressionSeverity::Moderate, RegressionSeverity::Severe]
        );
    }

    #[test]
    fn what_is_no_percentage_is_refused() {
        for yaml in [
            "regression_threshold: -1",
            "thresholds: {gemm: .nan}",
            "severity: {severe: .inf}",
            "false_discovery_rate: 5",
            "accuracy_drift: -1",
        ] {
            assert!(rules(yaml).is_err(), "{yaml}");
        }
    }
}
