"""The one process of PyTorch that answers all checks: importing it takes seconds."""

import json
import subprocess

from gpu_check.answers import Failed, last_line


class Torch:
    """Started by the program, asked by checks, which are processes of their own and inherit its pipes."""

    def __init__(self, script, errors):
        self.script, self.errors, self.process = script, errors, None

    def start(self):
        """Starts it, unless it runs."""
        if self.process and self.process.poll() is None:
            return
        with open(self.errors, "a") as errors:
            # Unbuffered: a check that is stopped leaves nothing behind that the next one would not see.
            self.process = subprocess.Popen(["python3", "-u", str(self.script)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=errors, bufsize=0)

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ask(self, what, size):
        """Its answer, which says what it `lacks` where it cannot do that here."""
        asked = {"what": what, "size": size}
        try:
            self.process.stdin.write((json.dumps(asked) + "\n").encode())
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = b""
        if not line:
            raise Failed(f"PyTorch's process has ended: {last_line(self.errors.read_text())}")
        answer = json.loads(line)
        if answer.get("failed"):
            raise Failed(f"PyTorch's side failed: {answer['failed']}")
        return answer
