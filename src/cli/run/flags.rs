//! What flags ask for, over what a configuration file does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::RunArgs;
use super::args::MeasuringArgs;
use crate::base::error::{Error, Result, suggestion};
use crate::base::units::{parse_share, parse_sizes};
use crate::base::yaml::read;
use crate::benchmark;
use crate::cli::set_name;
use crate::plan::PLACEMENT;
use crate::plan::config::{
    BackendChoice, Benchmarking, Chosen, Config, DeadlineConfig, Quantity, Values, from_name,
};

/// Sets what a flag gives, if it is given.
fn set<T: Clone>(to: &mut Option<T>, flag: &Option<T>) {
    if flag.is_some() {
        to.clone_from(flag);
    }
}

fn set_quantity(to: &mut Option<Quantity>, flag: &Option<String>) {
    set(to, &flag.clone().map(Quantity::Text));
}

impl MeasuringArgs {
    /// The backends that are asked for; none where that is left to the configuration.
    pub(super) fn backends(&self) -> Result<Vec<BackendChoice>> {
        self.backend.iter().map(|name| from_name("--backend", name)).collect()
    }

    fn apply(&self, config: &mut Benchmarking) -> Result<()> {
        if self.quick {
            *config = Benchmarking {
                quick: Some(true),
                warmup_iterations: None,
                timing_iterations: None,
                precision_target: None,
                precision_quantiles: None,
                min_time: None,
                ..std::mem::take(config)
            };
        }
        set(&mut config.warmup_iterations, &self.warmup);
        set(&mut config.timing_iterations, &self.iterations);
        set(&mut config.batch, &self.batch);
        set_quantity(&mut config.precision_target, &self.precision_target);
        set(&mut config.precision_quantiles, &self.precision_quantile);
        set_quantity(&mut config.min_time, &self.min_time);
        set_quantity(&mut config.max_time, &self.max_time);
        set_quantity(&mut config.duration, &self.duration);
        set(&mut config.repeat, &self.repeat);
        set(&mut config.check_every, &self.check_every);
        let confidence = self.confidence.as_deref().map(parse_share).transpose();
        let confidence = confidence.map_err(|why| Error::usage(format!("--confidence: {why}")))?;
        set(&mut config.statistical_significance, &confidence);
        Ok(())
    }
}

impl RunArgs {
    pub(super) fn apply(&self, mut config: Config) -> Result<Config> {
        let Self { work, ranks, measuring, output, failures, series, rules, advanced } = self;
        config.kernel_paths.extend(work.kernels.kernel_path.iter().cloned());
        super::super::kernels::discover(&config.kernel_paths)?;
        let compared = series.compare_baseline.iter().map(PathBuf::from);
        config.inputs.extend(compared.chain(series.against.clone()));
        set(&mut config.precision_policies, &work.precision);
        set(&mut config.optimization_levels, &work.optimization_level);
        set(&mut config.mesh.shape, &ranks.mesh);
        set(&mut config.mesh.order, &ranks.mesh_order);
        set(&mut config.mesh.axes, &ranks.axis);
        set(&mut config.mesh.groups, &ranks.groups);
        set(&mut config.mesh.concurrent_groups, &ranks.concurrent_groups.then_some(true));
        set(&mut config.mesh.pairs, &ranks.pairs);
        set_name(&mut config.scaling.kind, "--scaling", &ranks.scaling)?;
        set(&mut config.scaling.ranks, &ranks.scaling_ranks);
        set(&mut config.backend, &measuring.backends()?.first().copied());
        set(&mut config.topology, &measuring.topology);
        set_name(&mut config.protocol, "--protocol", &measuring.protocol)?;
        measuring.apply(&mut config.benchmarking)?;
        set(&mut config.benchmarking.launches, &series.launches);
        set(&mut config.benchmarking.max_launches, &series.max_launches);
        set(&mut config.cases, &work.case);
        set(&mut config.measure, &work.measure);
        set(&mut config.name, &output.name);
        set(&mut config.description, &output.description);
        set(&mut config.output.files, &output.output);
        set(&mut config.output.format, &output.format);
        set(&mut config.output.folder, &output.output_dir);
        set(&mut config.output.marker, &output.marker);
        config.output.github |= output.github;
        set_quantity(&mut config.timeout, &failures.timeout);
        set_quantity(&mut config.deadlines.case, &failures.case_timeout);
        for text in &failures.deadline {
            set_deadline(&mut config.deadlines, text)?;
        }
        set(&mut config.continue_on_error, &failures.continue_on_error.then_some(true));
        set(&mut config.max_failures, &failures.max_failures);
        set(&mut config.heartbeats, &failures.heartbeats);
        set(&mut config.seed, &advanced.seed);
        set(&mut config.autotuning, &advanced.no_autotune.then_some(false));
        let blocking = advanced.no_blocking_kernel.then_some(false);
        set(&mut config.benchmarking.blocking_kernel, &blocking);
        set(&mut config.emulate_ranks, &advanced.emulate_ranks.then_some(true));
        set_name(&mut config.thread_level, "--thread-level", &advanced.thread_level)?;
        rules.apply(&mut config.comparison)?;
        self.choose_benchmarks(&mut config)?;
        apply_problem_sizes(&mut config, &work.problem_size)?;
        if output.nccl_tests_table {
            place_both(&mut config);
        }
        Ok(config)
    }

