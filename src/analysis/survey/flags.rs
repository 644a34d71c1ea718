//! What speaks against relying on a case: the rules that flag cases, one table.

use super::ranks::STRAGGLER;
use super::rules::{FALSE_ONES, SLOWER_PERCENT, count, figure, says};
use super::subject::Subject;
use crate::analysis::launches::REPRODUCIBLE_PERCENT;
use crate::base::caveat::Severity::{Info, Serious, Warning};
use crate::base::caveat::{self, Caveat, Concern, INVALID_PERCENT};
use crate::base::error::Kind;
use crate::report::times_ms;
use crate::report::{Case, Figure, Flag, Outcome, Over, Statistics, Steadiness, Straggler};

/// Iterations for each independent one, from which on they tell little.
const DEPENDENT: f64 = 4.0;

/// Width of the median's interval as percent of it, the least change that comparisons look for.
const WIDE_PERCENT: f64 = 2.5;

/// The 99 % quantile over the median, from which on a tail is long.
const LONG_TAIL: f64 = 2.0;

struct Rule {
    concern: Concern,
    /// None where the numbers are those of the caveat that was met while measuring.
    evidence: Option<Evidence>,
    /// Whether its findings name the cases alone; others are found another way.
    names_cases: bool,
}

/// The numbers by which a case is flagged; the larger the first, the worse.
type Evidence = fn(&Case, &Statistics) -> Option<Vec<Figure>>;

const fn rule(concern: Concern, evidence: Evidence) -> Rule {
    Rule { concern, evidence: Some(evidence), names_cases: true }
}

const fn met(concern: Concern) -> Rule {
    Rule { concern, evidence: None, names_cases: true }
}

const fn found_elsewhere(rule: Rule) -> Rule {
    Rule { names_cases: false, ..rule }
}

pub(super) const WRONG_RESULT: Concern = Concern::new(
    "wrong_result",
    "WRONG",
    Serious,
    says!("a result differs from its reference by more than its tolerance"),
    "do not use this machine's results before it is explained: run the case again on the named ranks, and test their \
     memory",
);

pub(super) const FAILED_CASE: Concern = Concern::new(
    "failed_case",
    "FAILED",
    Serious,
    says!("a case failed, was not over in time, or was not measured in one of its launches"),
    "see the error; run the case again with --resume, or by itself with -v",
);

