//! The questions of `init-config --interactive`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use inquire::list_option::ListOption;
use inquire::validator::Validation;
use inquire::{Confirm, CustomType, InquireError, MultiSelect, Select, Text};

use super::Machine;
use crate::base::error::{Error, Result};
use crate::base::units::{counted, parse_seconds};
use crate::benchmark::work::Element;
use crate::benchmark::{CATALOGUE, find};
use crate::machine::topology;
use crate::plan::Plan;
use crate::plan::config::{BackendChoice, Config, Quantity};
use crate::plan::mesh::{DEFAULT_ORDER, Mesh};
use crate::plan::place::Place;
use crate::render::say;
use crate::run::on_this_machine;

/// How long each case is measured.
const EFFORTS: [&str; 4] = [
    "as usual",
    "quickly: 10 iterations, for a first look",
    "exactly: until the median is known to 1 %",
    "so many iterations as I say",
];

/// Endings of files to write beside the report.
const FILES: [(&str, &str); 4] = [
    (".html", "for browsers: a page with plots"),
    (".md", "for people: tables in Markdown"),
    (".csv", "for spreadsheets: a row for each case"),
    (".xml", "for CI: JUnit"),
];

/// Asks, beginning from `config`. `None` if the person gave up.
///
/// # Errors
/// Usage error without a terminal; what the configuration that came of it would be refused for.
pub(super) fn ask(
    config: Config,
    machine: &Machine,
    replaced: Option<&PathBuf>,
) -> Result<Option<(Config, usize)>> {
    // The library would look for the terminal that another process is driven from.
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Error::usage(
            "--interactive asks on a terminal, and there is none; leave it out",
        ));
    }
    match answers(config, machine, replaced.map(PathBuf::as_path)) {
        Ok(answers) => answers.transpose(),
        Err(InquireError::OperationCanceled | InquireError::OperationInterrupted) => Ok(None),
        Err(why) => Err(Error::unfit(format!("cannot ask: {why}"))),
    }
}

type Answers = Option<Result<(Config, usize)>>;

fn answers(
    mut config: Config,
    machine: &Machine,
    replaced: Option<&Path>,
) -> Result<Answers, InquireError> {
    backend(&mut config, machine)?;
    let ranks = ranks(&mut config, machine)?;
    benchmarks(&mut config)?;
    precisions(&mut config)?;
    effort(&mut config)?;
    files(&mut config)?;
    let plan = on_this_machine(config.clone(), ranks);
    match plan.and_then(|config| Plan::resolve(&config, &Place::on_one_node(ranks))) {
        Ok(plan) => say(&format!("  that makes {}", counted(plan.cases.len(), "case"))),
        Err(why) => return Ok(Some(Err(why))),
    }
    let question = match replaced {
        Some(file) => format!("Replace {}?", file.display()),
        None => "Write it?".to_owned(),
    };
    let agreed = Confirm::new(&question).with_default(true).prompt()?;
    Ok(agreed.then_some(Ok((config, ranks))))
}

fn backend(config: &mut Config, machine: &Machine) -> Result<(), InquireError> {
    let (gpus, cores) = (machine.gpus, machine.cores);
    let choices = [
        (BackendChoice::Host, format!("host: this machine's {cores} cores, and MPI")),
        (BackendChoice::Cuda, format!("cuda: NVIDIA GPUs ({gpus} found here)")),
        (BackendChoice::Simulated, "simulated: a model of another machine".to_owned()),
    ];
    let known = config.backend.unwrap_or_default();
    let start = choices.iter().position(|(choice, _)| *choice == known).unwrap_or(0);
    let texts = choices.iter().map(|(_, text)| text.as_str()).collect();
    let chosen =
        Select::new("What is measured?", texts).with_starting_cursor(start).raw_prompt()?;
    config.backend = Some(choices[chosen.index].0);
    if config.backend == Some(BackendChoice::Simulated) {
        let names: Vec<&str> = topology::names().collect();
        let known = config.topology.as_deref().unwrap_or(topology::DEFAULT);
        let start = names.iter().position(|name| *name == known).unwrap_or(0);
        let name = Select::new("Which machine?", names).with_starting_cursor(start).prompt()?;
        config.topology = Some(name.to_owned());
    }
    Ok(())
}

