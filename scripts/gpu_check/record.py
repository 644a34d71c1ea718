"""What was found, as it is kept: results.json for programs, table.md for people."""

import json
import time

# How the whole ends, by the first of these outcomes that a check has.
EXITS = {"failed": 1, "timed out": 1, "not run": 4}
PASSED, NO_GPU = 0, 6


class Record:
    def __init__(self, output, gpu, commit, is_rehearsal):
        self.output = output
        self.data = {"began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "rehearsal": is_rehearsal, "gpu": gpu,
                     "commit": commit, "checks": []}

    def add(self, entry):
        """Writes it now, so that it is there if this program is stopped from outside."""
        self.data["checks"].append(entry)
        (self.output / "results.json").write_text(json.dumps(self.data, indent=1) + "\n")
        (self.output / "table.md").write_text(self.table())
        undone = f"; it would do this: {entry['does']}" if entry["outcome"] in ("skipped", "not run") else ""
        print(f"{entry['name']:<22} {entry['outcome']:<10} {entry['seconds']:>4.0f} s  "
              f"{ratio_of(entry)}{entry.get('reason', '')}{undone}", flush=True)

    def conclude(self):
        """Says how it ended; the exit code."""
        checks = self.data["checks"]
        outcomes = [entry["outcome"] for entry in checks]
        counts = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
        seconds = sum(entry["seconds"] for entry in checks)
        print(f"{', '.join(f'{count} {outcome}' for outcome, count in counts.items())} in {seconds:.0f} s")
        if not self.data["gpu"]:
            return NO_GPU
        return next((code for outcome, code in EXITS.items() if outcome in outcomes), PASSED)

    def table(self):
        gpu = self.data["gpu"] or {"name": "no GPU", "driver_version": "none"}
        rehearsal = ", a rehearsal with small sizes" if self.data["rehearsal"] else ""
        seconds = sum(entry["seconds"] for entry in self.data["checks"])
        lines = [f"# GPU checks, {self.data['began'][:10]}\n",
                 f"{gpu['name']}, driver {gpu['driver_version']}, commit {' '.join(self.data['commit'].split())}{rehearsal}; "
                 f"{seconds:.0f} s in all; in brackets the lowest and the highest ratio.\n",
                 "| check | what | outcome | measured | bound | ratio | s |", "|---|---|---|---|---|---|---:|"]
        for entry in self.data["checks"]:
            shown = {key: value for key, value in entry.get("measured", {}).items() if key not in ("turns", "blocks", "registers")}
            measured = ", ".join(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}"
                                 for key, value in shown.items())
            outcome = ": ".join(entry[key] for key in ("outcome", "reason") if key in entry)
            cells = [entry["name"], entry["does"], outcome, measured, entry.get("bound", ""), ratio_of(entry)]
            cells = [" ".join(cell.replace("|", "/").split()) for cell in cells]
            lines.append(f"| {' | '.join(cells)} | {entry['seconds']:.0f} |")
        return "\n".join(lines) + "\n"


def ratio_of(entry):
    return "{:.3f} [{:.3f}, {:.3f}] ".format(entry["ratio"], *entry["spread"]) if "ratio" in entry else ""
