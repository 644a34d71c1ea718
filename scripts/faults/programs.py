"""What a campaign runs: the program built with each MPI, its launcher, and a stand-in for a GPU."""

import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = ["libcuda.so.1", "libnvrtc.so.12", "libcublasLt.so.12", "libnccl.so.2", "libnvidia-ml.so.1"]

# Ranks share cores here: let them yield, and let root run them. Where there is a GPU, it is not for this.
SETTINGS = {"OMPI_MCA_mpi_yield_when_idle": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "CUDA_VISIBLE_DEVICES": ""}


class Program:
    """The program built with one MPI."""

    def __init__(self, mpi, binary=None):
        self.mpi = mpi
        script = f'source "{ROOT}/.local/env-{mpi}.sh" && env -0'
        text = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
        self.variables = dict(line.split("=", 1) for line in text.split("\0") if "=" in line) | SETTINGS
        for name in ("TESSERABENCH_FAULT", "RUST_LOG", "RUST_BACKTRACE"):
            self.variables.pop(name, None)
        if binary is None:
            subprocess.run(["cargo", "build", "--quiet", "--release"], check=True, cwd=ROOT, env=self.variables)
            binary = f"{self.variables['CARGO_TARGET_DIR']}/release/tesserabench"
        self.binary = str(pathlib.Path(binary).resolve())

    def output(self, *words):
        done = subprocess.run([self.binary, *words], check=True, capture_output=True, text=True, env=self.variables)
        return done.stdout

    def launcher(self, ranks):
        """The words with which a user would start so many ranks."""
        words = self.output("run", "--ranks", str(ranks), "--print-command").split()
        return words[:words.index(self.binary)]

    def version(self):
        facts = self.output("system-info")
        return next(line.strip() for line in facts.splitlines() if "MPI" in line)


def stand_in(folder):
    """Variables under which the stand-in for NVIDIA's libraries is found, once it is built, as in
    tests/suite/cuda.rs."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True)
    library = folder / "standin.so"
    sources = sorted(map(str, (ROOT / "tests/standin").glob("*.c")))
    subprocess.run(["cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-pthread", "-o", str(library), *sources, "-lm", "-ldl"],
                   check=True)
    for name in LIBRARIES:
        os.symlink(library, folder / name)
    return {"LD_LIBRARY_PATH": str(folder), "TESSERABENCH_CACHE_DIR": str(folder / "cache")}


def can_mount():
    """Whether this machine lets us make a file system of our own."""
    return subprocess.run(["unshare", "-rm", "sh", "-c", "mount -t tmpfs none /mnt"],
                          capture_output=True).returncode == 0
