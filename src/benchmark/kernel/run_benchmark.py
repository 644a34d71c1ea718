# Calls run_benchmark of the file that is named, and prints what each call takes, one JSON object a line.
import contextlib
import importlib.util
import inspect
import json
import os
import random
import sys
import time

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
    else:
        settings.pop("problem_size", None)
    for _ in range(int(told["WARMUP"])):
        module.run_benchmark(**settings)
for _ in range(int(told["ITERATIONS"])):
    with contextlib.redirect_stdout(sys.stderr):
        began = time.perf_counter_ns()
        module.run_benchmark(**settings)
        took = time.perf_counter_ns() - began
    print(json.dumps({"latency_ms": max(took, 1) / 1e6}))
