"""What goes wrong on purpose, and how runs then end."""

import time

from gpu_check.answers import Failed, last_line, need, number

UNFIT = 6


def shared_gpu_refused(bench):
    lines = [line for line in bench.run("--ranks 2 -b copy", UNFIT)[0].splitlines() if "error:" in line]
    bench.note(errors=lines)
    if len(lines) != 1 or "--emulate-ranks" not in lines[0]:
        raise Failed("that is not one sentence that names --emulate-ranks")


def wrong_element(bench):
    words = "--ranks 1 -b copy -b triad -b gemm -b all_reduce --problem-size small --continue-on-error"
    _, report = bench.run(words, 5, TESSERABENCH_FAULT="wrong@0:verify", cases=4)
    wrong = {need(case, str, "benchmark"): number(case, "accuracy", "wrong") for case in need(report, list, "cases")}
    bench.note(wrong=wrong)
    if wrong != {"copy": 1, "triad": 1, "gemm": 1, "all_reduce": 1}:
        raise Failed(f"that is not one wrong element in each: {wrong}")


def broken_rank(fault, code, words=""):
    """A check of how a run ends in which rank 1 of 2 breaks."""
    def check(bench):
        began = time.monotonic()
        words_of_run = f"--ranks 2 --emulate-ranks -b all_reduce --problem-size bytes=1MiB {words}"
        errors, _ = bench.run(words_of_run, code, TESSERABENCH_FAULT=f"{fault}@1:measure")
        bench.note(ended_after_s=round(time.monotonic() - began, 1), error=last_line(errors))
    return check
