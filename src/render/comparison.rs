//! A comparison as a document.

use super::document::{Attention, Cell, Document, Section};
use super::legend::{Legend, Remark};
use super::plot::{Axis, Chart, Figure, Forest, Plot, Point, Row, Series, Style, Tone};
use super::verdicts::{FUTILE, by_urgency, launches_needed, name, sentence, tone};
use super::words::{change, date, parts, percent, probability, word};
use super::{Format, Render, csv, github, junit};
use crate::base::error::{Exit, Result};
use crate::base::metric::Direction;
use crate::base::units::{counted, rounded};
use crate::plan::config::{ComparedMetric, StatisticalTest};
use crate::report::{Compared, Comparison, MUCH_WORSE, Reach, SESSION, Side, Verdict};

/// Half of the last digit of a ratio.
const HALF_A_DIGIT: f64 = 0.0005;

const TITLE: &str = "cases, the most urgent first";

/// Most cases that are told before everything else.
const ATTENTION_LIMIT: usize = 12;

/// Most cases whose launches are drawn.
const DRAWN_LIMIT: usize = 6;

/// Most rows that the terminal and the plot show.
const ROW_LIMIT: usize = 60;

impl Render for Comparison {
    const OWN: &'static [Format] = &[Format::Csv, Format::Junit];

    fn document(&self) -> Document {
        let p = |case: &Compared| match case.verdict {
            Verdict::Improved => case.p_improved_adjusted,
            _ => case.p_adjusted,
        };
        let ratio = |ratio: f64| format!("{ratio:.3}");
        let rows: Vec<(&Compared, [String; 4])> =
            by_urgency(self).into_iter().map(|case| (case, parts(&case.id))).collect();
        let legend =
            Legend::of(rows.iter().map(|(case, _)| (case.id.clone(), remarks(self, case))));
        let cases = Section::table(
            TITLE,
            &rows,
            &[
                ("benchmark", &|(_, [benchmark, ..])| benchmark.as_str().into()),
                ("type", &|(_, [_, of, ..])| of.as_str().into()),
                ("problem", &|(_, [.., problem, _])| problem.as_str().into()),
                ("ranks", &|(_, [.., ranks])| ranks.as_str().into()),
                ("baseline", &|(case, _)| Cell::quantity(case.baseline, &case.unit)),
                ("now", &|(case, _)| Cell::quantity(case.candidate, &case.unit)),
                ("worse by", &|(case, _)| Cell::number(case.worse_percent, change)),
                ("ratio", &|(case, _)| Cell::number(case.ratio, ratio)),
                ("interval", &|(case, _)| Cell::range(case.ci, ratio)),
                ("p adj.", &|(case, _)| Cell::number(p(case), probability)),
                ("delta", &|(case, _)| {
                    Cell::number(case.cliffs_delta, |v| format!("{:+.2}", rounded(v, 2)))
                }),
                ("verdict", &|(case, _)| Cell::from(name(case.verdict)).taken(tone(case.verdict))),
                ("severity", &|(case, _)| case.severity.map(word).into()),
                ("id", &|(case, _)| case.id.as_str().into()),
            ],
        );
        let cases = cases.map(|cases| {
            let spare = ["baseline", "severity", "ratio", "interval", "p adj.", "delta", "id"];
            legend
                .below(cases)
                .with(quotient(self))
                .drawn(forest(self))
                .outcome("verdict")
                .spare(&spare)
                .at_most(ROW_LIMIT)
        });
        Document {
            title: "Comparison".to_owned(),
            facts: facts(self),
            attention: attention(self),
            sections: cases.into_iter().chain(launches(self)).chain(sides(self)).collect(),
            verdict: conclusion(self),
            exit: Exit::from_code(self.exit),
            unsure: self.cases.iter().all(|case| {
                let open = [Verdict::Suspected, Verdict::Unstable, Verdict::Inconclusive];
                open.contains(&case.verdict)
            }),
            ..Document::default()
        }
    }

    fn annotations(&self) -> String {
        github::of_comparison(self)
    }

    fn own(&self, format: Format) -> Result<String> {
        match format {
            Format::Junit => junit::comparison(self),
            _ => csv::comparison(self),
        }
    }
}

