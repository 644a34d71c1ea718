//! The commands by which other tools measure what a case does, as a shell reads them.

use crate::base::plain::quoted;
use crate::benchmark::Setting;
use crate::benchmark::collective::{self, Collective, OsuRanks, OsuSize, OsuTest};
use crate::benchmark::work::Element;
use crate::report::{Case, Report};

/// Variables that begin with one of these decide how NCCL and the network work, and go with the command.
const SETTINGS: [&str; 3] = ["NCCL_", "UCX_", "FI_"];

/// Iterations where neither case nor configuration tells.
const ITERATIONS: usize = 100;

/// The commands: of this program, and of the tools that have such a test. Each with what it is.
pub(super) fn commands(report: &Report, case: &Case) -> Vec<(String, String)> {
    let ranks = report.environment.ranks.len();
    let starts = report.run.command.iter().any(|word| word.starts_with("--ranks"));
    let launched = match ranks > 1 && !starts {
        true => format!(", as {ranks} ranks under your launcher"),
        false => String::new(),
    };
    let mut all = vec![(format!("this case by tesserabench{launched}"), own(report, case))];
    let Some(collective) = collective::find(&case.benchmark) else { return all };
    if let Some(command) = nccl_tests(report, case, collective) {
        all.push(("the same by nccl-tests, on GPUs".to_owned(), command));
    }
    for test in collective.osu {
        if let Some(command) = osu(report, case, test) {
            all.push((format!("the same by OSU's {}", test.title), command));
        }
    }
    all
}

/// What the command of one case leaves out, as it chooses cases, decides what is written, or begins from earlier results.
const LEFT_OUT: [&str; 7] =
    ["--output", "--output-dir", "--format", "--case", "--compare-baseline", "--resume", "--force"];

/// Of these, those without a value.
const SWITCHES: [&str; 2] = ["--resume", "--force"];

/// The command of the run with this case alone, which writes to another file.
fn own(report: &Report, case: &Case) -> String {
    let mut words: Vec<String> = Vec::new();
    let mut typed = report.run.command.iter();
    let compares = |word: &String| ["--against", "--env"].iter().any(|it| word.starts_with(it));
    // It is only taken with something to compare.
    let is_alone = !report.run.command.iter().any(compares);
    while let Some(word) = typed.next() {
        let name = word.split('=').next().unwrap_or_default();
        if LEFT_OUT.contains(&name) || is_alone && name == "--max-launches" {
            if name.len() == word.len() && !SWITCHES.contains(&name) {
                typed.next();
            }
            continue;
        }
        match short_output(word) {
            Some((flags, value)) => {
                if value.is_empty() {
                    typed.next();
                }
                words
                    .extend((!flags.is_empty()).then(|| quoted(&format!("-{flags}")).into_owned()));
            }
            None => words.push(quoted(word).into_owned()),
        }
    }
    let filter = ["--case".to_owned(), quoted(&case.id).into_owned()];
    let output = ["--output".to_owned(), "again.json".to_owned()];
    words.into_iter().chain(filter).chain(output).collect::<Vec<_>>().join(" ")
}

/// What stands before and behind the letter of `--output` in a word of short flags: `-vofile`.
fn short_output(word: &str) -> Option<(&str, &str)> {
    let (flags, value) = word.strip_prefix('-')?.split_once('o')?;
    // Before it only flags without a value; what follows one with a value is that value.
    flags.chars().all(|flag| "vq".contains(flag)).then_some((flags, value))
}

fn nccl_tests(report: &Report, case: &Case, collective: &Collective) -> Option<String> {
    let element = case.precision.filter(|_| collective.nccl_tests)?;
    let bytes = number(case, "bytes")?.to_string();
    let measured = case.measured.as_deref();
    let iterations = iterations(report, case).to_string();
    let warmup = measured.and_then(|measured| measured.warmup).unwrap_or(5).to_string();
    let mut words = launcher(report, case);
    words.push(format!("{}_perf", case.benchmark));
    let options = [
        ("-b", bytes.clone()),
        ("-e", bytes),
        ("-g", "1".to_owned()),
        ("-d", element.nccl_tests_name().to_owned()),
        ("-n", iterations),
        ("-w", warmup),
        ("-c", "1".to_owned()),
    ];
    words.extend(options.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]));
    if collective.reduces() {
        words.extend(["-o".to_owned(), setting(case, "op").unwrap_or_else(|| "sum".to_owned())]);
    }
    if collective.has_root() {
        words.extend(["-r".to_owned(), setting(case, "root").unwrap_or_else(|| "0".to_owned())]);
    }
    Some(words.join(" "))
}

