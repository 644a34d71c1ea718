"""Whole jobs side by side: startup and parked. Called by scripts/compare-with-peers."""

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


if __name__ == "__main__":
    if sys.argv[1] == "startup":
        startup(sys.argv[2], sys.argv[3], 21)
    else:
        parked(sys.argv[2], 41)
