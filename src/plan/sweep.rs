//! Sweeps: the cases of a benchmark from the product of its lists of values.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::groups::{CASE_LIMIT, MeasuredGroups, ScheduledGroup};
use super::{Case, Study};
use crate::base::error::{Error, Kind, Result, suggestion};
use crate::base::units::unreached_ends;
use crate::benchmark::kernel::LEVEL;
use crate::benchmark::work::{Blocks, Element, Exchange, Placement, Work};
use crate::benchmark::{self, Asked, Benchmark, Key, Problem, Setting, Texts, Values};
use crate::machine::capacity::Capacity;
use crate::plan::config::{Chosen, Config, ScalingKind};
use crate::plan::mesh::{self, Group};

pub(super) struct Sweep {
    pub(super) benchmark: &'static Benchmark,
    problems: Vec<Problem>,
    /// Whether their sizes are those of a preset, so that too small ones may grow.
    of_preset: bool,
    precisions: Vec<Option<Element>>,
    placements: Vec<Option<Placement>>,
    /// What a rank may fill.
    capacity: Capacity,
}

/// The key for in place and out of place, which is no size.
pub const PLACEMENT: &str = "placement";

/// The size of an exchange.
const BYTES: &str = "bytes";

pub(super) fn all(config: &Config) -> Result<Vec<Sweep>> {
    let defaults = || benchmark::defaults().map(|name| (name.to_owned(), None)).collect();
    let benchmarks: Chosen = config.benchmarks.clone().unwrap_or_else(defaults);
    let precisions = match &config.precision_policies {
        Some(names) => unique(names.iter().map(|name| Element::parse(name)))?,
        None => Vec::new(),
    };
    let preset = config.preset.as_deref();
    let levels = levels(config, &benchmarks)?;
    let capacity = config.capacity.resolve()?;
    let mut sweeps = Vec::new();
    for (name, settings) in benchmarks {
        let meant = benchmark::meant_by(&name)?;
        let texts: Texts = settings
            .unwrap_or_default()
            .iter()
            .map(|(key, values)| (key.clone(), values.text()))
            .collect();
        let has = |benchmark: &Benchmark, name: &str| {
            name == PLACEMENT || benchmark.keys.iter().any(|key| key.name == name)
        };
        for &benchmark in &meant {
            let mut texts = texts.clone();
            // Of several benchmarks each takes the sizes that it has.
            texts
                .retain(|key, _| has(benchmark, key) || !meant.iter().any(|other| has(other, key)));
            if let Some(levels) = levels.as_ref().filter(|_| has(benchmark, LEVEL)) {
                texts.entry(LEVEL.to_owned()).or_insert_with(|| levels.clone());
            }
            let placements = placements(benchmark, texts.remove(PLACEMENT))?;
            sweeps.push(Sweep {
                benchmark,
                of_preset: !texts.contains_key(BYTES),
                problems: all_problems(benchmark, &texts, preset)?,
                precisions: match &*benchmark.precisions {
                    [] => vec![None],
                    [default, ..] if precisions.is_empty() => vec![Some(*default)],
                    _ => precisions.iter().copied().map(Some).collect(),
                },
                placements,
                capacity: capacity.clone(),
            });
        }
    }
    Ok(sweeps)
}

/// How much the assembler shall optimise; an error if it has nothing to do.
fn levels(config: &Config, chosen: &Chosen) -> Result<Option<String>> {
    let Some(levels) = &config.optimization_levels else { return Ok(None) };
    let mut meant = Vec::new();
    for name in chosen.keys() {
        meant.extend(benchmark::meant_by(name)?);
    }
    let has_level = |known: &Key| known.name == LEVEL;
    if levels.is_empty() || !meant.iter().any(|meant| meant.keys.iter().any(has_level)) {
        return Err(Error::usage(
            "optimization levels are for kernels that are compiled for GPUs, and none is chosen; leave them out",
        ));
    }
    Ok(Some(levels.join(",")))
}

/// What people may take for a size of their lists and is none, each as a sentence.
pub fn unreached_sizes(config: &Config) -> BTreeSet<String> {
    let settings = config.benchmarks.iter().flat_map(BTreeMap::values).flatten().flatten();
    let told = settings.flat_map(|(key, values)| {
        let ends = unreached_ends(&values.text()).into_iter();
        ends.map(move |end| format!("{key}={end}"))
    });
    told.collect()
}

