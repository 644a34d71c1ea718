"""What PyTorch reaches on this GPU: a copy or a matrix product, as one JSON line. Called by scripts/gpu-check."""

import argparse
import json
import math
import statistics
import sys
import time

try:
    import torch
except ImportError:
    torch = None

# The exit code of tesserabench for an environment that lacks something.
UNFIT = 6
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
    for _ in range(100):
        now = statistics.median(group_times(operation, 20, per_group))
        if time.monotonic() - began > WARM_UP_SECONDS and abs(now - before) < 0.005 * now:
            return
        before = now


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["copy", "gemm-f32", "gemm-bf16"])
    parser.add_argument("--bytes", type=int, default=1 << 30, help="of the array that is copied")
    parser.add_argument("--side", type=int, default=8192, help="rows and columns of the matrices")
    parser.add_argument("--repeat", type=int, default=50, help="timed groups, at least 20")
    wanted = parser.parse_args()
    if wanted.repeat < 20:
        parser.error("--repeat takes at least 20")
    if torch is None or not torch.cuda.is_available():
        print(f"torch_ceilings: {'PyTorch finds no GPU' if torch else 'no PyTorch here'}", file=sys.stderr)
        sys.exit(UNFIT)
    # f32 means f32, as it does in tesserabench.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.manual_seed(1)
    if wanted.what == "copy":
        operation, work, unit = copy(wanted.bytes)
    else:
        dtype = torch.bfloat16 if wanted.what == "gemm-bf16" else torch.float32
        operation, work, unit = gemm(wanted.side, dtype)
    group_times(operation, 3, 1)
    once = statistics.median(group_times(operation, 5, 1))
    per_group = max(1, math.ceil(SHORTEST_GROUP_MS / once))
    warm_up(operation, per_group)
    median = statistics.median(group_times(operation, wanted.repeat, per_group))
    print(json.dumps({
        "what": wanted.what, "median_ms": median, "rate": work / (median / 1e3), "unit": unit,
        "torch": torch.__version__, "device": torch.cuda.get_device_name(),
    }))


if __name__ == "__main__":
    main()
