"""A job of the program that is followed to its end, and what it leaves."""

import json
import os
import pathlib
import signal
import subprocess
import time
import uuid

MARK = "TESSERABENCH_CAMPAIGN"

# The kernel may take a moment to let go of a process that was killed.
GRACE_S = 3.0


class Job:
    """A run in its folder. All of its processes carry a mark of their own."""

    def __init__(self, words, folder, variables):
        self.folder = pathlib.Path(folder)
        self.mark = f"{MARK}={uuid.uuid4().hex}"
        name, value = self.mark.split("=")
        self.began = time.monotonic()
        with open(self.folder / "out", "w") as out, open(self.folder / "err", "w") as err:
            self.process = subprocess.Popen(words, cwd=folder, env=variables | {name: value}, stdin=subprocess.DEVNULL,
                                            stdout=out, stderr=err, start_new_session=True)

    def wait(self, seconds):
        """How it ended and after how long; None when it had to be ended."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
            self.sweep()
            self.process.wait()
        self.seconds = time.monotonic() - self.began
        return code

    def running(self):
        return self.process.poll() is None

    def processes(self):
        """The processes of this job that run, and their environments."""
        found = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit():
                try:
                    with open(f"/proc/{entry.name}/environ") as file:
                        environment = file.read().split("\0")
                except (OSError, UnicodeDecodeError):
                    continue  # It has ended, or is not ours.
                if self.mark in environment:
                    found[int(entry.name)] = environment
        return found

    def ranks(self):
        """The processes of the ranks, by rank."""
        found = {}
        for process, environment in sorted(self.processes().items()):
            names = [line for line in environment if line.startswith(("OMPI_COMM_WORLD_RANK=", "PMI_RANK="))]
            if names:
                # What a rank starts, such as a debugger, comes after it.
                found.setdefault(int(names[0].split("=")[1]), process)
        return found

    def launcher(self):
        """The process of mpirun or mpiexec, where this program started it."""
        words = ("mpirun", "mpiexec", "mpiexec.hydra", "orterun")
        found = [process for process in self.processes() if os.path.basename(command(process)) in words]
        return found[0] if found else None

    def left(self):
        """The processes that are left some time after its end."""
        until = time.monotonic() + GRACE_S
        while (left := self.processes()) and time.monotonic() < until:
            time.sleep(0.05)
        return [f"{process} ({command(process)})" for process in left]

    def sweep(self):
        for process in self.processes():
            kill(process)

    def text(self, name):
        return (self.folder / name).read_text(errors="replace")

    def journal(self):
        """The finished cases on disk; None where there is no journal."""
        path = self.folder / "results.json.journal.jsonl"
        try:
            lines = path.read_text().split("\n")
        except FileNotFoundError:
            return None
        # What has no line end is torn.
        lines = [json.loads(line) for line in lines[:-1]]
        return [line["case"]["case"]["id"] for line in lines if "case" in line]

    def report(self):
        try:
            return json.loads((self.folder / "results.json").read_text())
        except FileNotFoundError:
            return None


def command(process):
    try:
        return os.readlink(f"/proc/{process}/exe")
    except OSError:
        return "gone"


def kill(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        pass  # It has ended meanwhile.