fn osu(report: &Report, case: &Case, test: &OsuTest) -> Option<String> {
    let ranks = case.group_size;
    let fits = match test.ranks {
        OsuRanks::Two => ranks == 2,
        OsuRanks::Pairs => ranks >= 2 && ranks.is_multiple_of(2),
        OsuRanks::All => ranks >= 2,
    };
    if !fits {
        return None;
    }
    let mut words = launcher(report, case);
    words.push(test.program.to_owned());
    let size = match test.size {
        OsuSize::Whole => Some(number(case, "bytes")?),
        OsuSize::Block => Some(number(case, "bytes")? / ranks as u64),
        OsuSize::Absent => None,
    };
    words.extend(size.into_iter().flat_map(|size| ["-m".to_owned(), format!("{size}:{size}")]));
    let measured = case.measured.as_deref();
    words.extend(["-i".to_owned(), iterations(report, case).to_string()]);
    if let Some(warmup) = measured.and_then(|measured| measured.warmup) {
        words.extend(["-x".to_owned(), warmup.to_string()]);
    }
    // Of other types its newer versions know none.
    let kind = match case.precision {
        Some(Element::F32) => Some("mpi_float"),
        Some(Element::I32) => Some("mpi_int"),
        _ => None,
    };
    let typed = kind.filter(|_| test.ranks == OsuRanks::All && size.is_some());
    words.extend(typed.into_iter().flat_map(|kind| ["-T".to_owned(), kind.to_owned()]));
    if report.run.backend == "cuda" {
        let buffers: &[&str] = if test.ranks == OsuRanks::All { &[] } else { &["D", "D"] };
        words.extend(["-d", "cuda"].iter().chain(buffers).map(|word| (*word).to_owned()));
    }
    Some(words.join(" "))
}

/// Open MPI's launcher with the nodes of the case's ranks and the variables that were set.
fn launcher(report: &Report, case: &Case) -> Vec<String> {
    let environment = &report.environment;
    let mut hosts: Vec<(&str, usize)> = Vec::new();
    for rank in environment.ranks.iter().filter(|rank| case.participants.contains(&rank.rank)) {
        let Some(node) = environment.nodes.get(rank.node) else { continue };
        match hosts.iter_mut().find(|(host, _)| *host == node.host) {
            Some((_, count)) => *count += 1,
            None => hosts.push((&node.host, 1)),
        }
    }
    let mut words = vec!["mpirun".to_owned(), "-np".to_owned(), case.group_size.to_string()];
    if hosts.len() > 1 {
        let hosts: Vec<String> =
            hosts.into_iter().map(|(host, count)| format!("{host}:{count}")).collect();
        words.extend(["--host".to_owned(), quoted(&hosts.join(",")).into_owned()]);
    }
    let set = environment.variables.iter();
    let set = set.filter(|(name, _)| SETTINGS.iter().any(|start| name.starts_with(start)));
    words.extend(set.flat_map(|(name, value)| {
        ["-x".to_owned(), quoted(&format!("{name}={value}")).into_owned()]
    }));
    words
}

/// As many as the case has, or was to have.
fn iterations(report: &Report, case: &Case) -> usize {
    let asked = report.run.config.benchmarking.timing_iterations.map(|count| count as usize);
    let measured = case.measured.as_deref().map(|measured| measured.iterations);
    measured.or(asked).unwrap_or(ITERATIONS).max(1)
}

fn number(case: &Case, key: &str) -> Option<u64> {
    case.problem.get(key).and_then(Setting::number)
}