/// How many ranks there are, and their mesh.
fn ranks(config: &mut Config, machine: &Machine) -> Result<usize, InquireError> {
    let shape = config.mesh.shape.clone();
    let sizes = shape.iter().flat_map(|shape| shape.split(','));
    let sizes = sizes.filter_map(|part| part.split_once('=')?.1.trim().parse::<usize>().ok());
    let known: usize = match &shape {
        Some(_) => sizes.fold(1, usize::saturating_mul),
        None => machine.gpus.max(1),
    };
    let ranks: usize = CustomType::new("How many ranks, one for each device?")
        .with_default(known)
        .with_error_message("a whole number, such as 8")
        .with_validator(|ranks: &usize| {
            Ok(match ranks {
                1..=65536 => Validation::Valid,
                _ => Validation::Invalid("between 1 and 65536".into()),
            })
        })
        .prompt()?;
    if ranks == 1 {
        config.mesh.shape = None;
        return Ok(ranks);
    }
    let order = config.mesh.order.clone().unwrap_or_else(|| DEFAULT_ORDER.to_owned());
    let known = shape.filter(|shape| Mesh::parse(shape, &order, ranks).is_ok());
    let check = move |shape: &str| {
        Ok(match Mesh::parse(shape, &order, ranks) {
            Ok(_) => Validation::Valid,
            Err(why) => Validation::Invalid(why.message.into()),
        })
    };
    let mesh = Text::new("Their mesh?")
        .with_default(&known.unwrap_or_else(|| format!("dp={ranks}")))
        .with_help_message("tensor, data and pipeline parallel: tp=2,dp=2,pp=1")
        .with_validator(check)
        .prompt()?;
    config.mesh.shape = Some(mesh);
    Ok(ranks)
}

/// Those that were chosen before keep their sizes.
fn benchmarks(config: &mut Config) -> Result<(), InquireError> {
    let known = config.benchmarks.take().unwrap_or_default();
    let texts: Vec<String> = CATALOGUE
        .iter()
        .map(|benchmark| format!("{:<15} {}", benchmark.name, benchmark.description))
        .collect();
    let places = CATALOGUE.iter().enumerate();
    let chosen = places.filter(|(_, benchmark)| known.contains_key(&*benchmark.name));
    let chosen: Vec<usize> = chosen.map(|(place, _)| place).collect();
    let answer = MultiSelect::new("Which benchmarks?", texts)
        .with_default(&chosen)
        .with_page_size(12)
        .with_help_message("type to search, space to choose, enter to go on, escape to give up")
        .with_validator(at_least_one)
        .raw_prompt()?;
    let settings = |option: ListOption<String>| {
        let name = CATALOGUE[option.index].name.to_string();
        let settings = known.get(&name).cloned().flatten();
        (name, settings)
    };
    // What the list does not show, such as a glob, stays.
    let shown = |name: &str| CATALOGUE.iter().any(|benchmark| benchmark.name == name);
    let others = known.iter().filter(|(name, _)| !shown(name));
    let others = others.map(|(name, settings)| (name.clone(), settings.clone()));
    config.benchmarks = Some(answer.into_iter().map(settings).chain(others).collect());
    Ok(())
}

/// Of those that a chosen benchmark is defined for.
fn precisions(config: &mut Config) -> Result<(), InquireError> {
    let chosen = config.benchmarks.iter().flatten().filter_map(|(name, _)| find(name));
    let defined: Vec<Element> = chosen.flat_map(|benchmark| benchmark.precisions.clone()).collect();
    let names: Vec<&str> =
        Element::ALL.into_iter().filter(|e| defined.contains(e)).map(Element::name).collect();
    if names.is_empty() {
        config.precision_policies = None;
        return Ok(());
    }
    let known = config.precision_policies.clone().unwrap_or_else(|| vec!["f32".to_owned()]);
    let places = names.iter().enumerate().filter(|(_, name)| known.iter().any(|k| k == *name));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let offered = names.clone();
    let answer = MultiSelect::new("With elements of which types?", names)
        .with_default(&places)
        .with_validator(at_least_one)
        .prompt()?;
    let others = known.into_iter().filter(|name| !offered.contains(&name.as_str()));
    let chosen = answer.into_iter().map(str::to_owned);
    config.precision_policies = Some(chosen.chain(others).collect());
    Ok(())
}

