"""What a check works with: commands, runs of the program and what their reports say, a place for what was found."""

import itertools
import json
import os
import shlex
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from gpu_check.answers import Failed, last_line, need, number

# Seconds for the start of a run (ranks, driver, NCCL, compiling), and for each of its cases.
START_S = 25
CASE_S = 1.5
# How often ours and a peer take turns.
TURNS = 3
# Characters of one command's output that are kept, so that all logs together stay small.
LOG_LIMIT = 20_000
# Runs that only check results may share the GPU.
AT_ONCE = 4


def seconds_for(cases, runs=1):
    """The limit of so many runs with so many cases in all, s."""
    return START_S * runs + CASE_S * cases


class Bench:
    """Made anew for each check; `sizes` are those of large problems, `scratch` is an empty folder."""

    def __init__(self, bundle, gpu, folders, output, torch, sizes, patience, scratch):
        self.bundle, self.gpu, self.folders, self.output = bundle, gpu, folders, output
        self.torch, self.sizes, self.patience, self.scratch = torch, sizes, patience, scratch
        self.program = str(bundle / "tesserabench")
        self.found = {"measured": {}}
        self.numbers = itertools.count(1)

    def note(self, **facts):
        """Keeps what was measured, also for the case that the check does not come to its end."""
        self.found["measured"].update(facts)
        (self.scratch / "found.json").write_text(json.dumps(self.found))

    def command(self, *words, ends=None, **variables):
        """Exit code, standard output, standard error."""
        heading = f"$ {shlex.join([f'{name}={value}' for name, value in variables.items()] + list(words))}"
        if self.program in words:
            # Not for the peers: they load what they always do.
            variables |= {"PATH": f"{self.bundle / 'openmpi/bin'}:{os.environ['PATH']}",
                          "LD_LIBRARY_PATH": ":".join([str(self.bundle / "openmpi/lib"), *self.folders]),
                          "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        began, files = time.monotonic(), self.scratch / f"{next(self.numbers)}"
        files.mkdir()
        (files / "heading").write_text(heading)
        with open(files / "out", "w") as out, open(files / "err", "w") as err:
            code = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=err, cwd=files,
                                  env=os.environ | variables).returncode
        out, err = ((files / name).read_text(errors="replace") for name in ("out", "err"))
        self.log_output(files, f"exit {code} after {time.monotonic() - began:.1f} s")
        if ends is not None and code != ends:
            raise Failed(f"{Path(words[0]).name} ended with {code} instead of {ends}: {last_line(err)}")
        return code, out, err

    def log(self, text):
        with open(self.output / "logs.txt", "a") as file:
            file.write(text)

    def log_output(self, files, ending):
        """What a command has said, which may still be running."""
        heading = files / "heading"
        if heading.exists():
            said = [(files / name).read_text(errors="replace")[-LOG_LIMIT:] for name in ("out", "err")]
            self.log(f"{heading.read_text()}\n{''.join(said)}{ending}\n")
            heading.unlink()

    def log_unfinished(self):
        """What those commands have said that have not ended."""
        for files in sorted(path for path in self.scratch.iterdir() if path.is_dir()):
            self.log_output(files, "stopped at its time limit")

    def run(self, words, ends=0, cases=1, **variables):
        """Standard error and report (if there is one) of `tesserabench run`, which must end with that code."""
        file = self.scratch / f"report-{next(self.numbers)}.json"
        # The program knows better what it waits for than the limit from outside does.
        words += "" if "--timeout" in words else f" --timeout {seconds_for(cases) * self.patience:g}"
        words = [self.program, "run", "--backend", "cuda", *words.split(), "-o", str(file)]
        code, _, errors = self.command(*words, **variables)
        report = json.loads(file.read_text()) if file.exists() else {}
        kept = {**report, "cases": [{**case, "samples": None} for case in report.get("cases", [])]}
        with open(self.output / "reports.jsonl", "a") as reports:
            reports.write(json.dumps(kept) + "\n")
        if code != ends:
            raise Failed(f"exit code {code} instead of {ends}: {last_line(errors)}")
        return errors, report

    def measure(self, words, cases):
        """The cases of a run, so many, of which every one was measured and right."""
        report = self.run(words, cases=cases)[1]
        found = need(report, list, "cases")
        for case in found:
            if need(case, str, "outcome") != "measured":
                raise Failed(f"{case.get('id')} is {case['outcome']}: {case.get('reason') or case.get('error')}")
            if number(case, "accuracy", "checked") == 0 or number(case, "accuracy", "wrong"):
                raise Failed(f"{case.get('id')} is wrong, or was not checked: {case['accuracy']}")
            # What the hardware can do at best, as the driver's clocks and widths tell.
            self.peak = (case.get("efficiency") or {}).get("peak")
        if len(found) != cases:
            raise Failed(f"it measured {len(found)} cases instead of {cases}")
        caveats = {need(caveat, str, "kind") for case in found for caveat in need(case, list, "caveats")}
        self.note(cases=self.found["measured"].get("cases", 0) + cases, caveats=sorted(caveats),
                  time=need(found, str, 0, "latency", "definition"))
        return found

    def measure_at_once(self, runs):
        """The cases of several runs, of (words, cases) each, that share the GPU."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            parts = list(pool.map(lambda run: self.measure(*run), runs))
        self.note(cases=sum(len(part) for part in parts))
        return [case for part in parts for case in part]

    def compare(self, words, cases, metric, peer, least):
        """Rates by problem of ours and a peer, by turns; the highest of ours. A peer is given our problems, and is no
        ceiling, but each problem's median ratio to it must be at least `least`. One that is not here is None."""
        turns, problem = [], lambda case: next(iter(need(case, dict, "problem").values()))
        for _ in range(TURNS):
            ours = {problem(case): number(case, "metrics", metric) for case in self.measure(words, cases)}
            turns.append([ours, peer(ours)])
            self.note(turns=turns)
            if min(value for side in turns[-1] if side for value in side.values()) <= 0:
                raise Failed(f"these rates cannot be compared: {turns[-1]}")
        middle = lambda side: {key: statistics.median(turn[side][key] for turn in turns) for key in ours}
        self.note(ours=middle(0))
        if turns[0][1]:
            ratios = {key: sorted(mine[key] / theirs[key] for mine, theirs in turns) for key in ours}
            worst = min(ratios, key=lambda key: statistics.median(ratios[key]))
            ratio, spread = statistics.median(ratios[worst]), [ratios[worst][0], ratios[worst][-1]]
            self.note(peer=middle(1))
            self.found |= {"ratio": ratio, "spread": spread, "bound": f"at least {least} of the peer"}
            if ratio < least:
                raise Failed(f"too slow at {worst}")
        return max(max(mine.values()) for mine, _ in turns)
