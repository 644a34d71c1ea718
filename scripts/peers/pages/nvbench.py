"""A report of ours with its samples as nvbench's JSON with its files of sample times, so that nvbench's scripts can draw it.

Usage: nvbench.py REPORT.json OUT.json PEAK_GBPS

The CPU stands for the GPU: nothing in it is a GPU's figure, and the peak is what the command says.
"""

import json
import math
import pathlib
import statistics
import struct
import sys


def summary(tag, name, hint, value, kind="float64"):
    data = [{"name": "value", "type": kind, "value": str(value)}]
    return {"tag": tag, "name": name, "description": name, "hint": hint, "data": data}


def times(case):
    """Seconds of each valid round: those of its slowest rank."""
    samples = case["samples"]["inline"]
    ranks = list(zip(samples["start_ns"], samples["end_ns"]))
    invalid = set(samples["invalid_rounds"])
    rounds = [at for at in range(len(samples["start_ns"][0])) if at not in invalid]
    return [max(end[at] - start[at] for start, end in ranks) / (case["batch"] or 1) / 1e9 for at in rounds]


def state(case, key, file, peak):
    taken, value = times(case), case["problem"][key]
    file.write_bytes(struct.pack(f"<{len(taken)}f", *taken))
    mean, noise = statistics.mean(taken), statistics.stdev(taken) / statistics.mean(taken)
    summaries = [summary("nv/cold/sample_size", "Samples", "sample_size", len(taken), "int64")]
    for side in ("cpu", "gpu"):
        summaries.append(summary(f"nv/cold/time/{side}/mean", f"{side.upper()} Time", "duration", mean))
        summaries.append(summary(f"nv/cold/time/{side}/stdev/relative", "Noise", "percentage", noise))
    rate = case["metrics"].get("gbps")
    if rate:
        summaries.append(summary("nv/cold/bw/global/bytes_per_second", "GlobalMem BW", "byte_rate", rate * 1e9))
        summaries.append(summary("nv/cold/bw/global/utilization", "BWUtil", "percentage", rate / peak))
    data = [
        {"name": "filename", "type": "string", "value": f"{file.parent.name}/{file.name}"},
        {"name": "size", "type": "int64", "value": str(len(taken))},
    ]
    kept = {"tag": "nv/json/bin:nv/cold/sample_times", "name": "Samples Times File", "hint": "file/sample_times"}
    summaries.append({**kept, "description": "times", "hide": "not in the table", "data": data})
    axis = [{"name": key, "type": "int64", "value": str(value)}]
    limits = {"min_samples": 10, "min_time": 0.5, "max_noise": 0.005, "skip_time": -1.0, "timeout": 15.0}
    place = {"device": 0, "type_config_index": 0, "axis_values": axis, "summaries": summaries, "is_skipped": False}
    return {"name": f"Device=0 {key}=2^{int(math.log2(value))}", **limits, **place}


def main():
    source, out, peak = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), float(sys.argv[3])
    folder = out.with_name(out.name + "-bin")
    folder.mkdir(exist_ok=True)
    benchmarks = {}
    for place, case in enumerate(json.loads(source.read_text(encoding="utf-8"))["cases"]):
        key = "array" if "array" in case["problem"] else "m"
        known = benchmarks.setdefault(case["benchmark"], {"axes": [], "states": []})
        known["states"].append(state(case, key, folder / f"{place}.bin", peak))
        power = int(math.log2(case["problem"][key]))
        value = {"input_string": str(power), "description": f"2^{power}", "value": case["problem"][key]}
        if not known["axes"]:
            known["axes"].append({"name": key, "type": "int64", "flags": "pow2", "values": []})
        known["axes"][0]["values"].append(value)
    head = {"min_samples": 10, "min_time": 0.5, "max_noise": 0.005, "skip_time": -1.0, "timeout": 15.0, "devices": [0]}
    told = [{"name": name, "index": at, **head, **of} for at, (name, of) in enumerate(benchmarks.items())]
    version = {"major": 1, "minor": 0, "patch": 0, "string": "1.0.0"}
    own = {"major": 0, "minor": 1, "patch": 0, "string": "0.1.0", "git_branch": "", "git_sha": "", "git_version": ""}
    device = {
        "id": 0, "name": "the CPU", "sm_version": 900, "ptx_version": 900, "sm_default_clock_rate": 1000000000,
        "number_of_sms": 1, "max_blocks_per_sm": 1, "max_threads_per_sm": 1, "max_threads_per_block": 1,
        "registers_per_sm": 1, "registers_per_block": 1, "global_memory_size": 1, "global_memory_bus_peak_clock_rate": 1,
        "global_memory_bus_width": 64, "global_memory_bus_bandwidth": int(peak * 1e9), "l2_cache_size": 1,
        "shared_memory_per_sm": 0, "shared_memory_per_block": 0, "ecc_state": False,
    }  # fmt: skip
    meta = {"argv": ["tesserabench"], "version": {"json": version, "nvbench": {**own, "git_is_dirty": False}}}
    out.write_text(json.dumps({"meta": meta, "devices": [device], "benchmarks": told}), encoding="utf-8")


if __name__ == "__main__":
    main()
