"""Whole jobs side by side: startup, parked, stop and clocks. Called by scripts/compare-with-peers."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

MPIRUN = ["mpirun", *(["--allow-run-as-root"] if os.geteuid() == 0 else [])]


def quartiles(ratios):
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def startup(program, empty, alternations):
    """Wall time of a whole job of two ranks: ours with one iteration of one case, and an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        ours = [*MPIRUN, "-n", "2", program, "run", "-b", "barrier", "--iterations", "1",
                "--warmup", "1", "-o", f"{folder}/r.json"]
        theirs = [*MPIRUN, "-n", "2", empty]
        seconds = {"ours": [], "empty": [], "again": []}
        jobs = [("ours", ours), ("empty", theirs), ("again", theirs)]
        for turn in range(alternations):
            for name, job in jobs[turn % 3:] + jobs[:turn % 3]:
                began = time.perf_counter()
                subprocess.run(job, check=True, stdout=subprocess.DEVNULL)
                seconds[name].append(time.perf_counter() - began)
    print(f"two ranks, {alternations} alternations; seconds are medians of whole jobs, so ours holds the "
          "first sample, the report and the table as well")
    for name in ("ours", "empty"):
        print(f"{name:>6}: {statistics.median(seconds[name]):.3f} s")
    ratio = lambda a, b: quartiles([x / y for x, y in zip(seconds[a], seconds[b])])
    print(f"ours/empty [quartiles]: {ratio('ours', 'empty')}")
    print(f"empty/empty (A/A):      {ratio('again', 'empty')}")


def parked(program, alternations):
    """The pair of ranks 0 and 1 alone, and with ranks 2 and 3 asleep on the same cores. Slots are
    declared, because --oversubscribe would make Open MPI yield."""
    medians = {"two": [], "again": [], "four": []}
    with tempfile.TemporaryDirectory() as folder:
        def job(ranks):
            report = f"{folder}/r.json"
            subprocess.run([*MPIRUN, "--host", f"localhost:{ranks}", "--map-by", "core",
                            "--bind-to", "core:overload-allowed", "-n", str(ranks),
                            program, "run", "-b", "all_reduce", "-b", "gemm", "--groups", "0-1",
                            "--problem-size", "bytes=8,4KiB,256KiB,4MiB", "--problem-size", "m=512",
                            "--iterations", "300", "-o", report], check=True, stdout=subprocess.DEVNULL)
            with open(report) as file:
                return {case["id"]: case["latency"]["median"] for case in json.load(file)["cases"]}
        jobs = [("two", 2), ("again", 2), ("four", 4)]
        for turn in range(alternations):
            for name, ranks in jobs[turn % 3:] + jobs[:turn % 3]:
                medians[name].append(job(ranks))
    print(f"{alternations} alternations of whole jobs; ratios are medians [quartiles]")
    print(f"{'case':<50} {'alone us':>9}  {'with two parked / alone':<24} alone/alone (A/A)")
    for case in medians["two"][0]:
        ratio = lambda name: quartiles([x[case] / y[case] for x, y in zip(medians[name], medians["two"])])
        alone = statistics.median(x[case] for x in medians["two"]) * 1e3
        print(f"{case:<50} {alone:>9.3f}  {ratio('four'):<24} {ratio('again')}")


