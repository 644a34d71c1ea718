//! `ci-template`: what makes GitHub or GitLab measure each change against what was there before, and gate it.

use std::fmt;
use std::path::PathBuf;

use askama::Template;
use clap::{Args, CommandFactory as _, ValueEnum};

use super::{Cli, is_stdout, refusal};
use crate::base::error::{Error, Exit, Result};
use crate::base::files::write_atomically;
use crate::base::plain::plain;
use crate::benchmark::Element;
use crate::plan::config::{BackendChoice, from_name};
use crate::render::say;

/// Most jobs that GitHub makes of a matrix.
const LEG_LIMIT: usize = 256;

#[derive(Debug, Args)]
pub(super) struct CiTemplateArgs {
    /// What it is for
    #[arg(value_enum)]
    of: Service,
    /// File to write; - prints instead [default: .github/workflows/benchmark.yml, benchmark.gitlab-ci.yml]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    matrix: MatrixArgs,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    place: PlaceArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Service {
    /// A workflow of GitHub Actions
    Github,
    /// Jobs of GitLab CI
    Gitlab,
}

/// Each combination is measured in a job of its own.
#[derive(Debug, Args)]
#[command(next_help_heading = "What is measured")]
struct MatrixArgs {
    /// Backends: host, cuda; each in jobs of its own
    #[arg(long, value_name = "NAME", value_delimiter = ',', default_value = "host")]
    backend: Vec<String>,
    /// Element types; each in jobs of its own
    #[arg(long, short, value_name = "TYPE", value_delimiter = ',', default_value = "f32")]
    precision: Vec<String>,
    /// Numbers of ranks; each in jobs of its own
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,2", value_parser = clap::value_parser!(u32).range(1..))]
    ranks: Vec<u32>,
    /// What else `run` is told: benchmarks, sizes, iterations, thresholds
    #[arg(
        long,
        value_name = "WORDS",
        default_value = "--problem-size small",
        allow_hyphen_values = true
    )]
    run: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How a commit is built")]
struct CommitArgs {
    /// Command that prepares a machine, once
    #[arg(long, value_name = "COMMAND", default_value = "scripts/setup --quiet")]
    setup: String,
    /// Command that builds a commit, in its folder
    #[arg(
        long,
        value_name = "COMMAND",
        default_value = "scripts/setup --quiet && source .local/env-openmpi.sh && cargo build --release --locked"
    )]
    build: String,
    /// What that leaves there: tesserabench, or a script that starts it with the commit's kernels
    #[arg(long, value_name = "PATH", default_value = "target/release/tesserabench")]
    program: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Where it runs")]
struct PlaceArgs {
    /// Labels of the machine that measures (GitLab: tags) [default: ubuntu-24.04; GitLab: none]
    #[arg(long, value_name = "LABEL", value_delimiter = ',')]
    runs_on: Vec<String>,
    /// Container that measures, of GitLab [default: rust:1-bookworm]
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// The main branch, whose reports are kept (GitLab knows it)
    #[arg(long, value_name = "NAME", default_value = "main")]
    branch: String,
    /// The branch that they are kept on
    #[arg(long, value_name = "NAME", default_value = "benchmark-data")]
    data_branch: String,
}

#[derive(Template)]
#[template(
    path = "github.yml",
    config = "src/cli/ci_template/askama.toml",
    syntax = "yaml",
    escape = "none"
)]
struct Github<'a>(Kit<'a>);

#[derive(Template)]
#[template(
    path = "gitlab.yml",
    config = "src/cli/ci_template/askama.toml",
    syntax = "yaml",
    escape = "none"
)]
struct Gitlab<'a>(Kit<'a>);

/// What varies, as it is written in YAML.
struct Kit<'a> {
    backends: List<'a>,
    precisions: List<'a>,
    ranks: List<'a>,
    /// Jobs that measure.
    legs: usize,
    run: Text<'a>,
    setup: Text<'a>,
    build: Text<'a>,
    program: Text<'a>,
    runs_on: List<'a>,
    image: Text<'a>,
    branch: Text<'a>,
    data_branch: Text<'a>,
}

/// A text that YAML takes for nothing else.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

/// Several of these.
struct List<'a>(Vec<Text<'a>>);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "'{}'", self.0.replace('\'', "''"))
    }
}

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items: Vec<String> = self.0.iter().map(Text::to_string).collect();
        write!(f, "[{}]", items.join(", "))
    }
}

