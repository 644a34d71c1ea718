"""Stands in for PyTorch: what scripts/peers/torch_rates.py asks of it, done by nothing that takes a hundredth of a second."""

import time
from types import SimpleNamespace

__version__ = "0.0"
float32 = bfloat16 = None


class Tensor:
    def __init__(self, *shape, **_):
        self.shape = shape

    def numel(self):
        return self.shape[0]

    def copy_(self, other):
        time.sleep(0.01)


class Event:
    def __init__(self, enable_timing):
        self.at = None

    def record(self):
        self.at = time.monotonic()

    def elapsed_time(self, end):
        return 1e3 * (end.at - self.at)


def mm(left, right, out):
    time.sleep(0.01)


rand = randn = empty = Tensor
empty_like = lambda tensor: Tensor(*tensor.shape)
manual_seed = lambda seed: None
backends = SimpleNamespace(cuda=SimpleNamespace(matmul=SimpleNamespace(allow_tf32=True)))
cuda = SimpleNamespace(Event=Event, is_available=lambda: True, synchronize=lambda: None, empty_cache=lambda: None)