fn effort(config: &mut Config) -> Result<(), InquireError> {
    let known = &mut config.benchmarking;
    let start = match known {
        _ if known.quick == Some(true) => 1,
        _ if known.precision_target.is_some() => 2,
        _ if known.timing_iterations.is_some() => 3,
        _ => 0,
    };
    let choice = Select::new("How long is each case measured?", EFFORTS.to_vec())
        .with_starting_cursor(start)
        .raw_prompt()?;
    known.quick = (choice.index == 1).then_some(true);
    known.precision_target = match choice.index {
        2 => known.precision_target.take().or(Some(Quantity::Text("1%".to_owned()))),
        _ => None,
    };
    if choice.index == 3 {
        let number = |question: &str, known: Option<u32>, usual| {
            CustomType::<u32>::new(question)
                .with_default(known.unwrap_or(usual))
                .with_error_message("a whole number")
                .prompt()
        };
        known.warmup_iterations =
            Some(number("Iterations before, untimed?", known.warmup_iterations, 5)?);
        known.timing_iterations = Some(number("Timed iterations?", known.timing_iterations, 100)?);
    } else {
        (known.warmup_iterations, known.timing_iterations) = (None, None);
    }
    let launches = CustomType::<u32>::new("In how many launches?")
        .with_default(known.launches.unwrap_or(1))
        .with_help_message(
            "what differs from launch to launch shows from 5 on; comparisons need it",
        )
        .with_error_message("a whole number")
        .prompt()?;
    known.launches = (launches > 1).then_some(launches);
    let timeout = config.timeout.as_ref().map_or("1h".to_owned(), Quantity::to_string);
    let timeout = Text::new("When is the whole run given up?")
        .with_default(&timeout)
        .with_validator(|text: &str| {
            Ok(match parse_seconds(text) {
                Ok(_) => Validation::Valid,
                Err(why) => Validation::Invalid(why.message.into()),
            })
        })
        .prompt()?;
    config.timeout = Some(Quantity::Text(timeout));
    Ok(())
}

/// The report has every sample; with many, they are in a file beside it.
fn files(config: &mut Config) -> Result<(), InquireError> {
    let known = config.output.files.take().unwrap_or_default();
    let report = |file: &&PathBuf| file.extension().is_some_and(|ending| ending == "json");
    let report = known.iter().find(report).cloned().unwrap_or_else(|| "results.json".into());
    let name = Text::new("Where does the report go, with all raw data?")
        .with_default(&report.display().to_string())
        .with_validator(|name: &str| {
            Ok(match name.ends_with(".json") {
                true => Validation::Valid,
                false => Validation::Invalid("a file that ends with .json".into()),
            })
        })
        .prompt()?;
    let texts: Vec<String> =
        FILES.iter().map(|(ending, purpose)| format!("{ending:<5} {purpose}")).collect();
    let has = |ending: &str| known.iter().any(|file| file.to_string_lossy().ends_with(ending));
    let chosen = FILES.iter().enumerate().filter(|(_, (ending, _))| has(ending));
    let chosen: Vec<usize> = chosen.map(|(place, _)| place).collect();
    let more = MultiSelect::new("What else is written beside it?", texts)
        .with_default(&chosen)
        .raw_prompt()?;
    let stem = name.trim_end_matches(".json");
    let more = more.into_iter().map(|option| format!("{stem}{}", FILES[option.index].0).into());
    let mut files: Vec<PathBuf> = std::iter::once(name.clone().into()).chain(more).collect();
    // What the questions did not show stays.
    let before = report.with_extension("");
    let offered = |file: &PathBuf| {
        let shown = FILES.iter().any(|(ending, _)| {
            file.extension().is_some_and(|e| *ending == format!(".{}", e.display()))
        });
        *file == report || shown && file.with_extension("") == before
    };
    files.extend(known.into_iter().filter(|file| !offered(file)));
    config.output.files = Some(files);
    Ok(())
}

fn at_least_one<T>(chosen: &[ListOption<&T>]) -> Result<Validation, inquire::CustomUserError> {
    Ok(match chosen {
        [] => Validation::Invalid("choose at least one, with space".into()),
        _ => Validation::Valid,
    })
}
