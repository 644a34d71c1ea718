//! `inspect`: a kernel's way from an operator to machine code, without a GPU.

mod facts;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;

use super::kernels::{self, KernelArgs};
use super::run::apply_problem_sizes;
use super::{format, write};
use crate::base::error::{Error, Exit, Kind, Result};
use crate::base::files::write_atomically;
use crate::base::parallel::in_parallel;
use crate::base::plain::plain;
use crate::benchmark::kernel::{Choice, Cuda, KERNELS, Kernel, KernelRun};
use crate::benchmark::work::Work;
use crate::machine::kernel::{
    BLOCKING, BLOCKING_FUNCTION, Binary, Code, HEADERS, Level, MOVE_BYTES, MOVE_BYTES_FUNCTION,
    Request, Source, compile, compiler_version, disassembler, ptx, sass,
};
use crate::plan::config::Config;
use crate::plan::place::Place;
use crate::plan::{Case, Plan};
use crate::render::Format;
use facts::{CaseFacts, FunctionFacts, Graph, Inspection, Schedule};

#[derive(Debug, Args)]
pub(super) struct InspectArgs {
    /// Kernels to show in detail [default: all, in brief]
    #[arg(value_name = "NAME", value_delimiter = ',')]
    names: Vec<String>,
    /// Architectures to compile for
    #[arg(long, value_name = "ARCH", value_delimiter = ',', default_values = ["sm_80", "sm_90a", "sm_100a"])]
    arch: Vec<String>,
    /// Element types of named kernels: f32,f64 …
    #[arg(long, short, value_name = "TYPE", value_delimiter = ',', requires = "names")]
    precision: Option<Vec<String>>,
    /// Sizes of named kernels, as for run
    #[arg(long, value_name = "SIZE", requires = "names")]
    problem_size: Vec<String>,
    /// How much the assembler optimises: O0 to O3
    #[arg(long, value_name = "LEVEL", default_value = "O3")]
    optimization_level: String,
    /// Machine whose peaks and multiprocessors count [default: a DGX with GPUs of the architecture]
    #[arg(long, value_name = "NAME|FILE", requires = "names")]
    topology: Option<String>,
    /// Also write sources, PTX, machine code, its text, and all facts there
    #[arg(long, value_name = "DIR")]
    dump: Option<PathBuf>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table", value_parser = format::<Inspection>())]
    format: Format,
    #[command(flatten)]
    kernels: KernelArgs,
}

pub(super) fn run(args: InspectArgs, config: Option<&Path>) -> Result<Exit> {
    let level = Level::find(&args.optimization_level).ok_or_else(|| {
        let known = Level::NAMES.join(", ");
        Error::usage(format!("--optimization-level {} is none of {known}", args.optimization_level))
    })?;
    let paths = super::paths(config, args.kernels.clone())?;
    let found = kernels::discover(&paths)?;
    let runs = named(&args, paths)?;
    let compiler = format!("NVRTC {}", compiler_version()?);
    let all = KERNELS.iter().chain(&found.kernels);
    let of_backend = [(BLOCKING, vec![BLOCKING_FUNCTION]), (MOVE_BYTES, vec![MOVE_BYTES_FUNCTION])];
    let of_backend = of_backend.into_iter().filter(|_| runs.is_empty());
    let asked = all.filter_map(|kernel| asked_of(kernel, &runs));
    let sources: Vec<(Source, Vec<&str>)> = of_backend.chain(asked).collect();
    let is_foreign = |source: &Source| {
        let named = |other: &Source| other.name == source.name;
        found.kernels.iter().any(|kernel| kernel.source().is_some_and(named))
    };
    let mut exit = kernels::exit(found);
    let dump = args.dump.as_deref().map(Dump::into).transpose()?;
    let disassembler = disassembler::find().map_err(|why| tracing::warn!("{why}")).ok();
    let mut compiled: Vec<(Request<'_>, Binary)> = Vec::new();
    let mut functions = Vec::new();
    let requests = args.arch.iter().flat_map(|arch| {
        let request = move |(source, functions)| Request { source, functions, arch, level };
        sources.iter().map(|(source, functions)| (source, &**functions)).map(request)
    });
    let made = |request| made(request, disassembler.as_deref());
    // The passes of what is shown in detail are timed alone; all kernels take minutes.
    let made: Vec<_> = match runs.is_empty() {
        true => in_parallel(requests.collect(), made),
        false => requests.map(made).collect(),
    };
    for (request, binary, text) in made {
        let binary = match binary {
            // The others are shown all the same.
            Err(why) if is_foreign(request.source) => {
                tracing::warn!("{}", plain(&why.message));
                // Ready code for other architectures is as it should be.
                if why.kind != Kind::Unsupported {
                    exit = exit.worst(Exit::Usage);
                }
                continue;
            }
            binary => binary?,
        };
        if let Some(dump) = &dump {
            dump.write(&request, &binary, text.as_deref())?;
        }
        functions.extend(facts_of(&request, &binary, text.as_deref()));
        compiled.push((request, binary));
    }
    let cases = runs.iter().map(|(case, run)| case_facts(case, run, &compiled, &args));
    let cases = cases.collect::<Result<Vec<_>>>()?;
    let inspection = Inspection { compiler, cases, functions };
    if let Some(dump) = &dump {
        dump.facts(&inspection)?;
    }
    write(&inspection, args.format, &[], false)?;
    Ok(exit)
}

/// A request with its machine code, and that as text.
type Made<'a> = (Request<'a>, Result<Binary>, Option<String>);