pub(super) fn run(args: &CiTemplateArgs) -> Result<Exit> {
    let text = args.text()?;
    let path = args.output.clone().unwrap_or_else(|| args.of.file().into());
    if is_stdout(&path) {
        say(text.trim_end());
        return Ok(Exit::Ok);
    }
    if path.exists() && !args.force {
        return Err(Error::usage(format!(
            "'{}' is there already; --force replaces it, --output names another file",
            path.display()
        )));
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|why| Error::file("make", folder, why))?;
    }
    write_atomically(&path, text.as_bytes())?;
    say(&format!("wrote {}", path.display()));
    say(match args.of {
        Service::Github => {
            "to use it: commit it, and require the check all-passed in the rules of the branch"
        }
        Service::Gitlab => {
            "to use it: commit it, and include it in .gitlab-ci.yml; require that pipelines succeed"
        }
    });
    Ok(Exit::Ok)
}

impl Service {
    /// The file that is written if none is named.
    fn file(self) -> &'static str {
        match self {
            Self::Github => ".github/workflows/benchmark.yml",
            Self::Gitlab => "benchmark.gitlab-ci.yml",
        }
    }
}

impl CiTemplateArgs {
    fn text(&self) -> Result<String> {
        let Self { of, matrix, commit, place, .. } = self;
        if of == &Service::Github && place.image.is_some() {
            return Err(Error::usage(
                "--image is for GitLab; a runner of GitHub is named by --runs-on and prepared by --setup",
            ));
        }
        let ranks: Vec<String> = matrix.ranks.iter().map(u32::to_string).collect();
        let usual = ["ubuntu-24.04".to_owned()];
        let runs_on = match (of, &place.runs_on[..]) {
            (Service::Github, []) => &usual[..],
            (_, labels) => labels,
        };
        let legs = matrix.backend.len() * matrix.precision.len() * ranks.len();
        if legs > LEG_LIMIT {
            return Err(Error::usage(format!(
                "{legs} combinations of backends, types and ranks are more than the {LEG_LIMIT} jobs that a matrix \
                 may have; leave some out"
            )));
        }
        matrix.check()?;
        let kit = Kit {
            backends: list("--backend", &matrix.backend)?,
            precisions: list("--precision", &matrix.precision)?,
            ranks: list("--ranks", &ranks)?,
            legs,
            run: text("--run", &matrix.run)?,
            setup: text("--setup", &commit.setup)?,
            build: text("--build", &commit.build)?,
            program: text("--program", &commit.program)?,
            runs_on: list("--runs-on", runs_on)?,
            image: text("--image", place.image.as_deref().unwrap_or("rust:1-bookworm"))?,
            branch: text("--branch", &place.branch)?,
            data_branch: text("--data-branch", &place.data_branch)?,
        };
        let rendered = match of {
            Service::Github => Github(kit).render(),
            Service::Gitlab => Gitlab(kit).render(),
        };
        // A template's last line has no end.
        rendered
            .map(|text| text + "\n")
            .map_err(|why| Error::internal(format!("cannot fill in the template: {why}")))
    }
}

impl MatrixArgs {
    /// Refuses what every job would refuse.
    fn check(&self) -> Result<()> {
        for backend in &self.backend {
            let choice: BackendChoice = from_name("--backend", backend)?;
            if matches!(choice, BackendChoice::Auto | BackendChoice::Simulated) {
                return Err(Error::usage(format!(
                    "--backend {backend} measures no known device; name host or cuda"
                )));
            }
        }
        for precision in &self.precision {
            Element::parse(precision)?;
        }
        // With what the jobs themselves tell it.
        let own = "--backend host --precision f32 --ranks 1 --against base --output results.json --marker leg";
        let words = ["tesserabench", "run"].into_iter().chain(self.run.split_whitespace());
        let words = words.chain(own.split(' '));
        Cli::command().try_get_matches_from(words).map(drop).map_err(|why| {
            let why = refusal::sentence(&why, &[]).unwrap_or_else(|| why.kind().to_string());
            Error::usage(format!("--run '{}' is nothing for `run`: {why}", plain(&self.run)))
        })
    }
}

/// One line: YAML would fold several.
fn text<'a>(flag: &str, text: &'a str) -> Result<Text<'a>> {
    match text.trim().is_empty() || text.contains(char::is_control) {
        true => Err(Error::usage(format!(
            "{flag} '{}' is not one line of text; write several commands as a script, and name that",
            plain(text)
        ))),
        false => Ok(Text(text)),
    }
}

fn list<'a>(flag: &str, items: &'a [String]) -> Result<List<'a>> {
    items.iter().map(|item| text(flag, item)).collect::<Result<_>>().map(List)
}
