//! Flags of other benchmarks that people type here, and what they write instead.

use std::path::{Path, PathBuf};

use super::RunArgs;
use crate::base::error::{Error, Result};
use crate::base::units::parse_size;
use crate::benchmark::work::Operator;
use crate::cli::typed_words;

/// Names of a flag, whose it is, what it sets there, and what to do here. `{}` stands for the value that was typed,
/// `{sizes}` for the range that all of them make.
type Foreign = (&'static [&'static str], &'static str, &'static str, &'static str);

const NCCL: &str = "nccl-tests'";
const OSU: &str = "OSU's";

const FLAGS: [Foreign; 31] = [
    (&["-n", "--iters"], NCCL, "iterations", "write --iterations {}"),
    (&["-n", "-np", "--np"], "mpirun's", "ranks", "write --ranks {}"),
    (&["-w", "--warmup_iters"], NCCL, "untimed iterations", "write --warmup {}"),
    (&["-g", "--ngpus"], NCCL, "GPUs of a process", "write --ranks {}, one for each GPU"),
    (&["-t", "--nthreads"], NCCL, "threads of a process", "write --ranks {}, one for each GPU"),
    (&["-b", "--minbytes"], NCCL, "the smallest size", "write --problem-size bytes={sizes}"),
    (&["-e", "--maxbytes"], NCCL, "the largest size", "write --problem-size bytes={sizes}"),
    (&["-f", "--stepfactor"], NCCL, "steps of sizes", "write --problem-size bytes={sizes}"),
    (&["-i", "--stepbytes"], NCCL, "steps of sizes", "write --problem-size bytes=8MiB..64MiB+{}"),
    (&["-o", "--op"], NCCL, "the operator", "write --problem-size op={}"),
    (&["-d", "--datatype"], NCCL, "the element type", "write --precision {}"),
    (&["-r", "--root"], NCCL, "the root", "write --problem-size root={}"),
    (&["-m", "--agg_iters"], NCCL, "operations at once", "write --problem-size aggregate={}"),
    (&["-N", "--run_cycles"], NCCL, "how often all runs", "write --repeat {}"),
    (&["-T"], NCCL, "the deadline", "write --timeout {}"),
    (&["-J", "--output_file"], NCCL, "a file to write", "write --output {}"),
    (&["-c", "--check"], NCCL, "checks", "leave it out: all results are checked"),
    (&["-a", "--average"], NCCL, "what is printed", "leave it out: the report has all ranks"),
    (&["-z", "--blocking"], NCCL, "waiting", "leave it out: every sample is waited for"),
    (
        &["-G", "--cudagraph"],
        NCCL,
        "launches of a CUDA graph of its -n operations",
        "write --problem-size graph=N with that N; it is launched once an iteration",
    ),
    (&["-M", "--memory"], NCCL, "memory", "leave it out: the report has it for each rank"),
    (&["-p", "--parallel_init"], NCCL, "the start", "leave it out: all ranks start at once"),
    (&["-y", "--stream_null"], NCCL, "streams", "leave it out: every rank has a stream of its own"),
    (
        &["-R", "--local_register"],
        NCCL,
        "registered buffers",
        "write --problem-size registered=local (its 1) or registered=symmetric (its 2)",
    ),
    (&["-i"], OSU, "iterations", "write --iterations {}"),
    (&["-x", "--warmup-iterations"], OSU, "untimed iterations", "write --warmup {}"),
    (&["-m", "--message-size"], OSU, "message sizes", "write --problem-size bytes={sizes}"),
    (&["-W", "--window-size"], OSU, "messages at once", "write --problem-size window={}"),
    (&["-p", "--pairs"], OSU, "pairs of ranks", "write --problem-size pairs={}"),
    (&["-d", "--accelerator"], OSU, "the accelerator", "write --backend {}"),
    (&["-f", "--full"], OSU, "what is printed", "leave it out: the report has all of it"),
];

/// What a flag of other benchmarks means, and what to write for it in `run`; `None` for one that they do not have.
pub(in crate::cli) fn told(flag: &str, typed: &[String]) -> Option<String> {
    if !typed.iter().any(|word| word == "run") {
        return None;
    }
    let is_known = |name: &str| FLAGS.iter().any(|(names, ..)| names.contains(&name));
    // clap takes the `-n` out of `-np 4` and of `-n2`.
    let word = typed.iter().find(|word| word.starts_with(flag))?;
    let name = if is_known(word) { word } else { flag };
    let value = value(name, typed).unwrap_or("N");
    let meanings = FLAGS.iter().filter(|(names, ..)| names.contains(&name));
    let meanings = meanings.map(|(_, whose, what, here)| {
        let here = here.replace("{sizes}", &sizes(typed)).replace("{}", value);
        format!("{whose} flag for {what}: {here}")
    });
    let meanings: Vec<String> = meanings.collect();
    (!meanings.is_empty()).then(|| format!("{name} is {}", meanings.join("; or ")))
}

