//! A comparison as JUnit XML, for what shows test results.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Comparison, Verdict, text};
use crate::base::error::{Error, Result};
use crate::report::plain::plain;

/// One test a case: REGRESSED fails, FAILED is an error, what cannot be told is skipped.
///
/// # Errors
/// Internal error when the text cannot be formed.
pub fn junit(comparison: &Comparison) -> Result<String> {
    let mut suite = TestSuite::new("tesserabench compare");
    for case in &comparison.cases {
        let mut status = match case.verdict {
            Verdict::Regressed => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Error),
            Verdict::NotComparable | Verdict::Vanished | Verdict::Inconclusive => {
                TestCaseStatus::skipped()
            }
            Verdict::Shifted | Verdict::Improved | Verdict::Equivalent | Verdict::New => {
                TestCaseStatus::success()
            }
        };
        let sentence = plain(&text::sentence(case)).into_owned();
        if matches!(status, TestCaseStatus::Success { .. }) {
            let mut test = TestCase::new(plain(&case.id).into_owned(), status);
            test.set_classname(case.benchmark.clone()).set_system_out(sentence);
            suite.add_test_case(test);
            continue;
        }
        status.set_message(sentence).set_type(case.verdict.name());
        let mut test = TestCase::new(plain(&case.id).into_owned(), status);
        test.set_classname(plain(&case.benchmark).into_owned());
        suite.add_test_case(test);
    }
    let mut report = Report::new("tesserabench");
    report.add_test_suite(suite);
    report.to_string().map_err(|why| Error::internal(format!("cannot write JUnit XML: {why}")))
}