    /// Names choose; settings that the file has for the chosen ones stay.
    fn choose_benchmarks(&self, config: &mut Config) -> Result<()> {
        let names: Vec<&String> = self.work.names.iter().chain(&self.work.benchmark).collect();
        if names.is_empty() {
            return Ok(());
        }
        let known = config.benchmarks.take().unwrap_or_default();
        let mut chosen = BTreeMap::new();
        for pattern in names {
            for benchmark in benchmark::meant_by(pattern)? {
                let name = &*benchmark.name;
                let settings = known.get(name).cloned().flatten();
                chosen.insert(name.to_owned(), settings);
            }
        }
        config.benchmarks = Some(chosen);
        Ok(())
    }
}

/// The benchmarks to run with their settings; the default ones where none is named.
fn chosen(config: &mut Config) -> &mut Chosen {
    let default = || benchmark::defaults().map(|name| (name.to_owned(), None)).collect();
    config.benchmarks.get_or_insert_with(default)
}

/// Both placements where a benchmark has both and none was asked for: the halves of nccl-tests' table.
fn place_both(config: &mut Config) {
    for (name, settings) in chosen(config) {
        if benchmark::find(name).is_some_and(|benchmark| benchmark.placements) {
            let both = || Values::Text("out,in".to_owned());
            settings.get_or_insert_default().entry(PLACEMENT.to_owned()).or_insert_with(both);
        }
    }
}

/// Every `--problem-size`: a preset, JSON, or `key=values`; values of the same key add up.
pub(in crate::cli) fn apply_problem_sizes(config: &mut Config, texts: &[String]) -> Result<()> {
    let mut sizes: BTreeMap<String, Vec<Values>> = BTreeMap::new();
    let mut presets: Vec<&String> = Vec::new();
    for text in texts {
        let wrong = |why: &str| Error::usage(format!("--problem-size '{text}': {why}"));
        if text.trim_start().starts_with('{') {
            let read: BTreeMap<String, Values> = read(text).map_err(|why| wrong(&why.message))?;
            read.into_iter().for_each(|(key, values)| sizes.entry(key).or_default().push(values));
        } else if let Some((key, values)) = text.split_once('=') {
            let values = Values::Text(values.to_owned());
            sizes.entry(key.trim().to_owned()).or_default().push(values);
        } else if parse_sizes(text).is_ok() {
            return Err(wrong(&format!("it names no key; write bytes={text} or m={text}")));
        } else {
            config.preset = Some(text.clone());
            presets.push(text);
        }
    }
    if let [first, second, ..] = &presets[..] {
        return Err(Error::usage(format!(
            "--problem-size {first} and --problem-size {second} are both presets; leave one out"
        )));
    }
    sizes.into_iter().try_for_each(|(key, values)| set_sizes(chosen(config), &key, values))
}

/// Sets a key of all chosen benchmarks that have it.
fn set_sizes(chosen: &mut Chosen, key: &str, mut values: Vec<Values>) -> Result<()> {
    let values = if values.len() == 1 { values.remove(0) } else { Values::List(values) };
    let mut used = false;
    for (name, settings) in chosen.iter_mut() {
        let Some(benchmark) = benchmark::find(name) else { continue };
        let placement = key == PLACEMENT && benchmark.placements;
        if placement || benchmark.keys.iter().any(|known| known.name == key) {
            settings.get_or_insert_default().insert(key.to_owned(), values.clone());
            used = true;
        }
    }
    if used {
        return Ok(());
    }
    let keys = chosen.keys().filter_map(|name| benchmark::find(name));
    let keys: Vec<&str> =
        keys.flat_map(|benchmark| benchmark.keys.iter().map(|key| &*key.name)).collect();
    Err(Error::usage(format!(
        "--problem-size sets '{key}', which none of the benchmarks has; {}",
        suggestion(key, keys)
    )))
}

