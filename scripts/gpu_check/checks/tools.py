"""NVIDIA's tools around the program. Those that run one kernel at a time need it without the blocking kernel."""

import json
import shutil

from gpu_check import gpu
from gpu_check.answers import Failed, Skipped, last_line, need, number

UNFIT = 6
WORDS = ("run --backend cuda --no-blocking-kernel -b copy -b triad -b softmax --problem-size array=1MiB --problem-size rows=33 "
         "--problem-size cols=1000 --warmup 1 --iterations 3 --no-autotune -o report.json").split()


def find(name):
    path = shutil.which(name)
    if not path:
        raise Skipped(f"there is no {name}")
    return path


def sanitizer(bench):
    code, out, errors = bench.command(find("compute-sanitizer"), "--tool", "memcheck", "--target-processes", "all",
                                      "--error-exitcode", "99", bench.program, *WORDS)
    if "Device not supported" in out + errors:
        raise Skipped("compute-sanitizer does not support this machine's device")
    summaries = [line for line in (out + errors).splitlines() if "ERROR SUMMARY" in line]
    bench.note(exit=code, summaries=summaries)
    if code or not summaries or not all("ERROR SUMMARY: 0 errors" in line for line in summaries):
        raise Failed(f"it ended with {code}: {'; '.join(summaries) or last_line(errors)}")


def debugger(bench):
    code, out, errors = bench.command(find("cuda-gdb"), "-batch", "-ex", "run", "--args", bench.program, *WORDS)
    bench.note(exit=code, end=last_line(out))
    if "exited normally" not in out:
        raise Failed(f"the program did not end normally in it: {last_line(out + errors)}")


def profiler(name):
    """A check of `profile` under one of them."""
    def check(bench):
        folder = bench.scratch / "profile"
        words = f"profile --profiler {find(name) and name} -b triad --problem-size array={bench.sizes['profiled']}".split()
        code, _, errors = bench.command(bench.program, *words, "--output-dir", str(folder))
        if code == UNFIT and "administrators" in errors + (folder / "profile.json").read_text():
            raise Skipped("the driver lets only administrators read the GPU's counters")
        if code:
            raise Failed(f"it ended with {code}: {last_line(errors)}")
        kernels = need(json.loads((folder / "profile.json").read_text()), list, "cases", 0, "ranks", 0, "kernels")
        ours = [kernel for kernel in kernels if "triad" in need(kernel, str, "name")]
        bench.note(kernels=kernels)
        if not ours or number(ours[0], "launches") < 1 or number(ours[0], "total_ms") <= 0:
            raise Failed("its table has no launch of triad that took time")
    return check