fn setting(case: &Case, key: &str) -> Option<String> {
    case.problem.get(key).map(|value| quoted(&value.to_string()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::device::Device;
    use crate::machine::environment::{Node, Rank};

    fn told(
        backend: &str,
        benchmark: &str,
        ranks: usize,
        problem: &[(&str, Setting)],
    ) -> Vec<String> {
        let mut report = Report::default();
        report.run.backend = backend.to_owned();
        report.run.command = ["tesserabench", "run", "-o", "x", "--output-dir=y", "--ranks", "2"]
            .map(str::to_owned)
            .to_vec();
        let environment = &mut report.environment;
        environment.variables.insert("NCCL_ALGO".to_owned(), "Ring; x".to_owned());
        environment.variables.insert("SLURM_JOB_ID".to_owned(), "7".to_owned());
        let node = |host: &str| Node { host: host.to_owned(), ..Node::default() };
        environment.nodes = vec![node("a"), node("b")];
        let device = Device::named("cuda", "GPU".to_owned());
        let rank = |rank| Rank {
            rank,
            node: rank % 2,
            local_rank: rank / 2,
            device: device.clone(),
            cores: None,
        };
        environment.ranks = (0..ranks).map(rank).collect();
        let case = Case {
            id: format!("{benchmark}/x y"),
            benchmark: benchmark.to_owned(),
            problem: problem.iter().map(|(key, is)| ((*key).to_owned(), is.clone())).collect(),
            precision: Some(Element::F32),
            participants: (0..ranks).collect(),
            group_size: ranks,
            ..Case::default()
        };
        commands(&report, &case).into_iter().map(|(_, command)| command).collect()
    }

    #[test]
    fn a_collective_has_the_commands_of_both_tools() {
        let problem = [("bytes", Setting::Number(65536)), ("op", Setting::Word("max".to_owned()))];
        let expected = [
            "tesserabench run --ranks 2 --case 'all_reduce/x y' --output again.json",
            "mpirun -np 4 --host a:2,b:2 -x 'NCCL_ALGO=Ring; x' all_reduce_perf -b 65536 -e 65536 -g 1 -d float -n 100 \
             -w 5 -c 1 -o max",
            "mpirun -np 4 --host a:2,b:2 -x 'NCCL_ALGO=Ring; x' osu_allreduce -m 65536:65536 -i 100 -T mpi_float -d cuda",
        ];
        assert_eq!(told("cuda", "all_reduce", 4, &problem), expected);
    }

    #[test]
    fn the_own_command_measures_this_case_and_writes_nothing_old() {
        for (typed, expected) in [
            ("run -b gemm -o x", "run -b gemm"),
            ("run -ox.json -b copy", "run -b copy"),
            ("run -vvox.json -bcopy", "run -vv -bcopy"),
            ("run -vo x -c o.yaml", "run -v -c o.yaml"),
            ("run -bgo --case * --case=gemm* --quick", "run -bgo --quick"),
            ("run --resume -b gemm", "run -b gemm"),
            ("run --force --compare-baseline pin --seed 2", "run --seed 2"),
            ("run --compare-baseline=pin --output=x --output-dir d gemm", "run gemm"),
            ("run -o - --format csv -b gemm", "run -b gemm"),
            ("run --max-launches 9 --compare-baseline pin", "run"),
            ("run --env A=1,2 --max-launches 9", "run --env A=1,2 --max-launches 9"),
            ("run --force-x --outputs x", "run --force-x --outputs x"),
        ] {
            let mut report = Report::default();
            report.run.command = typed.split(' ').map(str::to_owned).collect();
            let case = Case { id: "copy/f32".to_owned(), ..Case::default() };
            let expected = format!("{expected} --case copy/f32 --output again.json");
            assert_eq!(own(&report, &case), expected, "{typed}");
        }
    }

    #[test]
    fn blocks_are_sizes_of_one_rank_and_kernels_have_no_peer() {
        let problem = [("bytes", Setting::Number(4096))];
        let told_of = |benchmark: &str, ranks| told("host", benchmark, ranks, &problem);
        assert!(
            told_of("all_gather", 4)[2].ends_with("osu_allgather -m 1024:1024 -i 100 -T mpi_float")
        );
        assert!(told_of("latency", 2)[1].contains(" osu_latency -m 4096:4096 "));
        assert_eq!(told_of("gemm", 1).len(), 1);
    }
}
