"""What PyTorch reaches on this GPU. Reads questions such as {"what": "copy", "size": 1073741824}, a JSON object a line, and
answers each with one. It stays alive between them, because importing PyTorch takes seconds. Started by scripts/gpu-check."""

import json
import math
import statistics
import sys
import time

try:
    import torch
except ImportError:
    torch = None

GROUPS = 50
SHORTEST_GROUP_MS = 1
WARM_UP_SECONDS = 0.5


def copy(size):
    """Bytes read and written count."""
    source = torch.rand(size // 4, device="cuda")
    target = torch.empty_like(source)
    return lambda: target.copy_(source), 2 * 4 * source.numel() / 1e9, "GB/s"


def gemm(side, dtype):
    left, right = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
    product = torch.empty(side, side, device="cuda", dtype=dtype)
    return lambda: torch.mm(left, right, out=product), 2 * side**3 / 1e12, "TFLOP/s"


OPERATIONS = {
    "copy": copy,
    "gemm-f32": lambda side: gemm(side, torch.float32),
    "gemm-bf16": lambda side: gemm(side, torch.bfloat16),
}


def group_times(operation, groups, per_group):
    """Milliseconds of one operation in each group. Nothing waits in between, so that the device always
    has the next operation queued and launching is not timed."""
    marks = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(groups)]
    for start, end in marks:
        start.record()
        for _ in range(per_group):
            operation()
        end.record()
    torch.cuda.synchronize()
    return [start.elapsed_time(end) / per_group for start, end in marks]


def warm_up(operation, per_group):
    """Until clocks and power have settled: half a second, and two medians in succession within 0.5 %."""
    began, before = time.monotonic(), math.inf
    for _ in range(20):
        now = statistics.median(group_times(operation, 20, per_group))
        if time.monotonic() - began > WARM_UP_SECONDS and abs(now - before) < 0.005 * now:
            return
        before = now


def rate(what, size):
    operation, work, unit = OPERATIONS[what](size)
    group_times(operation, 3, 1)
    once = statistics.median(group_times(operation, 5, 1))
    per_group = max(1, math.ceil(SHORTEST_GROUP_MS / once))
    warm_up(operation, per_group)
    median = statistics.median(group_times(operation, GROUPS, per_group))
    return {"median_ms": median, "rate": work / (median / 1e3), "unit": unit, "torch": torch.__version__}


def answer(asked):
    if torch is None or not torch.cuda.is_available():
        return {"lacks": "PyTorch finds no GPU" if torch else "no PyTorch here"}
    try:
        return rate(asked["what"], asked["size"])
    except Exception as why:
        return {"failed": f"{type(why).__name__}: {why}"}
    finally:
        # Nothing of it may lie in the memory that ours then fills.
        torch.cuda.empty_cache()


def main():
    if torch:
        # f32 means f32, as it does in tesserabench.
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.manual_seed(1)
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps(asked | answer(asked)), flush=True)


if __name__ == "__main__":
    main()