/// What people should look at first: each case that is worse or may be, or cannot be told to be well.
fn attention(comparison: &Comparison) -> Vec<Attention> {
    let pressing = by_urgency(comparison).into_iter();
    let mut pressing = pressing.filter(|case| tone(case.verdict) == Tone::Bad);
    let told =
        |case: &Compared| Attention { says: sentence(case), at: case.id.clone(), tone: Tone::Bad };
    let mut all: Vec<Attention> = pressing.by_ref().take(ATTENTION_LIMIT).map(told).collect();
    let more = pressing.count();
    let says = format!("… and {more} more");
    let more = (more > 0).then(|| Attention { says, at: TITLE.to_owned(), tone: Tone::Bad });
    all.extend(more);
    all
}

/// The ratio of each case with its interval, where one is known.
fn forest(comparison: &Comparison) -> Option<Plot> {
    let cases = by_urgency(comparison).into_iter();
    let mut cases = cases.filter_map(|case| Some((case, case.ratio.filter(|ratio| *ratio > 0.0)?)));
    let row = |(case, value): (&Compared, f64)| {
        let [benchmark, of, problem, ranks] = parts(&case.id);
        let names = [benchmark, of, problem, ranks].into_iter().filter(|part| !part.is_empty());
        let threshold = 1.0 + case.threshold_percent / 100.0;
        Row {
            name: names.collect::<Vec<_>>().join(" "),
            value,
            interval: case.ci,
            band: [1.0 / threshold, threshold],
            says: name(case.verdict),
            tone: tone(case.verdict),
        }
    };
    let rows: Vec<Row> = cases.by_ref().take(ROW_LIMIT).map(row).collect();
    let better = match comparison.direction {
        Direction::LowerIsBetter => "left of the line is better",
        Direction::HigherIsBetter => "right of the line is better",
    };
    let more = match cases.count() {
        0 => String::new(),
        more => format!(" The {more} less pressing cases are in the table only."),
    };
    let thresholds = || comparison.cases.iter().map(|case| case.threshold_percent);
    let threshold = match thresholds().reduce(f64::min).zip(thresholds().reduce(f64::max)) {
        Some((least, most)) if least == most => format!("the threshold, {}", percent(least)),
        Some((least, most)) => {
            format!("the case's threshold, {} to {}", percent(least), percent(most))
        }
        None => "the threshold".to_owned(),
    };
    let about = format!(
        "Candidate over baseline with its interval; {better}, and what lies in the shaded band is within \
         {threshold}.{more}"
    );
    let value = Axis::log("candidate / baseline", "x");
    Plot::of("Ratios", about, Figure::Forest(Forest { value, centre: 1.0, rows }))
}

/// The launches of both sides, of the most pressing cases: whether one level has moved, or single launches stand apart.
fn launches(comparison: &Comparison) -> Option<Section> {
    let of = |case: &Compared| {
        let [baseline, candidate] = &case.of_launches;
        if baseline.len().min(candidate.len()) < 2 {
            return None;
        }
        let side = |name: &str, figures: &[f64]| {
            let point = |(at, y): (usize, &f64)| Point { x: at as f64, y: *y, ..Point::default() };
            let points = figures.iter().enumerate().map(point).collect();
            Series { name: name.to_owned(), style: Style::Dots, points }
        };
        let most = baseline.len().max(candidate.len());
        let middle = |name: &str, figure: Option<f64>| {
            let ends = [0.0, (most - 1) as f64].map(|x| [x, figure.unwrap_or(f64::NAN)]);
            Series::guide(name, ends)
        };
        let chart = Chart {
            x: Axis::places("launch", (1..=most).map(|number| number.to_string())),
            y: Axis::linear(if case.unit == "ms" { "median" } else { "figure" }, &case.unit),
            series: vec![
                side("baseline", baseline),
                side("candidate", candidate),
                middle("middle of the baseline", case.baseline),
                middle("middle of the candidate", case.candidate),
            ],
            events: Vec::new(),
        };
        let about = "The figure of each launch of both sides, in their order.";
        Plot::of(&case.id, about, Figure::Chart(chart))
    };
    let plots: Vec<Plot> =
        by_urgency(comparison).into_iter().filter_map(of).take(DRAWN_LIMIT).collect();
    let title = "launches of the most pressing cases".to_owned();
    (!plots.is_empty()).then(|| Section { title, plots, ..Section::default() })
}

