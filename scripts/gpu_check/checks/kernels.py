"""Kernels: what the compiler makes of them here, and whether each is right in each of its types."""

import json

from gpu_check.answers import Failed, need, number

# The product of cuBLASLt, and what computes nothing that could be checked.
OTHERS = ["gemm", "launch_latency", "launch_throughput"]
# A size for every key that kernels have: a line of tests/trials.txt.
SIZES = ("array=65552 rows=2 cols=1000 tokens=37 heads=8 kv_heads=2 causal=1 pairs=64 dim=64 m=33 n=65 k=100 batch=2 images=3 "
         "height=13 width=6 channels=16 filters=9 side=2 stride=3 choices=3 experts=5 vocabulary=1000 parameters=5003")
# Cases of a run.
FEW = 40
GEMM_TYPES = ["f32", "f64", "f16", "bf16", "tf32", "fp8e4m3", "i8"]


def compiled(bench):
    major, minor = bench.gpu["compute_cap"].split(".")
    # From 9.0 on, the instructions of one architecture alone are in its variant with an "a".
    arch = f"sm_{major}{minor}{'a' if int(major) >= 9 else ''}"
    answer = bench.command(bench.program, "inspect", "--arch", arch, "--format", "json", ends=0)[1]
    functions = need(json.loads(answer), list, "functions")
    bench.note(arch=arch, registers={need(one, str, "function"): number(one, "registers") for one in functions})
    spilled = {one["function"]: number(one, "spill_bytes") for one in functions}
    if not functions or any(spilled.values()):
        raise Failed(f"spilled bytes: {spilled}")


def kernels_and_types(bench):
    """Names of kernels with types that all of them have: every kernel in each of its types, in sets of few cases."""
    listed = json.loads(bench.command(bench.program, "list-benchmarks", "--format", "json", ends=0)[1])
    kernels = [one for one in listed if not need(one, bool, "collective") and one["name"] not in OTHERS]
    types_of = {}
    for type in sorted({type for one in kernels for type in need(one, list, "precisions")}):
        names = tuple(one["name"] for one in kernels if type in one["precisions"])
        types_of.setdefault(names, []).append(type)
    for names, types in types_of.items():
        at_once = max(1, FEW // len(names))
        yield from ((names, types[first:first + at_once]) for first in range(0, len(types), at_once))


def every_kernel(bench):
    few = "--iterations 3 --warmup 1 --batch 1 --no-autotune"
    sizes = " ".join(f"--problem-size {size}" for size in SIZES.split())
    # Sides that cuBLASLt takes in 8 bits.
    runs = [(f"{few} -b gemm -p {','.join(GEMM_TYPES)} --problem-size m=96", len(GEMM_TYPES))]
    for names, types in kernels_and_types(bench):
        runs.append((f"{few} -b {','.join(names)} -p {','.join(types)} {sizes}", len(names) * len(types)))
    cases = bench.measure_at_once(runs)
    blocks = {case["id"]: [number(case, "compile", "occupancy", "blocks"), number(case, "compile", "driver_blocks")]
              for case in cases if case["benchmark"] != "gemm"}
    bench.note(types=sorted({case["precision"] for case in cases}), blocks=blocks)
    wrong = {name: sides for name, sides in blocks.items() if sides[0] != sides[1]}
    if wrong:
        raise Failed(f"blocks that fit a multiprocessor, as computed and by the driver: {wrong}")


def launches(bench):
    """What it takes to start a kernel; nothing is computed that could be checked."""
    report = bench.run("-b launch_latency -b launch_throughput --iterations 200", cases=2)[1]
    times = {need(case, str, "benchmark"): number(case, "latency", "median") * 1e3 for case in need(report, list, "cases")}
    bench.note(**{f"{name}_us": us for name, us in times.items()})
    odd = {name: us for name, us in times.items() if not 0.2 <= us <= 100}
    if odd or len(times) != 2:
        raise Failed(f"not plausible, in µs: {times}")
