"""Clocks, temperature, power and energy while the GPU computes, as the program reads them and as nvidia-smi does."""

import statistics
import subprocess

from gpu_check.answers import Failed, need, number
from gpu_check.gpu import number_of


def power_curve(bench, measured):
    """What `measured` returns, and the watts that nvidia-smi reads ten times a second meanwhile."""
    # By lines, so that ending it loses none.
    words = ["stdbuf", "-oL", "nvidia-smi", "-i", bench.gpu["uuid"], "--query-gpu=power.draw", "--format=csv,noheader,nounits"]
    with open(bench.scratch / "watts", "w+") as curve:
        reader = subprocess.Popen([*words, "--loop-ms=100"], stdout=curve)
        try:
            result = measured()
        finally:
            reader.terminate()
            reader.wait()
        curve.seek(0)
        return result, [watts for line in curve if (watts := number_of(line)) is not None]


def telemetry(bench):
    words = f"-b gemm --problem-size m={bench.sizes['m']} --iterations 100000 --max-time {bench.sizes['seconds']}"
    cases, curve = power_curve(bench, lambda: bench.measure(words, 1))
    facts = need(cases[0], dict, "telemetry", 0)
    readings = {f"{key} {when}": number(facts, when, key) for when in ("before", "after")
                for key in ("sm_mhz", "memory_mhz", "temperature_celsius")}
    bench.note(**readings, throttle=need(facts, list, "after", "throttle_reasons"))
    plausible = lambda name, value: 15 <= value <= 100 if "celsius" in name else value > 0
    if odd := [name for name, value in readings.items() if not plausible(name, value)]:
        raise Failed(f"not plausible: {', '.join(odd)}")
    energy = need(cases[0], dict, "energy", "counters", 0)
    limit = number_of(bench.gpu["power.limit"])
    if limit is None and energy.get("joules") is None:
        bench.note(energy="neither nvidia-smi nor NVML knows this GPU's power")
        return
    watts = number(energy, "joules") / max(number(energy, "seconds"), 1e-9)
    # While it computes; before and after, it prepares, checks and rests.
    low, high = min(curve, default=0), max(curve, default=0)
    busy = [one for one in curve if one >= (low + high) / 2]
    bench.note(watts=watts, seconds=energy["seconds"], curve={"readings": len(curve), "least": low, "most": high})
    least, most = bench.sizes["energy"]
    bench.found["bound"] = f"clocks above 0, 15 to 100 °C, 50 W to 1.3 of the limit, energy {least} to {most} of the curve's"
    if not 50 <= watts <= 1.3 * (limit or float("inf")):
        raise Failed("the power is not plausible")
    if len(busy) < 10:
        raise Failed(f"nvidia-smi has read power {len(busy)} times while it computed, which is no curve")
    ratio = watts / statistics.fmean(busy)
    bench.found |= {"ratio": ratio, "spread": [watts / max(busy), watts / min(busy)]}
    if not least <= ratio <= most:
        raise Failed("the energy counter and the power curve do not agree")
