"""What ranks exchange by NCCL, most of it between ranks that share the one GPU."""

from gpu_check.answers import Failed, need, number

TYPES = ["f32", "bf16", "i32"]
ALL_TYPES = ["f32", "f64", "f16", "bf16", "i8", "i64", "u32"]
OPERATORS = "op=sum,prod,max,min,avg,mulsum"
# All but all_reduce, by whether their result may replace their input.
IN_PLACE = ["all_gather", "all_gatherv", "reduce_scatter", "broadcast", "reduce", "gather", "gatherv", "scatter", "scatterv",
            "hypercube"]
OUT_OF_PLACE = ["reduce_scatterv", "alltoall", "alltoallv", "sendrecv", "latency", "bandwidth", "bidirectional", "incast",
                "outcast", "comm_init"]
# The devices' clocks may be held against the host's no worse than this, ms.
CLOCK_ERROR_MS = 1.0


def stamped(case):
    """By the devices' clocks: an operation's time is what the device says, and the host's holds it."""
    rows = need(case, dict, "samples", "inline")
    of = lambda key: [value for row in need(rows, list, key) for value in row]
    starts, ends, devices, hosts = (of(key) for key in ("start_ns", "end_ns", "device_ns", "host_ns"))
    for start, end, device, host in zip(starts, ends, devices, hosts, strict=True):
        if end - start != device or device > host:
            raise Failed(f"{case['id']}: {start} to {end} is stamped, {device} ns on the device, {host} on the host")
    return number(case, "skew", "clock_error_ms") if case["group_size"] > 1 else 0


def all_reduce(types, groups, shared=False, words=None, cases=None):
    """A check of all_reduce in these types on so many groups of each axis, by ranks that may share the GPU; by one rank up to
    large messages if no words say otherwise."""
    def check(bench):
        asked = words or f"--ranks 1 --problem-size bytes={bench.sizes['messages']}"
        found = bench.measure(f"-b all_reduce -p {','.join(types)} --iterations 20 {asked}", cases or bench.sizes["reduced"])
        names = {(need(case, str, "axis"), need(case, str, "group")) for case in found}
        errors = [stamped(case) for case in found]
        bench.note(groups=sorted(group for _, group in names), wrong=0, clock_error_ms=max(errors),
                   checked=sum(case["accuracy"]["checked"] for case in found))
        axes = [axis for axis, _ in names]
        if {axis: axes.count(axis) for axis in axes} != groups:
            raise Failed(f"these are not all groups: {sorted(names)}")
        if {need(case, str, "precision") for case in found} != set(types):
            raise Failed(f"these are not all types: {types}")
        if shared and not all("emulated" in [caveat["kind"] for caveat in case["caveats"]] for case in found):
            raise Failed("a case is not marked as emulated")
        if max(errors) > CLOCK_ERROR_MS:
            raise Failed(f"the devices' clocks may be {max(errors)} ms off")
    return check


def patterns(ranks):
    """A check of every other pattern between so many ranks of one GPU."""
    def check(bench):
        words = f"--ranks {ranks} --emulate-ranks --iterations 5 --problem-size bytes=4004,256KiB"
        runs = [(f"-b {','.join(IN_PLACE)}", 20), (f"-b {','.join(OUT_OF_PLACE)}", 19),
                (f"-b {','.join(IN_PLACE)} --problem-size placement=in", 20),
                ("-b broadcast,reduce,gather,scatter --problem-size root=rotate --problem-size aggregate=3", 8)]
        found = [case for names, count in runs for case in bench.measure(f"{words} {names}", count)]
        bench.note(measured=sorted({need(case, str, "benchmark") for case in found}))
    return check


def operators(bench):
    words = f"--ranks 2 --emulate-ranks --iterations 5 --problem-size bytes=4000 --problem-size {OPERATORS}"
    cases = [*bench.measure(f"{words} -b all_reduce -p {','.join(ALL_TYPES[:4])}", 24),
             *bench.measure(f"{words} -b all_reduce -p {','.join(ALL_TYPES[4:])}", 18),
             *bench.measure(f"{words} -b reduce_scatter -p f32,i64 --problem-size placement=out,in", 24)]
    bench.note(checked=sum(case["accuracy"]["checked"] for case in cases))
