//! `init-config`: a commented configuration for this machine.

mod wizard;

use std::path::{Path, PathBuf};

use clap::Args;

use super::is_stdout;
use crate::backend;
use crate::base::error::{Error, Exit, Result};
use crate::base::files::{probe, write_atomically};
use crate::base::plain::plain;
use crate::base::units::format_size;
use crate::benchmark;
use crate::machine::environment;
use crate::plan::config::{BackendChoice, Config, OutputConfig, commented};
use crate::render::say;

#[derive(Debug, Args)]
pub(super) struct InitConfigArgs {
    /// File to write; - prints instead
    #[arg(long, short, value_name = "FILE", default_value = "tesserabench.yaml")]
    output: PathBuf,
    /// Ask what to measure, and how; what the file says already is offered again
    #[arg(long, short)]
    interactive: bool,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &InitConfigArgs, from: Option<&Path>) -> Result<Exit> {
    if args.output.display().to_string().contains(char::is_control) {
        return Err(Error::usage("--output: control characters are no part of a name"));
    }
    let is_there = !is_stdout(&args.output) && args.output.exists();
    if is_there && !args.force && !args.interactive {
        return Err(Error::usage(format!(
            "'{}' is there already; --force replaces it, --interactive changes it, --output names another file",
            args.output.display()
        )));
    }
    let machine = Machine::find();
    let usual = Config {
        backend: Some(machine.backend()),
        benchmarks: Some(benchmark::defaults().map(|name| (name.to_owned(), None)).collect()),
        output: OutputConfig {
            files: Some(vec!["results.json".into()]),
            ..OutputConfig::default()
        },
        ..Config::default()
    };
    let mut config = from.map_or(Ok(usual), Config::load)?;
    let mut ranks = 1;
    if args.interactive {
        if is_there {
            config = Config::load(&args.output)?;
        }
        match wizard::ask(config, &machine, is_there.then_some(&args.output))? {
            Some(answers) => (config, ranks) = answers,
            None => {
                say("cancelled; nothing was written");
                return Ok(Exit::Interrupted);
            }
        }
    }
    let text = machine.heading(&args.output, ranks) + &commented(&config)?;
    if is_stdout(&args.output) {
        say(text.trim_end());
        return Ok(Exit::Ok);
    }
    probe(&args.output)?;
    write_atomically(&args.output, text.as_bytes())?;
    say(&format!("wrote {}", args.output.display()));
    say(&format!("to run it: {}", command(&args.output, ranks)));
    Ok(Exit::Ok)
}

/// The command that runs a configuration.
fn command(file: &Path, ranks: usize) -> String {
    let ranks = if ranks > 1 { format!(" --ranks {ranks}") } else { String::new() };
    let file = file.display().to_string();
    let is_plain = file.chars().all(|c| c.is_ascii_alphanumeric() || "._-/+=%,:".contains(c));
    let file = if is_plain { file } else { format!("'{}'", file.replace('\'', r"'\''")) };
    format!("tesserabench --config {file} run{ranks}")
}

/// What is known of this machine.
struct Machine {
    /// What it is, a line each.
    facts: Vec<String>,
    gpus: usize,
    cores: usize,
}

impl Machine {
    fn find() -> Self {
        let node = environment::this_node();
        let gpus = backend::cuda_survey();
        let cores = node.cores.unwrap_or(1);
        let cpu = node.cpu.as_deref().unwrap_or("unknown");
        let memory = format_size(node.memory_bytes.unwrap_or(0) >> 20 << 20);
        let mut facts = vec![format!("{}: {cores} x {cpu}, {memory}", node.host)];
        match &gpus {
            Ok(all) => facts.extend(all.iter().map(|gpu| format!("GPU: {}", gpu.name))),
            Err(why) => facts.push(format!("no GPU: {}", why.message)),
        }
        let facts = facts.iter().map(|fact| plain(fact).into_owned()).collect();
        Self { facts, gpus: gpus.map_or(0, |gpus| gpus.len()), cores }
    }

    fn backend(&self) -> BackendChoice {
        if self.gpus > 0 { BackendChoice::Cuda } else { BackendChoice::Host }
    }

    /// What stands at the top of the file.
    fn heading(&self, file: &Path, ranks: usize) -> String {
        let mut lines = vec!["A configuration of TesseraBench, made on".to_owned()];
        lines.extend(self.facts.iter().map(|fact| format!("  {fact}")));
        if !is_stdout(file) {
            lines.push(format!("To run it: {}", command(file, ranks)));
        }
        lines.push(
            "A key behind # is not set; its value is an example. Flags override the file."
                .to_owned(),
        );
        lines.iter().map(|line| format!("# {line}\n")).collect()
    }
}
