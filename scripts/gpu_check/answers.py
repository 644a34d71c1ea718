"""What programs answer, and how a check ends that does not pass."""

import json
import math


class Failed(Exception):
    """The check did not pass; the text says why."""


class Skipped(Exception):
    """The check cannot be done here; the text says why."""


def need(data, kind, *path):
    """What lies at `path`, which must be there and of that kind."""
    for depth, key in enumerate(path):
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            raise Failed(f"its answer has no {'.'.join(map(str, path[:depth + 1]))}") from None
    if not isinstance(data, kind) or isinstance(data, float) and not math.isfinite(data):
        raise Failed(f"its answer has {json.dumps(data)[:100]} as {'.'.join(map(str, path)) or 'a whole'}")
    return data


def number(data, *path):
    return need(data, (int, float), *path)


def last_line(text):
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