fn placements(benchmark: &Benchmark, names: Option<String>) -> Result<Vec<Option<Placement>>> {
    match names {
        None if benchmark.placements => Ok(vec![Some(Placement::Out)]),
        None => Ok(vec![None]),
        Some(_) if !benchmark.placements => {
            Err(Error::usage(format!("{} has no placement; leave it out", benchmark.name)))
        }
        Some(text) => unique(
            text.split(',')
                .map(|name| crate::plan::config::from_name("placement", name.trim()).map(Some)),
        ),
    }
}

/// Removes duplicates; the first of equal items stays.
fn unique<T: PartialEq>(list: impl Iterator<Item = Result<T>>) -> Result<Vec<T>> {
    let mut known = Vec::new();
    for item in list {
        let item = item?;
        if !known.contains(&item) {
            known.push(item);
        }
    }
    Ok(known)
}

/// The problems of a preset, with what is explicit over them.
fn all_problems(
    benchmark: &Benchmark,
    explicit: &Texts,
    preset: Option<&str>,
) -> Result<Vec<Problem>> {
    let (place, sets) = benchmark.preset(preset)?;
    let mut all = Vec::new();
    for mut texts in sets {
        texts.extend(explicit.clone());
        all.extend(problems(benchmark, texts, place)?);
    }
    Ok(all)
}

/// How many problems a benchmark is measured with where nothing is explicit; `None` where its own sizes make no sense.
pub fn usual_sizes(benchmark: &Benchmark) -> Option<usize> {
    all_problems(benchmark, &Texts::new(), None).ok().map(|problems| problems.len())
}

/// Every combination of the values of the keys; what is not explicit has the sizes at this place of each key's.
fn problems(benchmark: &Benchmark, mut texts: Texts, preset: usize) -> Result<Vec<Problem>> {
    let mut problems = vec![Problem::new()];
    for key in &benchmark.keys {
        let text = texts.remove(&*key.name).or_else(|| match &key.values {
            Values::Sizes(presets) => Some(presets[preset].to_string()),
            _ => None,
        });
        let of_key =
            |why: Error| Error { message: format!("{}: {}", benchmark.name, why.message), ..why };
        let values = text.map(|text| key.parse(&text).map_err(of_key)).transpose()?;
        if problems.len() * values.as_ref().map_or(1, Vec::len) > CASE_LIMIT {
            return Err(Error::usage(format!(
                "{} has more than {CASE_LIMIT} problems; use fewer values",
                benchmark.name
            )));
        }
        let mut longer = Vec::new();
        for problem in problems {
            let default = match key.values {
                Values::AsFirst => problem.get(&*benchmark.keys[0].name).cloned(),
                _ => None,
            };
            for value in values.clone().unwrap_or_else(|| vec![default]) {
                let mut problem = problem.clone();
                problem.extend(value.map(|value| (key.name.to_string(), value)));
                longer.push(problem);
            }
        }
        problems = longer;
    }
    match texts.pop_first() {
        None => Ok(problems),
        Some((key, _)) => Err(Error::usage(format!(
            "{} has no problem key '{key}'; {}",
            benchmark.name,
            suggestion(&key, benchmark.keys.iter().map(|key| &*key.name))
        ))),
    }
}

impl Sweep {
    /// Whether sizes are said as words.
    pub(super) fn has_words(&self) -> bool {
        self.problems.iter().any(|problem| !self.benchmark.asked(problem).is_empty())
    }

