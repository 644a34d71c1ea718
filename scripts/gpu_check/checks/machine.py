"""What there is: the GPU, libraries, tools."""

import json
import shutil

from gpu_check import gpu
from gpu_check.answers import Failed, last_line, need


def machine(bench):
    bench.note(**bench.gpu, folders=bench.folders)
    ask = {"nvcc": ["--version"], "python3": ["-c", "import torch; print('torch', torch.__version__)"]}
    for name, words in ask.items():
        path = shutil.which(name)
        bench.note(**{name: last_line("".join(bench.command(path, *words)[1:])) if path else "none"})
    if not bench.folders:
        raise Failed("no folder with NVIDIA's libraries was found")


def system_info(bench):
    facts = json.loads(bench.command(bench.program, "system-info", "--format", "json", ends=0)[1])
    bench.note(build=need(facts, str, "build"), gpu=need(facts, str, "gpus", 0, "name"))
    for name in ("cuda", "nvrtc", "cublaslt", "nccl"):
        if "missing" in need(facts, dict, "nvidia", name):
            raise Failed(f"{name}: {facts['nvidia'][name]['missing']}")
        bench.note(**{name: need(facts, str, "nvidia", name, "version")})
    # The driver's name of a MIG instance says which part of the GPU it is, behind that.
    name = facts["gpus"][0]["name"]
    if name != bench.gpu["name"] and not name.startswith(bench.gpu["name"] + " MIG "):
        raise Failed(f"it names another GPU than nvidia-smi, {bench.gpu['name']}")


def self_check(bench):
    code, out, errors = bench.command(bench.program, "system-info", "--self-check", "--format", "json")
    devices = need(json.loads(out), list, "devices")
    checks = [check for device in devices for check in need(device, list, "checks")]
    bench.note(checks={need(check, str, "name"): need(check, str, "outcome") for check in checks})
    undone = [f"{check['name']}: {check['says']}" for check in checks if check["outcome"] != "ok"]
    if code or undone or not checks:
        raise Failed(f"it ended with {code}: {'; '.join(undone) or last_line(errors)}")