/// What was typed behind a flag, in its word or the next.
fn value<'a>(flag: &str, typed: &'a [String]) -> Option<&'a str> {
    let at = typed.iter().position(|word| word.starts_with(flag))?;
    let rest = typed[at][flag.len()..].trim_start_matches('=');
    let next = typed.get(at + 1).map(String::as_str).filter(|next| !next.starts_with('-'));
    if rest.is_empty() { next } else { Some(rest) }
}

/// The range that nccl-tests' `-b 8 -e 128M -f 2` or OSU's `-m 8:1024` means, as it is written here.
fn sizes(typed: &[String]) -> String {
    if let Some(range) = value("-m", typed).or_else(|| value("--message-size", typed)) {
        return match range.split_once(':') {
            Some((least, most)) => format!("{least}..{most}*2"),
            None => range.to_owned(),
        };
    }
    let of = |short, long, default| {
        value(short, typed).or_else(|| value(long, typed)).unwrap_or(default)
    };
    let (least, most) = (of("-b", "--minbytes", "8"), of("-e", "--maxbytes", "64MiB"));
    format!("{least}..{most}*{}", of("-f", "--stepfactor", "2"))
}

impl RunArgs {
    /// Refuses values that other benchmarks have behind flags that are also ours.
    pub(super) fn refuse_foreign(&self, config: Option<&Path>) -> Result<()> {
        let is_size = |value: &str| parse_size(value).is_ok();
        let is_operator = |path: &PathBuf| path.to_str().and_then(Operator::find).is_some();
        let is_missing = |path: &&Path| path.to_str().is_some_and(is_size) && !path.exists();
        let (precisions, outputs) = (&self.work.precision, &self.output.output);
        let mistaken = [
            ("-b", self.work.benchmark.iter().any(|name| is_size(name))),
            ("-p", precisions.iter().flatten().any(|name| is_size(name))),
            ("-o", outputs.iter().flatten().any(is_operator)),
            ("-c", config.filter(is_missing).is_some()),
        ];
        let typed = typed_words();
        let mut told = mistaken.iter().filter_map(|(flag, is)| is.then(|| told(flag, &typed))?);
        told.next().map_or(Ok(()), |meant| Err(Error::usage(meant)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(line: &str, flag: &str) -> String {
        let typed: Vec<String> = line.split(' ').map(str::to_owned).collect();
        told(flag, &typed).unwrap_or_default()
    }

    #[test]
    fn flags_of_others_are_translated() {
        for (line, flag, expected) in [
            ("run -n 2", "-n", "nccl-tests' flag for iterations: write --iterations 2"),
            ("run -n2", "-n", "write --iterations 2"),
            ("run -np 4", "-n", "-np is mpirun's flag for ranks: write --ranks 4"),
            ("run -g 8", "-g", "write --ranks 8"),
            ("run -b 8 -e 128M -f 2", "-e", "write --problem-size bytes=8..128M*2"),
            ("run --minbytes=1K", "--minbytes", "bytes=1K..64MiB*2"),
            (
                "run -m 1:1024",
                "-m",
                "OSU's flag for message sizes: write --problem-size bytes=1..1024*2",
            ),
            ("run -x", "-x", "write --warmup N"),
            ("run -R 2", "-R", "write --problem-size registered=local (its 1) or registered=sym"),
            ("run -G 5", "-G", "write --problem-size graph=N with that N"),
            ("run -c 1", "-c", "leave it out: all results are checked"),
        ] {
            assert!(meant(line, flag).contains(expected), "{line}: {}", meant(line, flag));
        }
        assert_eq!(meant("run --ranks 2", "--ranks"), "");
    }

    #[test]
    fn no_flag_stands_twice_for_one_tool() {
        for (i, (names, whose, ..)) in FLAGS.iter().enumerate() {
            let others = FLAGS[..i].iter().filter(|(_, other, ..)| other == whose);
            let known: Vec<&&str> = others.flat_map(|(others, ..)| others.iter()).collect();
            assert!(!names.iter().any(|name| known.contains(&name)), "{names:?}");
        }
    }
}