/// One `--deadline`: `case=10m`.
fn set_deadline(deadlines: &mut DeadlineConfig, text: &str) -> Result<()> {
    let (name, time) = text.split_once('=').ok_or_else(|| {
        Error::usage(format!("--deadline '{text}' is not NAME=TIME, such as case=10m"))
    })?;
    let DeadlineConfig { startup, communicator, case, barrier, gather, silence, stop } = deadlines;
    let known = [
        ("startup", startup),
        ("communicator", communicator),
        ("case", case),
        ("barrier", barrier),
        ("gather", gather),
        ("silence", silence),
        ("stop", stop),
    ];
    let names = known.each_ref().map(|(name, _)| *name);
    let deadline = known.into_iter().find(|(known, _)| *known == name);
    let (_, deadline) = deadline.ok_or_else(|| {
        Error::usage(format!("--deadline '{text}' names no deadline; {}", suggestion(name, names)))
    })?;
    *deadline = Some(Quantity::Text(time.to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _};

    use super::*;
    use crate::cli::Cli;

    /// The configuration that flags make of a file.
    fn applied(yaml: &str, flags: &str) -> Result<Config> {
        let words = ["tesserabench", "run"].into_iter().chain(flags.split_whitespace());
        let matches = Cli::command().get_matches_from(words);
        let (_, matches) = matches.subcommand().unwrap();
        RunArgs::from_arg_matches(matches).unwrap().apply(Config::parse(yaml)?)
    }

    #[test]
    fn benchmarks_are_named_in_any_way() {
        for flags in ["gemm barrier", "-b gemm,barrier", "gemm -b barrier", "gemm,barrier"] {
            let chosen = applied("{}", flags).unwrap().benchmarks.unwrap();
            assert_eq!(chosen.into_keys().collect::<Vec<_>>(), ["barrier", "gemm"], "{flags}");
        }
        let precisions = applied("{}", "-p f32,f16").unwrap().precision_policies;
        assert_eq!(precisions.unwrap(), ["f32", "f16"]);
    }

    #[test]
    fn quick_overrides_the_file_and_other_flags_override_quick() {
        let file = "benchmarking: {precision_target: 1%, precision_quantiles: [0.9], timing_iterations: 1000, \
                    warmup_iterations: 50, min_time: 5s, batch: 2}";
        let quick = applied(file, "--quick --warmup 3").unwrap().benchmarking;
        let expected = Benchmarking {
            quick: Some(true),
            batch: Some(2),
            warmup_iterations: Some(3),
            ..Benchmarking::default()
        };
        assert_eq!(quick, expected);
    }

    #[test]
    fn times_have_units_and_shares_percent() {
        let config = applied("{}", "--timeout 5m --iters 7 --confidence 99%").unwrap();
        assert_eq!(config.timeout, Some(Quantity::Text("5m".to_owned())));
        assert_eq!(config.benchmarking.timing_iterations, Some(7));
        assert_eq!(config.benchmarking.statistical_significance, Some(0.99));
    }

    #[test]
    fn sizes_of_a_key_add_up() {
        let flags =
            "gemm --problem-size m=8 --problem-size m=16..64*2 --problem-size {\"m\":[7],\"k\":1}";
        let chosen = applied("{}", flags).unwrap().benchmarks.unwrap();
        let settings = chosen["gemm"].as_ref().unwrap();
        assert_eq!(
            (settings["m"].text(), settings["k"].text()),
            ("8,16..64*2,7".into(), "1".into())
        );
        for (sizes, expected) in [
            ("--problem-size small --problem-size large", "both presets"),
            ("--problem-size 8MiB", "write bytes=8MiB"),
            ("--problem-size {\"m\":true}", "'m' is 'true'"),
            ("--deadline cse=5", "did you mean 'case'?"),
        ] {
            let why = applied("{}", sizes).unwrap_err().message;
            assert!(why.contains(expected), "{why}");
        }
    }
}
