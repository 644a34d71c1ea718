//! What flags ask for, over what a configuration file does.

use std::collections::BTreeMap;

use wildmatch::WildMatch;

use super::RunArgs;
use crate::base::error::{Error, Result, suggestion};
use crate::benchmark;
use crate::cli::set_name;
use crate::plan::config::{Config, DeadlineConfig, Quantity, Values, from_name};

impl RunArgs {
    pub(super) fn apply(&self, mut config: Config) -> Result<Config> {
        fn set<T: Clone>(to: &mut Option<T>, flag: &Option<T>) {
            if flag.is_some() {
                to.clone_from(flag);
            }
        }
        fn set_quantity(to: &mut Option<Quantity>, flag: &Option<String>) {
            set(to, &flag.clone().map(Quantity::Text));
        }
        set_name(&mut config.backend, "--backend", &self.backend)?;
        set_name(&mut config.protocol, "--protocol", &self.protocol)?;
        set_name(&mut config.scaling.kind, "--scaling", &self.scaling)?;
        set(&mut config.output.format, &self.format);
        set(&mut config.topology, &self.topology);
        set(&mut config.seed, &self.seed);
        set(&mut config.timeout, &self.timeout);
        set(&mut config.benchmarking.warmup_iterations, &self.warmup);
        set(&mut config.benchmarking.timing_iterations, &self.iterations);
        set(&mut config.benchmarking.batch, &self.batch);
        set(&mut config.benchmarking.check_every, &self.check_every);
        set(&mut config.benchmarking.repeat, &self.repeat);
        set(&mut config.benchmarking.launches, &self.launches);
        set(&mut config.heartbeats, &self.heartbeats);
        set(&mut config.max_failures, &self.max_failures);
        set_name(&mut config.thread_level, "--thread-level", &self.thread_level)?;
        set_quantity(&mut config.deadlines.case, &self.case_timeout);
        for text in &self.deadline {
            set_deadline(&mut config.deadlines, text)?;
        }
        set_quantity(&mut config.benchmarking.precision_target, &self.precision_target);
        set_quantity(&mut config.benchmarking.min_time, &self.min_time);
        set_quantity(&mut config.benchmarking.max_time, &self.max_time);
        set_quantity(&mut config.benchmarking.duration, &self.duration);
        set(&mut config.benchmarking.precision_quantiles, &self.precision_quantile);
        set(&mut config.benchmarking.quick, &self.quick.then_some(true));
        set(&mut config.emulate_ranks, &self.emulate_ranks.then_some(true));
        set(&mut config.continue_on_error, &self.continue_on_error.then_some(true));
        set(&mut config.mesh.shape, &self.mesh);
        set(&mut config.mesh.order, &self.mesh_order);
        set(&mut config.mesh.groups, &self.groups);
        set(&mut config.mesh.pairs, &self.pairs);
        set(&mut config.mesh.concurrent_groups, &self.concurrent_groups.then_some(true));
        set(&mut config.mesh.axes, &self.axis);
        set(&mut config.scaling.ranks, &self.scaling_ranks);
        set(&mut config.precision_policies, &self.precision);
        set(&mut config.output.files, &self.output);
        self.rules.apply(&mut config.comparison)?;
        self.choose_benchmarks(&mut config)?;
        for text in &self.problem_size {
            apply_problem_size(&mut config, text)?;
        }
        if self.nccl_tests_table {
            place_both(&mut config);
        }
        Ok(config)
    }

    /// `--benchmark` chooses; settings that the file has for the chosen ones stay.
    fn choose_benchmarks(&self, config: &mut Config) -> Result<()> {
        if self.benchmark.is_empty() {
            return Ok(());
        }
        let known = config.benchmarks.take().unwrap_or_default();
        let mut chosen = BTreeMap::new();
        for pattern in &self.benchmark {
            let matcher = WildMatch::new(pattern);
            let names = benchmark::CATALOGUE.iter().map(|benchmark| &*benchmark.name);
            let mut matching: Vec<&str> = names.filter(|name| matcher.matches(name)).collect();
            if matching.is_empty() {
                matching.push(&benchmark::named(pattern)?.name);
            }
            for name in matching {
                let settings = known.get(name).cloned().flatten();
                chosen.insert(name.to_owned(), settings);
            }
        }
        config.benchmarks = Some(chosen);
        Ok(())
    }
}

/// The benchmarks to run with their settings; the default ones where none is named.
fn chosen(config: &mut Config) -> &mut BTreeMap<String, Option<BTreeMap<String, Values>>> {
    let default = || benchmark::defaults().map(|name| (name.to_owned(), None)).collect();
    config.benchmarks.get_or_insert_with(default)
}

/// Both placements where a benchmark has both and none was asked for: the halves of nccl-tests' table.
fn place_both(config: &mut Config) {
    for (name, settings) in chosen(config) {
        if benchmark::find(name).is_some_and(|benchmark| benchmark.placements) {
            let both = || Values::Text("out,in".to_owned());
            settings.get_or_insert_default().entry("placement".to_owned()).or_insert_with(both);
        }
    }
}

/// One `--problem-size`: a preset, JSON, or `key=values`.
fn apply_problem_size(config: &mut Config, text: &str) -> Result<()> {
    let wrong = |why: &str| {
        Error::usage(format!(
            "--problem-size '{text}' {why}; write bytes=8..64MiB*2, m=512,1024, {{\"m\": 512}}, or small, \
             medium, large"
        ))
    };
    let settings: BTreeMap<String, Values> = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|why| wrong(&format!("is not JSON ({why})")))?
    } else if let Some((key, values)) = text.split_once('=') {
        BTreeMap::from([(key.trim().to_owned(), Values::Text(values.to_owned()))])
    } else {
        config.preset = Some(from_name("--problem-size", text)?);
        return Ok(());
    };
    let chosen = chosen(config);
    for (key, values) in settings {
        let mut used = false;
        for (name, settings) in chosen.iter_mut() {
            let Some(benchmark) = benchmark::find(name) else { continue };
            let placement = key == "placement" && benchmark.placements;
            if placement || benchmark.keys.iter().any(|known| known.name == key) {
                settings.get_or_insert_default().insert(key.clone(), values.clone());
                used = true;
            }
        }
        if !used {
            let keys = chosen.keys().filter_map(|name| benchmark::find(name));
            let keys: Vec<&str> =
                keys.flat_map(|benchmark| benchmark.keys.iter().map(|key| &*key.name)).collect();
            return Err(wrong(&format!(
                "sets a key that none of the benchmarks has ({})",
                suggestion(&key, keys)
            )));
        }
    }
    Ok(())
}

/// One `--deadline`: `case=10m`.
fn set_deadline(deadlines: &mut DeadlineConfig, text: &str) -> Result<()> {
    let (name, time) = text.split_once('=').ok_or_else(|| {
        Error::usage(format!("--deadline '{text}' is not NAME=TIME, such as case=10m"))
    })?;
    let set = serde_json::to_value(&*deadlines).and_then(|mut known| {
        known[name] = time.into();
        serde_json::from_value(known)
    });
    *deadlines = set.map_err(|why| Error::usage(format!("--deadline '{text}': {why}")))?;
    Ok(())
}
