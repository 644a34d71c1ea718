"""Our collectives and messages beside the OSU micro-benchmarks', by their own protocol, run after run in turn.

Usage: osu.py TESSERABENCH OSU_FOLDER RANKS ROUNDS OUTPUT

Their time of an operation is a mean over iterations: of all ranks' own times after a barrier (collectives), of
the first rank's (messages). Ours is computed from our samples in the same way, and divided by the
geometric mean of theirs in the two runs beside it. Writes a Markdown table.
"""

import csv
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile

program, osu, ranks, rounds, output = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
SIZES = [8 << i for i in range(20)]
# 64 messages of 4 MiB take long: fewer iterations of large ones, as the OSU benchmarks do.
WINDOWS = [(SIZES[:11], 100), (SIZES[11:], 5)]
MESSAGES, LAUNCH = "pt2pt/standard", ["--bind-to", "core"] if ranks <= os.cpu_count() else ["--oversubscribe"]
# name, their program, our benchmark, sizes with iterations, our bytes for one of theirs, whether it is between two
# ranks, whether a barrier comes before each, their figure: microseconds, or MB/s of so many messages at once
TESTS = [
    ("all_reduce", "collective/blocking/osu_allreduce", "all_reduce", [(SIZES, 100)], 1, False, True, None),
    ("all_gather", "collective/blocking/osu_allgather", "all_gather", [(SIZES, 100)], ranks, False, True, None),
    ("alltoall", "collective/blocking/osu_alltoall", "alltoall", [(SIZES, 100)], ranks, False, True, None),
    ("broadcast", "collective/blocking/osu_bcast", "broadcast", [(SIZES, 100)], 1, False, True, None),
    ("reduce_scatter", "collective/blocking/osu_reduce_scatter_block", "reduce_scatter", [(SIZES, 100)], 1, False, True, None),
    ("latency", f"{MESSAGES}/osu_latency", "latency", [(SIZES, 200)], 1, True, False, None),
    ("bandwidth", f"{MESSAGES}/osu_bw", "bandwidth", WINDOWS, 1, True, False, 1),
    ("bidirectional", f"{MESSAGES}/osu_bibw", "bidirectional", WINDOWS, 1, True, False, 2),
    ("message rate", f"{MESSAGES}/osu_mbw_mr", "bandwidth", WINDOWS, 1, True, True, 1),
]


def run(command):
    done = subprocess.run(["mpirun", "-n", str(ranks), *LAUNCH, *command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def theirs(test):
    """Microseconds of an operation by size."""
    _, path, _, iterations, _, paired, _, messages = test
    kind = [] if paired and messages else ["-T", "mpi_float"]
    # MB/s are 1e6 bytes a second.
    pairs = ranks // 2 if "mbw" in path else 1
    figures = {}
    for sizes, count in iterations:
        skip = max(2, count // 10)
        text = run([f"{osu}/c/mpi/{path}", "-i", str(count), "-x", str(skip), "-m", f"{sizes[0]}:{sizes[-1]}", *kind])
        for row in (line.split() for line in text.splitlines() if line and not line.startswith("#")):
            size, figure = int(row[0]), float(row[1])
            figures[size] = size * messages * pairs / figure if messages else figure
    return figures


def ours(test, protocol=None):
    """The same; by a protocol of its own the median that we report."""
    _, _, benchmark, iterations, factor, paired, barrier, _ = test
    own = protocol or ("barrier" if barrier else "back-to-back")
    figures = {}
    for sizes, count in iterations:
        with tempfile.TemporaryDirectory() as folder:
            file = f"{folder}/results.json"
            bytes_ = ",".join(str(size * factor) for size in sizes)
            command = [program, "run", "--backend", "host", "-b", benchmark, "--problem-size", f"bytes={bytes_}",
                       "--protocol", own, "--iterations", str(count), "--warmup", str(max(2, count // 10)), "-o", file]
            run(command + ([] if protocol else ["--batch", "1"]))
            report = json.load(open(file))
            spans = own_times(report, folder, 1 if paired else ranks)
        for case in report["cases"]:
            size = case["problem"]["bytes"] // factor
            mean = statistics.fmean(spans[case["id"]]) / case["batch"] / 1e3
            figures[size] = case["latency"]["median"] * 1e3 if protocol else mean
    return figures


def own_times(report, folder, count):
    """End minus start of each sample of the first `count` ranks, ns, by case."""
    spans = {}
    for case in report["cases"]:
        if "inline" in case["samples"]:
            samples = case["samples"]["inline"]
            pairs = zip(samples["start_ns"][:count], samples["end_ns"][:count])
            spans[case["id"]] = [e - s for begin, end in pairs for s, e in zip(begin, end)]
    sidecar = f"{folder}/results.samples.csv.gz"
    if os.path.exists(sidecar):
        with gzip.open(sidecar, "rt", newline="") as file:
            for row in csv.DictReader(file):
                if int(row["rank"]) < count:
                    spans.setdefault(row["case"], []).append(int(row["end_ns"]) - int(row["start_ns"]))
    return spans


def quartiles(values):
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


taken = {test[0]: {size: [] for size in SIZES} for test in TESTS}
apart = {test[0]: {size: [] for size in SIZES} for test in TESTS}
tests = [test for test in TESTS if ranks == 2 or not test[5]]
for turn in range(rounds):
    for test in tests:
        sides = [("ours", lambda: ours(test)), ("theirs", lambda: theirs(test)), ("again", lambda: theirs(test))]
        found = {name: measure() for name, measure in sides[turn % 3:] + sides[:turn % 3]}
        for size in SIZES:
            taken[test[0]][size].append([found[name][size] for name in ("ours", "theirs", "again")])
        if turn % 5 == 0:
            for size, own in ours(test, "synchronised").items():
                apart[test[0]][size].append(own / found["theirs"][size])
    print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)

lines = ["| benchmark | bytes | ours, us | OSU, us | ours/OSU | OSU/OSU (A/A) | our own protocol/OSU |",
         "|---|---|---|---|---|---|---|"]
ratios, large = [], []
for test in tests:
    for size in SIZES:
        values = taken[test[0]][size]
        medians = [statistics.median(column) for column in zip(*values)]
        # The mean of the two runs of theirs beside ours.
        ratio = [a / (b * c) ** 0.5 for a, b, c in values]
        same = [c / b for _, b, c in values]
        middle = statistics.median(ratio)
        ratios.append(middle)
        if size >= 64 << 10:
            large.append((abs(middle - 1), middle, test[0], size))
        lines.append(f"| {test[0]} | {size} | {medians[0]:.3f} | {medians[1]:.3f} | {quartiles(ratio)} | "
                     f"{quartiles(same)} | {statistics.median(apart[test[0]][size]):.2f} |")
worst = max(large)
lines += ["", f"{ranks} ranks, {rounds} rounds. Median of all {len(ratios)} ratios: {statistics.median(ratios):.3f}; from 64 KiB up "
          f"the farthest from 1 is {worst[1]:.3f} ({worst[2]}, {worst[3]} bytes)."]
text = "\n".join(lines)
print(text)
with open(output, "w") as file:
    file.write(text + "\n")