/// What a ratio is where it is not the quotient of the figures beside it.
fn quotient(comparison: &Comparison) -> Option<&'static str> {
    let differs = |case: &Compared| {
        let figures = case.ratio.zip(case.baseline).zip(case.candidate);
        figures.is_some_and(|((ratio, before), now)| (ratio - now / before).abs() >= HALF_A_DIGIT)
    };
    comparison.cases.iter().any(differs).then_some(
        "ratio and worse by come from the trimmed means of the launches; where launches differ, they are not the quotient \
         of the two medians",
    )
}

/// Why a case is judged so, and what would tell more.
fn remarks(comparison: &Comparison, case: &Compared) -> Vec<Remark> {
    // Those that share the line are told with the least and the most.
    let needed = case.launches_needed.map(|launches| {
        let would = |one: &usize| (*one >= FUTILE) == (launches >= FUTILE);
        let all = comparison.cases.iter().filter_map(|case| case.launches_needed).filter(would);
        let least = all.clone().min().unwrap_or(launches);
        let says = launches_needed(least, all.max().unwrap_or(launches));
        let about = if launches >= FUTILE { says.clone() } else { "launches".to_owned() };
        Remark { about, says, extent: launches.min(FUTILE) as f64, tone: Tone::Plain }
    });
    case.remarks.iter().cloned().map(Remark::of).chain(needed).collect()
}

fn facts(comparison: &Comparison) -> Vec<String> {
    let side = |name: &str, side: &Side| {
        let git = side.git.as_deref().map_or_else(String::new, |git| {
            format!(", commit {}", git.chars().take(12).collect::<String>())
        });
        let (files, started) = (side.files.join(", "), date(side.started.as_deref()));
        format!("{name}: {files} ({}{git}, {started})", counted(side.launches, "launch"))
    };
    let mut facts =
        vec![side("baseline", &comparison.baseline), side("candidate", &comparison.candidate)];
    let metric = match comparison.metric {
        ComparedMetric::Latency => "latency",
        ComparedMetric::Throughput => "throughput",
        ComparedMetric::Efficiency => "scaling efficiency",
    };
    let test = match comparison.test {
        StatisticalTest::Auto => "moderated test of trimmed means",
        StatisticalTest::TTest => "Welch's t-test",
        StatisticalTest::MannWhitney => "Mann-Whitney test",
    };
    facts.push(format!(
        "{metric}, {}; {test} of launches; at most {} % of the regressions named are expected to be false",
        word(comparison.direction),
        (1e6 * comparison.false_discovery_rate).round() / 1e4
    ));
    facts.extend(comparison.noise_floor_percent.map(|floor| {
        let from = comparison.noise_floor_pairs.map_or_else(String::new, |pairs| {
            format!(" by {} of measurements of one thing", counted(pairs, "pair"))
        });
        match floor {
            0.0 => "noise floor: none".to_owned(),
            _ => format!("noise floor: {floor:.2} %{from}, what this machine changes by itself; no threshold is below it"),
        }
    }));
    facts.extend(looks(comparison));
    let (preventing, others): (Vec<_>, Vec<_>) =
        comparison.differences.iter().partition(|difference| difference.prevents);
    facts.extend(preventing.iter().map(|difference| {
        format!(
            "NOT COMPARABLE: {what} was {} and is {}; --allow '{what}' compares all the same",
            difference.baseline,
            difference.candidate,
            what = difference.what
        )
    }));
    let (sessions, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|difference| difference.what == SESSION);
    facts.extend(sessions.iter().map(|session| {
        let allows = match comparison.noise_floor_percent {
            Some(floor) if floor > 0.0 => "the noise floor allows for it",
            _ => "`run --against` measures in turns, --noise-floor allows for it",
        };
        format!(
            "sessions: {} and {}; what differs from session to session counts as a change: {allows}",
            session.baseline, session.candidate
        )
    }));
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(|difference| difference.what.as_str()).collect();
        facts.push(format!("also different: {}", names.join(", ")));
    }
    facts.extend(cannot_show(&comparison.reach));
    facts
}