fn made<'a>(request: Request<'a>, disassembler: Option<&Path>) -> Made<'a> {
    let binary = compile(&request);
    let code = binary.as_ref().ok().filter(|binary| !binary.cubin.is_empty());
    let text = disassembler.zip(code).and_then(|(by, binary)| {
        let text = disassembler::text(by, &binary.cubin);
        text.map_err(|why| tracing::warn!("{}", plain(&why.message))).ok()
    });
    (request, binary, text)
}

/// The kernels that are named, at the problems that are asked for.
fn named(args: &InspectArgs, kernel_paths: Vec<PathBuf>) -> Result<Vec<(Case, KernelRun)>> {
    if args.names.is_empty() {
        return Ok(Vec::new());
    }
    let benchmarks: BTreeMap<_, _> = args.names.iter().map(|name| (name.clone(), None)).collect();
    let mut config = Config {
        benchmarks: Some(benchmarks),
        precision_policies: args.precision.clone(),
        kernel_paths,
        ..Config::default()
    };
    apply_problem_sizes(&mut config, &args.problem_size)?;
    let cases = Plan::resolve(&config, &Place::on_one_node(1))?.cases.into_iter();
    let kernel = |case: Case| match &case.work {
        Work::Kernel(run) => {
            let run = run.clone();
            Ok((case, run))
        }
        _ => Err(Error::usage(format!(
            "{} is no kernel, so nothing of it is compiled; list-benchmarks shows what is",
            case.benchmark
        ))),
    };
    cases.map(kernel).collect()
}

/// A kernel's source, and the functions that are asked for: those of named kernels' types, otherwise all.
fn asked_of(
    kernel: &'static Kernel,
    runs: &[(Case, KernelRun)],
) -> Option<(Source, Vec<&'static str>)> {
    let Some(Cuda::Own(own)) = &kernel.cuda else { return None };
    let is_asked = |element| {
        let of_run = |(_, run): &(Case, KernelRun)| run.kernel == kernel && run.element == element;
        runs.is_empty() || runs.iter().any(of_run)
    };
    let entries = own.entries.iter().filter(|(element, _)| is_asked(*element));
    let mut functions: Vec<&str> = entries.map(|(_, entry)| &**entry).collect();
    functions.sort_unstable();
    functions.dedup();
    // As it is where nothing is searched.
    let source = own.source_of(&Choice::first(&own.axes));
    (!functions.is_empty()).then_some((source, functions))
}

fn facts_of(request: &Request<'_>, binary: &Binary, text: Option<&str>) -> Vec<FunctionFacts> {
    let (ptx, sass) = (ptx::read(&binary.ptx), text.map(sass::read).unwrap_or_default());
    let of = |function: &crate::machine::kernel::Function| FunctionFacts {
        kernel: request.source.name.to_string(),
        arch: request.arch.to_owned(),
        level: binary.is_reported.then_some(request.level),
        function: function.name.clone(),
        uses: binary.is_reported.then(|| function.into()),
        cubin_bytes: binary.cubin.len(),
        stages: binary.stages.clone(),
        ptx: ptx.get(&function.symbol).cloned(),
        sass: sass.get(&function.symbol).cloned(),
    };
    binary.functions.iter().map(of).collect()
}

