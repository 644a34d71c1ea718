"""Each check in a process of its own, with a limit in time, of which nothing is left behind."""

import json
import multiprocessing
import os
import signal
import sys
import time
import traceback
from pathlib import Path

from gpu_check.answers import Failed, Skipped

TOKEN = "TESSERABENCH_GPU_CHECK"


def run_apart(act, bench, limit):
    """What the check found; it timed out if it takes longer than `limit` seconds."""
    token = bench.scratch.name
    worker = multiprocessing.get_context("fork").Process(target=inside, args=(act, bench, token))
    worker.start()
    try:
        worker.join(limit)
    finally:
        hung = worker.is_alive()
        worker.kill()
        worker.join()
        # A rank that was told to end needs a moment for it.
        time.sleep(0 if hung else 1)
        left = end_leftovers(token)
    found = bench.scratch / "found.json"
    result = json.loads(found.read_text()) if found.exists() else {}
    if hung:
        bench.log_unfinished()
        return result | {"outcome": "timed out", "reason": f"stopped after {limit:.0f} s"}
    if worker.exitcode:
        return result | {"outcome": "failed", "reason": f"the check itself ended with {worker.exitcode}"}
    if left and result["outcome"] == "passed":
        return result | {"outcome": "failed", "reason": f"it left {left} processes behind"}
    return result


def inside(act, bench, token):
    """In the check's own process."""
    os.environ[TOKEN] = token
    with open(bench.output / "logs.txt", "a") as logs:
        os.dup2(logs.fileno(), sys.stderr.fileno())
    try:
        act(bench)
        bench.found["outcome"] = "passed"
    except (Failed, Skipped) as why:
        bench.found |= {"outcome": type(why).__name__.lower(), "reason": str(why)}
    except Exception as why:
        traceback.print_exc()
        bench.found |= {"outcome": "failed", "reason": f"an answer cannot be used: {type(why).__name__}: {why}"}
    bench.note()


def end_leftovers(token):
    """Kills what still carries the check's token in its environment; says how many there were."""
    mark, count = f"{TOKEN}={token}".encode(), 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)
                count += 1
        except OSError:
            pass  # It has ended by itself, or is somebody else's.
    return count