/// The rules, in the order of their findings.
const RULES: [Rule; 23] = [
    found_elsewhere(rule(WRONG_RESULT, |case, statistics| went_wrong(case, statistics, true))),
    found_elsewhere(rule(FAILED_CASE, |case, statistics| went_wrong(case, statistics, false))),
    met(caveat::OVERSUBSCRIBED),
    met(caveat::YIELDING),
    met(caveat::EMULATED),
    met(caveat::QUICK),
    found_elsewhere(met(caveat::THROTTLED)),
    rule(
        Concern::new(
            "not_reproducible",
            "not reproducible",
            Warning,
            says!(
                "the launches' medians vary by more than the run's bound ({REPRODUCIBLE_PERCENT} % unless \
                 configured otherwise)"
            ),
            "take more launches (--launches), pin ranks and clocks, and look for what differs from start to start",
        ),
        |_, statistics| {
            let percent = statistics.between_percent?;
            let differ = statistics.reproducible == Some(false);
            differ.then(|| {
                vec![figure("variation", percent, "%"), count("launches", statistics.launches)]
            })
        },
    ),
    rule(caveat::NO_STEADY_STATE, |case, statistics| {
        let none = repeats(case) && statistics.steady_state == Some(Steadiness::None);
        let since = statistics.steady_since.unwrap_or(statistics.iterations) as f64;
        let before = 100.0 * since / (statistics.iterations as f64).max(1.0);
        none.then(|| vec![figure("before the last level", before, "%")])
    }),
    met(caveat::UNSTEADY),
    met(caveat::TWO_MODES),
    rule(caveat::LATE_STARTS, |case, statistics| {
        let (valid, late) = (statistics.iterations as f64, statistics.invalid as f64);
        let percent = 100.0 * late / (valid + late).max(1.0);
        let many = repeats(case) && percent > INVALID_PERCENT;
        many.then(|| vec![figure("left out", percent, "%")])
    }),
    rule(
        Concern::new(
            "no_interval",
            "no interval",
            Warning,
            says!(
                "the iterations are worth fewer than the 6 independent ones that an interval of the median needs at \
                 95 %"
            ),
            "take more iterations (--iterations)",
        ),
        |case, statistics| {
            // Of several launches an interval is over them; two modes are another reason.
            let two_modes = case.caveats.iter().any(|it| it.mark() == caveat::TWO_MODES.mark);
            let alone = statistics.launches == 1 && !two_modes;
            let lacks = repeats(case) && alone && statistics.width_percent.is_none();
            lacks.then(|| dependence(statistics))
        },
    ),
    rule(
        Concern::new(
            "wide_interval",
            "wide interval",
            Warning,
            says!(
                "half the width of the median's interval (±) is more than {WIDE_PERCENT} % of it"
            ),
            "take more iterations, or let --precision-target decide how many",
        ),
        |case, statistics| {
            let half = statistics.width_percent? / 2.0;
            let wide = repeats(case) && half > WIDE_PERCENT;
            wide.then(|| vec![figure("±", half, "%")])
        },
    ),
    rule(
        Concern::new(
            "dependent",
            "dependent",
            Warning,
            says!(
                "the iterations depend on each other so much that they are worth less than 1 in {DEPENDENT}"
            ),
            "look for what comes and goes while measuring (clocks, other jobs); only a longer run tells more",
        ),
        |case, statistics| {
            let evidence = dependence(statistics);
            (repeats(case) && evidence[0].value > DEPENDENT).then_some(evidence)
        },
    ),
    met(caveat::NEAR_FLOOR),
    rule(
        Concern::new(
            "zero_times",
            "zero times",
            Warning,
            says!(
                "1 or more iterations took 0 ns: the clock's step is too coarse, or stamps are wrong; they are kept here, as \
                 all others"
            ),
            "time several operations in one sample (--batch)",
        ),
        |case, statistics| {
            let launches = case.replication.iter().flat_map(|all| &all.launches);
            let several = launches.map(|launch| zeros(&launch.times_ms)).sum::<usize>();
            let zeros = several.max(zeros(&times_ms(case))).max((statistics.min_ms <= 0.0).into());
            (zeros > 0).then(|| vec![count("iterations", zeros)])
        },
    ),
    found_elsewhere(rule(STRAGGLER, |_, statistics| {
        let all = &statistics.rank_spread.as_ref()?.stragglers;
        let by_excess =
            |a: &&Straggler, b: &&Straggler| a.excess_percent.total_cmp(&b.excess_percent);
        let worst = all.iter().max_by(by_excess)?;
        Some(vec![
            figure("slower", worst.excess_percent, "%"),
            figure("slowest in", 100.0 * worst.slowest_share, "% of iterations"),
            count("rank", worst.rank),
        ])
    })),
    rule(
        Concern::new(
            "unequal_ranks",
            "unequal ranks",
            Info,
            says!(
                "the ranks' own medians are more than {SLOWER_PERCENT} % apart, and Friedman's test, where the \
                 samples are at hand, has p at most {FALSE_ONES}"
            ),
            "read each rank's own times (per_rank) beside the one that stands for all",
        ),
        |_, statistics| {
            let spread = statistics.rank_spread.as_ref()?;
            let differ = spread.friedman_p.is_none_or(|p| p <= FALSE_ONES);
            let p = spread.friedman_p.map(|p| figure("Friedman's p", p, ""));
            let evidence = [Some(figure("apart", spread.percent, "%")), p];
            let unequal = spread.percent > SLOWER_PERCENT && differ;
            unequal.then(|| evidence.into_iter().flatten().collect())
        },
    ),
    rule(
        Concern::new(
            "long_tail",
            "long tail",
            Info,
            says!("the 99 % quantile is more than {LONG_TAIL} times the median"),
            "quote both; look for what interrupts now and then (other jobs, interrupts, retries on a link)",
        ),
        |case, statistics| {
            let over = statistics.p99_ms? / statistics.median_ms;
            let long = repeats(case) && over > LONG_TAIL;
            long.then(|| vec![figure("the 99 % quantile over the median", over, "")])
        },
    ),
    rule(
        Concern::new(
            "few_for_quantile",
            "few for quantile",
            Info,
            says!("there are fewer iterations than an interval of the 95 % or 99 % quantile needs"),
            "do not quote that quantile, or take as many iterations (--iterations)",
        ),
        |case, statistics| {
            let needed = |name| Some((name, *statistics.iterations_needed.get(name)?));
            let (name, needed) = ["p95", "p99"].into_iter().find_map(needed)?;
            let what = format!("iterations needed for {name}");
            let iterations = statistics.iterations;
            repeats(case).then(|| vec![count(&what, needed), count("iterations", iterations)])
        },
    ),
    rule(
        Concern::new(
            "few_launches",
            "few launches",
            Warning,
            says!(
                "there are fewer launches than an interval over them needs (6 at 95 %): nothing tells how far another \
                 launch is off, and launches usually differ by more than iterations of one"
            ),
            "claim nothing about another run from them: take more launches (--launches 8), or give the reports of more",
        ),
        |_, statistics| {
            let few = statistics.ci_over != Some(Over::Launches);
            few.then(|| vec![count("launches", statistics.launches)])
        },
    ),
    rule(
        Concern::new(
            "no_counts",
            "no counts",
            Info,
            says!(
                "a case does not say what it counts, because an older version wrote the report: scaling across \
                 reports, slow ranks and rates over launches are left out for it"
            ),
            "measure again with this version",
        ),
        |case, _| case.is_uncounted().then(|| vec![count("ranks", case.group_size)]),
    ),
];