/// What the sides are, and in what they differ.
fn sides(comparison: &Comparison) -> Option<Section> {
    let of = |value: fn(&Side) -> &Option<String>| {
        [&comparison.baseline, &comparison.candidate]
            .map(|side| value(side).clone().unwrap_or_default())
    };
    let known = [
        ("machine", of(|side| &side.machine)),
        ("command", of(|side| &side.command)),
        ("build", of(|side| &side.build)),
    ];
    let known = known.into_iter().map(|(what, told)| (what.to_owned(), told));
    let differences = comparison.differences.iter();
    let differences = differences
        .map(|one| (one.what.clone(), [one.baseline.clone(), one.candidate.clone()]))
        // Said in full above.
        .filter(|(what, _)| !["machine", "command", "build"].contains(&what.as_str()));
    let rows = known.chain(differences).filter(|(_, told)| told.iter().any(|it| !it.is_empty()));
    let section = Section::table(
        "what the sides are",
        rows,
        &[
            ("what", &|(what, _)| what.as_str().into()),
            ("baseline", &|(_, [baseline, _])| baseline.as_str().into()),
            ("candidate", &|(_, [_, candidate])| candidate.as_str().into()),
        ],
    );
    section.map(Section::in_files)
}

/// What was looked at after how many launches, where doubtful cases got more.
fn looks(comparison: &Comparison) -> Option<String> {
    let (first, later) = comparison.looks.split_first()?;
    let (cases, launches) = (counted(first.cases, "case"), counted(first.launches, "launch"));
    let first = format!("looks: {cases} after {launches}");
    let again = later.iter().map(|look| format!("{} again after {}", look.cases, look.launches));
    Some([first].into_iter().chain(again).collect::<Vec<_>>().join(", "))
}

/// What so many launches cannot show, and what would.
pub fn cannot_show(reach: &Reach) -> Option<String> {
    if reach.cases == 0 || reach.suffices() {
        return None;
    }
    let [before, now] = reach.launches;
    let cases = counted(reach.cases, "case");
    let few = match before == now {
        true => format!("{} of each side are few for {cases}", counted(now, "launch")),
        false => format!("{before} and {now} launches are few for {cases}"),
    };
    let together = match (reach.fewest_visible, reach.detectable_percent) {
        (1, Some(detectable)) => format!(
            "one alone must get about {} % worse to be called REGRESSED; {} % is asked for",
            detectable.round(),
            reach.wanted_percent.round()
        ),
        (fewest, _) if fewest > reach.cases => "nothing can be shown to have changed".to_owned(),
        (fewest, _) => {
            format!("a regression is seen only when at least {fewest} cases regress together")
        }
    };
    let remedy = match reach.launches_needed {
        100.. => "a calmer machine or fewer cases at once would show more".to_owned(),
        needed => format!("about {needed} launches of each side would show that"),
    };
    Some(format!("{few}: {together}; {remedy}"))
}

fn conclusion(comparison: &Comparison) -> String {
    let counts = comparison.summary.iter().filter(|(_, count)| **count > 0);
    let counts: Vec<String> =
        counts.map(|(verdict, count)| format!("{count} {}", name(*verdict))).collect();
    let counts = if counts.is_empty() { "no cases".to_owned() } else { counts.join(", ") };
    let exit = match Exit::from_code(comparison.exit) {
        // No limit is looked at here.
        Some(Exit::Regression) => "regression",
        exit => exit.map_or("unknown exit", Exit::meaning),
    };
    let much = comparison
        .cases
        .iter()
        .any(|case| case.remarks.iter().any(|of| of.starts_with(MUCH_WORSE)));
    let counts = if much { format!("{counts}; much worse, and not proved") } else { counts };
    let nothing = if comparison.compared() == 0 { "nothing was compared: " } else { "" };
    format!("{exit}: {nothing}{counts}")
}
