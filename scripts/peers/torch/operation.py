"""An operation by PyTorch on the CPU, on one thread, as a program that tesserabench measures.

Reads the inputs that it is given, times each iteration, and prints its output for the same check that
tesserabench's own kernel has. Results go into memory that is there already, where PyTorch has such a form.
"""

import json
import os
import sys
import time

import torch
import torch.nn.functional as functional

told = os.environ
sizes = json.loads(told["TESSERABENCH_SIZES"])
dtype = {"f32": torch.float32, "f64": torch.float64, "bf16": torch.bfloat16}[told["TESSERABENCH_PRECISION"]]
torch.set_num_threads(int(told["TESSERABENCH_THREADS"]))
aten = torch.ops.aten


def tensor(name, *shape):
    with open(f"{told['TESSERABENCH_INPUTS']}/{name}", "rb") as file:
        return torch.frombuffer(bytearray(file.read()), dtype=dtype).reshape(shape)


def rows_and_cols():
    return sizes["rows"], sizes["cols"]


def triad():
    b, c = tensor("b", -1), tensor("c", -1)
    out = torch.empty_like(b)
    return lambda: torch.add(b, c, alpha=3, out=out)


def softmax():
    x = tensor("x", *rows_and_cols())
    out = torch.empty_like(x)
    return lambda: aten._softmax.out(x, -1, False, out=out)


def layer_norm():
    rows, cols = rows_and_cols()
    x, weight, bias = tensor("x", rows, cols), tensor("weight", cols), tensor("bias", cols)
    out, mean, rstd = torch.empty_like(x), torch.empty(rows, 1, dtype=dtype), torch.empty(rows, 1, dtype=dtype)
    return lambda: aten.native_layer_norm.out(x, [cols], weight, bias, 1e-5, out0=out, out1=mean, out2=rstd)[0]


def rms_norm():
    rows, cols = rows_and_cols()
    x, weight = tensor("x", rows, cols), tensor("weight", cols)
    return lambda: functional.rms_norm(x, [cols], weight, 1e-5)


def gelu():
    x = tensor("x", -1)
    out = torch.empty_like(x)
    return lambda: aten.gelu.out(x, approximate="tanh", out=out)


def flash_attention():
    heads = {"q": sizes["heads"], "k": sizes["kv_heads"], "v": sizes["kv_heads"]}
    q, k, v = (tensor(name, 1, heads[name], sizes["tokens"], sizes["dim"]) for name in "qkv")
    shared = heads["q"] != heads["k"]
    attention = functional.scaled_dot_product_attention
    return lambda: attention(q, k, v, is_causal=bool(sizes["causal"]), enable_gqa=shared)


def gemm():
    a, b = tensor("a", sizes["m"], sizes["k"]), tensor("b", sizes["k"], sizes["n"])
    out = torch.empty(sizes["m"], sizes["n"], dtype=dtype)
    return lambda: torch.mm(a, b, out=out)


run = globals()[sys.argv[1]]()
with torch.inference_mode():
    for _ in range(int(told["TESSERABENCH_WARMUP"])):
        run()
    for _ in range(int(told["TESSERABENCH_ITERATIONS"])):
        began = time.perf_counter_ns()
        output = run()
        print(json.dumps({"latency_ms": 1e-6 * (time.perf_counter_ns() - began)}))
    print(json.dumps({"output": output.flatten().double().tolist()}))