/// Flags a measured case, the gravest first.
pub(super) fn flag_case(subject: &mut Subject<'_>) {
    let Subject { case, examined, .. } = subject;
    let Some(statistics) = &examined.statistics else { return };
    let of = |rule: &Rule| {
        let evidence = match rule.evidence {
            Some(evidence) => evidence(case, statistics),
            None => of_caveat(rule.concern, case, statistics),
        };
        let Concern { name, mark, severity, .. } = rule.concern;
        let (rule, mark) = (name.to_owned(), mark.to_owned());
        Some(Flag { rule, mark, severity, evidence: evidence? })
    };
    examined.flags = RULES.iter().filter_map(of).collect();
    examined.flags.sort_by_key(|flag| flag.severity);
    examined.reliable = examined.flags.iter().all(|flag| flag.severity == Info);
}

/// What the rules find whose findings name the cases alone.
pub(super) fn of_cases() -> impl Iterator<Item = Concern> {
    RULES.iter().filter(|rule| rule.names_cases).map(|rule| rule.concern)
}

/// The numbers of a caveat that was met while measuring.
fn of_caveat(concern: Concern, case: &Case, statistics: &Statistics) -> Option<Vec<Figure>> {
    Some(match case.caveats.iter().find(|caveat| caveat.mark() == concern.mark)? {
        Caveat::Oversubscribed { ranks, cores } => {
            let share = *ranks as f64 / (*cores).max(1) as f64;
            vec![figure("ranks a core", share, ""), count("ranks", *ranks)]
        }
        Caveat::Quick => vec![count("iterations", statistics.iterations)],
        Caveat::Throttled { .. } => {
            let telemetry = case.measured.iter().flat_map(|measured| &measured.telemetry);
            let ranks = telemetry.filter(|rank| !rank.throttled.is_empty()).count().max(1);
            vec![count("ranks", ranks)]
        }
        Caveat::Unsteady { cv_percent, bound_percent } => {
            vec![figure("variation", *cv_percent, "%"), figure("bound", *bound_percent, "%")]
        }
        Caveat::NearFloor { percent, .. } => vec![figure("floor", *percent, "% of a sample")],
        _ => vec![count("ranks", case.group_size)],
    })
}

/// What failed, `by_result` or else, although there are times: those of other launches, or times of wrong results.
fn went_wrong(case: &Case, statistics: &Statistics, by_result: bool) -> Option<Vec<Figure>> {
    let is_wrong = case.error.as_ref().is_some_and(|error| error.kind == Kind::WrongResult);
    let failed = case.outcome != Outcome::Measured && is_wrong == by_result;
    failed.then(|| vec![count("launches with times", statistics.launches)])
}

/// Whether it can be repeated: what happens once has neither a level nor an interval, however often it is started.
fn repeats(case: &Case) -> bool {
    !case.counts.is_some_and(|counts| counts.happens_once)
}

fn zeros(times_ms: &[f64]) -> usize {
    times_ms.iter().filter(|time| **time <= 0.0).count()
}

fn dependence(statistics: &Statistics) -> Vec<Figure> {
    let each = statistics.iterations as f64 / statistics.effective_samples.max(1.0);
    vec![
        figure("iterations for each independent one", each, ""),
        count("iterations", statistics.iterations),
    ]
}
