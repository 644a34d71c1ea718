//! A comparison as JUnit XML, for what shows test results.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::verdicts::{name, sentence};
use crate::base::error::{Error, Result};
use crate::base::plain::plain;
use crate::report::{Comparison, Verdict};

/// One test a case: REGRESSED fails, FAILED is an error, what cannot be told is skipped.
pub(super) fn comparison(comparison: &Comparison) -> Result<String> {
    let mut suite = TestSuite::new("tesserabench compare");
    for case in &comparison.cases {
        let mut status = match case.verdict {
            Verdict::Regressed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::Suspected
            | Verdict::NotComparable
            | Verdict::Vanished
            | Verdict::Unstable
            | Verdict::Inconclusive => TestCaseStatus::skipped(),
            Verdict::Shifted | Verdict::Improved | Verdict::Equivalent | Verdict::New => {
                TestCaseStatus::success()
            }
        };
        let told = plain(&sentence(case)).into_owned();
        let passed = matches!(status, TestCaseStatus::Success { .. });
        if !passed {
            status.set_message(told.as_str()).set_type(name(case.verdict));
        }
        let mut test = TestCase::new(plain(&case.id).into_owned(), status);
        test.set_classname(plain(&case.benchmark).into_owned());
        if passed {
            test.set_system_out(told);
        }
        suite.add_test_case(test);
    }
    let mut report = Report::new("tesserabench");
    report.add_test_suite(suite);
    report.to_string().map_err(|why| Error::internal(format!("cannot write JUnit XML: {why}")))
}
