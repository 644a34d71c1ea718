# Calls run_benchmark of the file that is named, and prints what each call takes, one JSON object a line.
import contextlib
import importlib.util
import inspect
import json
import os
import random
import sys
import time

def finished(result):
    """Waits for what a device may still be computing."""
    if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
        sys.modules["torch"].cuda.synchronize()
    if "jax" in sys.modules:
        sys.modules["jax"].block_until_ready(result)


told = {name[len("TESSERABENCH_"):]: value for name, value in os.environ.items() if name.startswith("TESSERABENCH_")}
random.seed(int(told["SEED"]))
sys.path.insert(0, os.getcwd())
spec = importlib.util.spec_from_file_location("benchmark", sys.argv[1])
module = importlib.util.module_from_spec(spec)
# What the program prints is not for us.
with contextlib.redirect_stdout(sys.stderr):
    spec.loader.exec_module(module)
    sizes = json.loads(told["SIZES"])
    settings = dict(sizes, precision=told["PRECISION"], iterations=1, seed=int(told["SEED"]))
    if sizes:
        # One that takes all its sizes as one.
        settings["problem_size"] = next(iter(sizes.values())) if len(sizes) == 1 else sizes
    wanted = inspect.signature(module.run_benchmark).parameters
    if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in wanted.values()):
        settings = {name: value for name, value in settings.items() if name in wanted}
        # A size that the function does not take would name a problem that was not measured.
        lacking = [name for name, value in sizes.items() if isinstance(value, int) and name not in settings]
        if lacking and "problem_size" not in settings:
            sys.exit(f"run_benchmark takes neither problem_size nor {', '.join(lacking)}")
    else:
        settings.pop("problem_size", None)
    for _ in range(int(told["WARMUP"])):
        finished(module.run_benchmark(**settings))
for _ in range(int(told["ITERATIONS"])):
    with contextlib.redirect_stdout(sys.stderr):
        began = time.perf_counter_ns()
        finished(module.run_benchmark(**settings))
        took = time.perf_counter_ns() - began
    print(json.dumps({"latency_ms": max(took, 1) / 1e6}))