def stop(program, alternations):
    """Measuring until the interval of the median is +- 1 %, and always 1000 iterations, for 3 s at most."""
    runs = {"target": [], "fixed": [], "again": []}
    words = {"target": ["--precision-target", "1%"], "fixed": ["--iterations", "1000"]}
    words["again"] = words["fixed"]
    with tempfile.TemporaryDirectory() as folder:
        def job(name):
            report = f"{folder}/r.json"
            subprocess.run([*MPIRUN, "--bind-to", "core", "-n", "2", program, "run", "-b", "all_reduce",
                            "--problem-size", "bytes=8..4MiB*8,4MiB", "--max-time", "3s", *words[name], "-o", report],
                           check=True, stdout=subprocess.DEVNULL)
            with open(report) as file:
                return json.load(file)["cases"]
        names = list(runs)
        for turn in range(alternations):
            for name in names[turn % 3:] + names[:turn % 3]:
                runs[name].append(job(name))
    print(f"all_reduce, 2 ranks, {alternations} alternations of whole jobs; time of a case with its warm-up, ms; "
          "medians [quartiles]")
    print(f"{'bytes':>9} {'+-1 % ms':>9} {'1000 ms':>9}  {'time ratio':<22} {'A/A':<22} {'iterations':>10} "
          f"{'+-% target':>10} {'+-% 1000':>9} {'met':>5} {'medians ratio':<22}")
    for i, case in enumerate(runs["fixed"][0]):
        column = lambda name, value: [value(cases[i]) for cases in runs[name]]
        middle = lambda name, value: statistics.median(column(name, value))
        ratio = lambda a, b, value: quartiles([x / y for x, y in zip(column(a, value), column(b, value))])
        seconds = lambda case: case["warmup_seconds"] + case["measuring_seconds"]
        width = lambda case: case["latency"]["half_width_percent"] or float("inf")
        met = sum(case["latency"]["target_met"] for case in (cases[i] for cases in runs["target"]))
        print(f"{case['problem']['bytes']:>9} {1e3 * middle('target', seconds):>9.2f} "
              f"{1e3 * middle('fixed', seconds):>9.2f}  {ratio('target', 'fixed', seconds):<22} "
              f"{ratio('again', 'fixed', seconds):<22} {middle('target', lambda case: case['iterations']):>10.0f} "
              f"{middle('target', width):>10.2f} {middle('fixed', width):>9.2f} {met:>2}/{alternations} "
              f"{ratio('target', 'fixed', lambda case: case['latency']['median']):<22}")


def clocks(program):
    """A clock that is off and drifts, planted into rank 1, on one node and on two hosts with a slow link."""
    here = os.path.dirname(os.path.abspath(__file__))
    places = [("one node", [*MPIRUN, "--bind-to", "core", "-n", "2"])]
    places += [(f"two hosts, {delay}", [f"{here}/../two-hosts", "--delay", delay, "--"])
               for delay in ("0", "200us", "1ms")]
    print("us; 'off by' is what last end - first start of all_reduce exceeds the slowest rank's own time, beyond "
          "what it does with right clocks; 'apart' is the median of last - first start")
    print(f"{'place':<17} {'planted':<14} {'bytes':>8} {'global':>10} {'own':>10} {'apart':>9} {'off by':>9} "
          f"{'error bound':>11} {'drift seen':>11}  within")
    for place, launcher in places:
        right = {}
        for planted in ("nothing", "+1 ms +50 ppm", "-1 ms -50 ppm"):
            sign = planted[0]
            variables = dict(os.environ)
            if planted != "nothing":
                variables["TESSERABENCH_FAULT"] = f"clock/{sign}1000000/{sign}50@1:join"
            with tempfile.TemporaryDirectory() as folder:
                report = f"{folder}/r.json"
                job = subprocess.run([*launcher, program, "run", "-b", "all_reduce", "--problem-size",
                                      "bytes=8,64KiB,1MiB", "--batch", "1", "--iterations", "300", "-o", report],
                                     stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=variables)
                if job.returncode == 6 and "two-hosts" in job.stderr:
                    print(f"{place:<17} not here: {job.stderr.strip()}")
                    break
                job.check_returncode()
                with open(report) as file:
                    report = json.load(file)
            for case in report["cases"]:
                times = {case[key]["definition"]: 1e3 * case[key]["median"] for key in ("latency", "latency_local")}
                whole, own = times["last_end_minus_first_start"], times["slowest_rank"]
                size = case["problem"]["bytes"]
                right.setdefault(size, whole - own)
                off, bound = whole - own - right[size], 1e3 * case["skew"]["clock_error_ms"]
                within = "-" if planted == "nothing" else "yes" if abs(off) <= bound else "NO"
                print(f"{place:<17} {planted:<14} {size:>8} {whole:>10.3f} {own:>10.3f} "
                      f"{1e3 * case['skew']['entry_ms']:>9.3f} {off:>9.3f} {bound:>11.3f} "
                      f"{report['floors']['clock_drift_ppm']:>7.2f} ppm  {within}")