fn case_facts(
    case: &Case,
    run: &KernelRun,
    compiled: &[(Request<'_>, Binary)],
    args: &InspectArgs,
) -> Result<CaseFacts> {
    let machines = args.arch.iter().map(|arch| facts::machine(arch, args.topology.as_deref()));
    let machines = machines.collect::<Result<Vec<_>>>()?;
    let machines = &machines;
    let schedule = facts::entry(run).into_iter().flat_map(|(own, entry)| {
        let of_kernel = compiled.iter().filter(|(of, _)| of.source.name == own.source.name);
        of_kernel.filter_map(move |(request, binary)| {
            let known = binary.functions.iter().filter(|_| binary.is_reported);
            let function = known.into_iter().find(|function| function.name == entry)?;
            let place = args.arch.iter().position(|arch| arch == request.arch)?;
            let target = (request.arch, machines[place].as_ref());
            Some(Schedule::of((run, own), target, function))
        })
    });
    Ok(CaseFacts {
        kernel: run.kernel.name.to_string(),
        precision: run.element,
        problem: case.problem.clone(),
        graph: Graph::of(run, machines.iter().flatten()),
        schedule: schedule.collect(),
    })
}

/// A folder that all stages are written into, with the headers that sources include.
struct Dump<'a>(&'a Path);

impl<'a> Dump<'a> {
    fn into(folder: &'a Path) -> Result<Self> {
        for (name, header) in HEADERS {
            let file = folder.join(name);
            let headers = file.parent().unwrap_or(folder);
            std::fs::create_dir_all(headers).map_err(|why| Error::file("write", headers, why))?;
            write_atomically(&file, header.as_bytes())?;
        }
        Ok(Self(folder))
    }

    fn write(&self, request: &Request<'_>, binary: &Binary, text: Option<&str>) -> Result<()> {
        let name = &request.source.name;
        let put = |ending: &str, bytes: &[u8]| {
            let file = self.0.join(format!("{name}.{ending}"));
            write_atomically(&file, bytes)
        };
        let arch = request.arch;
        let functions = request.functions.join(", ");
        if let Code::Cuda(code) = &request.source.code {
            put("cu", format!("// {functions}\n{code}").as_bytes())?;
        }
        for (ending, bytes) in [("ptx", binary.ptx.as_bytes()), ("cubin", &binary.cubin)] {
            if !bytes.is_empty() {
                put(&format!("{arch}.{ending}"), bytes)?;
            }
        }
        text.map_or(Ok(()), |text| put(&format!("{arch}.sass"), text.as_bytes()))
    }

    fn facts(&self, inspection: &Inspection) -> Result<()> {
        let text = Format::Json.write(inspection, true)?;
        write_atomically(&self.0.join("inspection.json"), text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::kernel::{Function, Stage, StageTime};
    use crate::render::snapshots::pages;

    #[test]
    fn as_pages() {
        let args = InspectArgs {
            names: vec!["gelu".to_owned(), "gemm".to_owned()],
            arch: vec!["sm_90a".to_owned()],
            precision: None,
            problem_size: Vec::new(),
            optimization_level: "O3".to_owned(),
            topology: None,
            dump: None,
            format: Format::Table,
            kernels: KernelArgs { kernel_path: Vec::new() },
        };
        let gelu = KERNELS.iter().find(|kernel| kernel.name == "gelu").unwrap();
        let (source, functions) = (gelu.source().unwrap(), &["gelu<float>"][..]);
        let request = Request { source, functions, arch: "sm_90a", level: Level::O3 };
        let function = Function {
            name: "gelu<float>".to_owned(),
            symbol: "_Z4geluIfEvPT_PKS0_y".to_owned(),
            registers: 30,
            ..Function::default()
        };
        let stage = |(stage, ms)| StageTime { stage, ms };
        let stages = [(Stage::Render, 0.01), (Stage::FrontEnd, 40.0), (Stage::Nvvm, 25.0)];
        let later = [(Stage::Ptxas, 19.0), (Stage::Other, 3.2)];
        let binary = Binary {
            cubin: vec![0; 5000],
            ptx: ".visible .entry _Z4geluIfEvPT_PKS0_y()\n{\n\tld.global.v4.b32 {%r1}, [%rd1];\n\tret;\n}"
                .to_owned(),
            is_reported: true,
            functions: vec![function],
            stages: stages.into_iter().chain(later).map(stage).collect(),
        };
        let sass = "\t.section\t.text._Z4geluIfEvPT_PKS0_y,\"ax\"\n/*0000*/ LDG.E.128 R4, desc[UR4][R2.64] ;\n\
                    /*0010*/ MUFU.EX2 R4, R5 ;\n/*0020*/ FFMA R4, R5, R4, R4 ;\n/*0030*/ EXIT ;";
        let functions = facts_of(&request, &binary, Some(sass));
        let compiled = [(request, binary)];
        let cases = named(&args, Vec::new()).unwrap();
        let cases =
            cases.iter().map(|(case, run)| case_facts(case, run, &compiled, &args).unwrap());
        let (compiler, cases) = ("NVRTC 13.0".to_owned(), cases.collect());
        pages(
            "inspect",
            &Inspection { compiler: compiler.clone(), cases, functions: functions.clone() },
        );
        pages("inspect-all", &Inspection { compiler, cases: Vec::new(), functions });
    }
}
