"""Rates: held against what the hardware can do, which no figure may exceed, and beside what others reach."""

import json
import shutil

from gpu_check.answers import Failed, Skipped, number


def against_torch(what, words, size, metric, least):
    """A check of a rate at the size of this name beside PyTorch's."""
    def check(bench):
        problem, pace = bench.sizes[size], bench.sizes[what]
        ours = f"{words} --problem-size {size}={problem} {pace}"
        highest = bench.compare(ours, 1, metric, lambda ours: of_torch(bench, what, *ours), least)
        most = bench.peak
        bench.note(ceiling=most or "unknown", of_ceiling=highest / most if most else "unknown")
        if most and highest > most:
            raise Failed(f"{highest:.6g} is more than the hardware can do: {most:.6g}")
    return check


def of_torch(bench, what, problem):
    """PyTorch's rate at a problem; None where there is no PyTorch."""
    answer = bench.torch.ask(what, problem)
    if lacks := answer.get("lacks"):
        bench.note(torch=lacks)
        return None
    bench.note(unit=answer["unit"], torch=answer["torch"])
    return {problem: number(answer, "rate")}


def small_copy(bench):
    nvcc, loop = shutil.which("nvcc"), str(bench.scratch / "cuda_loop")
    if not nvcc:
        raise Skipped("there is no nvcc to build the peer with")
    bench.command(nvcc, "-O3", "-arch=native", "-o", loop, str(bench.bundle / "cuda_loop.cu"), ends=0)

    def answers(*words):
        return [json.loads(line) for line in bench.command(loop, *words, ends=0)[1].splitlines()]

    bench.note(empty_kernel_ms=number(answers("empty"), 0, "median_ms"),
               event_resolution_ms=number(answers("event"), 0, "resolution_ms"))
    # The better of cudaMemcpyAsync and a plain kernel.
    peer = lambda ours: {size: max(number(one, "rate") for one in answers("copy", str(size))) for size in ours}
    bench.compare("-b copy --problem-size array=8KiB,64KiB,1MiB --iterations 200", 3, "gbps", peer, 0.90)