# Ours, theirs, type, sizes: one that fits a core's caches, and one that does not.
PAIRS = [
    ("triad", "stream_triad", "f64", ["array=64MiB"]),
    ("triad", "torch_triad", "f32", ["array=64MiB"]),
    ("gelu", "torch_gelu", "f32", ["array=256KiB", "array=16MiB"]),
    ("layer_norm", "torch_layer_norm", "f32", ["rows=64,cols=1024", "rows=4096,cols=1024"]),
    ("rms_norm", "torch_rms_norm", "f32", ["rows=64,cols=1024", "rows=4096,cols=1024"]),
    ("softmax", "torch_softmax", "f32", ["rows=64,cols=1024", "rows=4096,cols=1024"]),
    ("flash_attention", "torch_flash_attention", "f32", ["heads=8,tokens=512,dim=64", "heads=2,tokens=1024,dim=128"]),
    ("gemm", "torch_gemm", "f32", ["m=512", "m=1024"]),
]


def kernels(program, folder, python, alternations):
    """Our kernels and others' programs, one after the other in each run, checked against the same references."""
    has_torch = subprocess.run([python, "-c", "import torch"], stderr=subprocess.DEVNULL).returncode == 0
    pairs = [pair for pair in PAIRS if has_torch or not pair[1].startswith("torch_")]
    if not has_torch:
        print(f"not measured: {len(PAIRS) - len(pairs)} pairs with PyTorch, which {python} has not")
    print(f"one thread, {alternations} runs, ours and theirs in turn in each; medians, ratios [quartiles]")
    print(f"{'kernel':<16} {'problem':<28} {'type':<5} {'ours ms':>9} {'theirs ms':>9}  "
          f"{'speed of ours / theirs':<22}  elements checked")
    for ours, theirs, element, problems in pairs:
        for problem in problems:
            medians, checked = {ours: [], theirs: []}, 0
            for turn in range(alternations):
                with tempfile.TemporaryDirectory() as out:
                    sizes = [word for size in problem.split(",") for word in ("--problem-size", size)]
                    job = subprocess.run([program, "run", "--backend", "host", ours, theirs, "-p", element, *sizes,
                                          "--kernel-path", folder, "--kernel-path", f"{folder}/torch",
                                          "--iterations", "50", "-o", f"{out}/r.json"],
                                         stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                    if job.returncode:
                        sys.exit(f"{ours} and {theirs} ended with {job.returncode}: {job.stderr.strip()}")
                    with open(f"{out}/r.json") as file:
                        report = json.load(file)
                for case in report["cases"]:
                    if case["outcome"] != "measured" or case["accuracy"]["wrong"]:
                        sys.exit(f"{case['id']} has no right result: {case['outcome']} {case['reason']}")
                    medians[case["benchmark"]].append(case["latency"]["median"])
                    checked = case["accuracy"]["checked"]
            ratios = [theirs / ours for ours, theirs in zip(medians[ours], medians[theirs])]
            own, other = (statistics.median(medians[name]) for name in (ours, theirs))
            print(f"{theirs.replace('_' + ours, '') + ' ' + ours:<16} {problem:<28} {element:<5} {own:>9.4f} "
                  f"{other:>9.4f}  {quartiles(ratios):<22}  {checked}", flush=True)


if __name__ == "__main__":
    match sys.argv[1]:
        case "startup":
            startup(sys.argv[2], sys.argv[3], 21)
        case "kernels":
            kernels(sys.argv[2], sys.argv[3], sys.argv[4], int(os.environ.get("RUNS", "7")))
        case "parked":
            parked(sys.argv[2], 41)
        case "clocks":
            clocks(sys.argv[2])
        case "stop":
            stop(sys.argv[2], 21)