    pub(super) fn add_cases(&self, groups: &MeasuredGroups, cases: &mut CaseList) -> Result<()> {
        let scheduled = match &groups.pairs {
            Some(pairs) if self.benchmark.is_paired() => pairs,
            _ if self.benchmark.collective => &groups.collective,
            _ => &groups.single,
        };
        for &precision in &self.precisions {
            for problem in &self.problems {
                let asked = self.benchmark.asked(problem);
                for &placement in &self.placements {
                    let problem = &self.fitted(problem, precision, placement, groups)?;
                    let mut add = |case| cases.add(Case { asked: asked.clone(), ..case });
                    for group in scheduled {
                        add(self.fitting_case(problem, precision, placement, group)?)?;
                    }
                    let Some((kind, points)) = &groups.scaling else { continue };
                    for &ranks in points {
                        let share = match kind {
                            ScalingKind::Strong => self.benchmark.share(problem, ranks)?,
                            ScalingKind::Weak => problem.clone(),
                        };
                        // The first ranks, so that a point fills one node before it uses the next.
                        let group =
                            Group { axis: mesh::WORLD.to_owned(), ranks: (0..ranks).collect() };
                        let group = ScheduledGroup { group, set: None };
                        let mut case = self.case(&share, precision, placement, group)?;
                        case.study = Some(Study { kind: *kind, problem: problem.clone() });
                        add(case)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// A problem with numbers for its words: the same for all groups.
    fn fitted(
        &self,
        problem: &Problem,
        precision: Option<Element>,
        placement: Option<Placement>,
        groups: &MeasuredGroups,
    ) -> Result<Problem> {
        let (element, placement) = forms(precision, placement);
        self.benchmark.fitted(problem, (element, placement, groups.ranks), &self.capacity)
    }

    /// The case of a group of the mesh. A preset's size of which nothing would move there becomes the least that does.
    fn fitting_case(
        &self,
        problem: &Problem,
        precision: Option<Element>,
        placement: Option<Placement>,
        group: &ScheduledGroup,
    ) -> Result<Case> {
        let ranks = group.group.ranks.len();
        let case = self.case(problem, precision, placement, group.clone())?;
        let grown = match &case.work {
            Work::Exchange(exchange) if self.of_preset => exchange.grown(ranks),
            _ => None,
        };
        let Some(grown) = grown else { return Ok(case) };
        let mut problem = problem.clone();
        problem.insert(BYTES.to_owned(), Setting::Number(grown.bytes));
        self.case(&problem, precision, placement, group.clone())
    }

    fn case(
        &self,
        problem: &Problem,
        precision: Option<Element>,
        placement: Option<Placement>,
        ScheduledGroup { group, set }: ScheduledGroup,
    ) -> Result<Case> {
        let (element, out) = forms(precision, placement);
        let work = self.benchmark.work(problem, element, out)?;
        if let Err(why) = work.check(group.ranks.len())
            && why.kind == Kind::Usage
        {
            return Err(Error::usage(format!("{}: {}", self.benchmark.name, why.message)));
        }
        let mut settings: Vec<String> =
            problem.iter().map(|(key, value)| format!("{key}={value}")).collect();
        settings.extend(placement.map(|placement| format!("{PLACEMENT}={}", placement.name())));
        // Pairs are always concurrent.
        let concurrent = set.is_some() && group.axis != mesh::PAIRS;
        let parts = [
            Some(self.benchmark.name.to_string()),
            precision.map(|element| element.name().to_owned()),
            Some(settings.join(",")).filter(|settings| !settings.is_empty()),
            Some(group.to_string()),
            concurrent.then(|| "concurrent".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        Ok(Case {
            id: parts.join("/"),
            benchmark: self.benchmark.name.to_string(),
            problem: problem.clone(),
            asked: Asked::new(),
            precision,
            placement,
            work,
            group,
            set,
            study: None,
        })
    }
}

/// The type and the placement of work, also where a benchmark has none.
fn forms(precision: Option<Element>, placement: Option<Placement>) -> (Element, Placement) {
    (precision.unwrap_or(Element::U8), placement.unwrap_or(Placement::Out))
}

/// The cases so far, each once.
#[derive(Debug, Default)]
pub(super) struct CaseList {
    pub(super) list: Vec<Case>,
    by_id: HashMap<String, usize>,
    /// Calls of `add`, duplicates included, to bound the time.
    added: usize,
    /// Members of their groups, and entries of their matrices, to bound the memory.
    members: usize,
}

impl CaseList {
    /// Adds a case unless it is a duplicate: a group of the mesh may also be a point of the scaling study.
    fn add(&mut self, case: Case) -> Result<()> {
        self.added += 1;
        self.members += match &case.work {
            Work::Exchange(Exchange { blocks: Blocks::Matrix { rows, .. }, .. }) => {
                rows.len().pow(2)
            }
            _ => case.group.ranks.len(),
        };
        mesh::refuse_members(self.members)?;
        if self.added > CASE_LIMIT {
            return Err(Error::usage(format!(
                "the plan has more than {CASE_LIMIT} cases; use fewer values or groups"
            )));
        }
        match self.by_id.get(&case.id) {
            None => {
                self.by_id.insert(case.id.clone(), self.list.len());
                self.list.push(case);
            }
            Some(&known) => {
                let known = &mut self.list[known];
                known.study = known.study.take().or(case.study);
            }
        }
        Ok(())
    }
}
