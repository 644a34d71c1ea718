"""Pages of ours, of Criterion and of nvbench's scripts, on similar data, as pictures.

Usage: draw.py PROGRAM FOLDER

NVBENCH names a folder with nvbench's source, PYTHON a Python with matplotlib, seaborn, pandas and tabulate; without NVBENCH
its pictures are left out.
"""

import importlib.machinery
import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
SIZES = ["-b", "copy", "-b", "gemm", "-b", "triad", "--problem-size", "array=1MiB..16MiB*4", "--problem-size", "m=256"]
SLOW = {"TESSERABENCH_FAULT": "slow/25%@0:operation@triad*"}

# nvbench's scripts show their plots; a picture is kept instead.
KEEP = """
import runpy, sys, matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
out, sys.argv = sys.argv[1], sys.argv[2:]
def keep(*_, **__):
    for number in plt.get_fignums():
        plt.figure(number).savefig(f'{out}-{number}.png', dpi=100)
    plt.close('all')
plt.show = keep
sys.path.insert(0, sys.argv[0].rpartition('/')[0])
runpy.run_path(sys.argv[0], run_name='__main__')
"""


def run(command, folder, may=(0,), **variables):
    ended = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=False)
    if ended.returncode not in may:
        sys.exit(f"draw: {command[0]} ended with {ended.returncode}")


def browser():
    loader = importlib.machinery.SourceFileLoader("pages", str(HERE.parent.parent / "test-html"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("pages", loader))
    loader.exec_module(module)
    return module.Browser(shutil.which(os.environ.get("CHROMIUM", "chromium")))


def main():
    program, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    run([program, "-q", "run", *SIZES, "-o", "once.json", "-o", "once.html"], folder)
    run([program, "-q", "run", *SIZES, "--launches", "6", "-o", "before.json"], folder)
    run([program, "-q", "run", *SIZES, "--launches", "6", "-o", "after.json"], folder, **SLOW)
    sides = ["before.json", "after.json", "--allow", "variable TESSERABENCH_FAULT", "-o", "comparison.html"]
    run([program, "-q", "compare", *sides], folder, may=(0, 3, 4))
    bench = ["cargo", "bench", "--quiet", "--manifest-path", str(HERE / "Cargo.toml"), "--target-dir", "criterion"]
    run(bench, folder)
    run(bench, folder, SLOW="1")
    theirs = folder / "criterion/criterion/triad"
    pages = {
        "report": folder / "once.html",
        "comparison": folder / "comparison.html",
        "criterion-group": theirs / "report/index.html",
        "criterion-case": theirs / "16777216/report/index.html",
    }
    eye = browser()
    for width in (1280, 390):
        eye.size(width)
        for name, page in pages.items():
            eye.open(page.resolve().as_uri())
            eye.picture(folder / f"{name}-{width}.png")
    eye.close()
    if "NVBENCH" in os.environ:
        python = os.environ.get("PYTHON", sys.executable)
        scripts = pathlib.Path(os.environ["NVBENCH"]) / "python/scripts"
        run([python, str(HERE / "nvbench.py"), "once.json", "nvbench.json", "125"], folder)
        for script in ("nvbench_histogram.py", "nvbench_plot_bwutil.py"):
            name = script.removesuffix(".py")
            run([python, "-c", KEEP, name, str(scripts / script), "nvbench.json"], folder)
    for picture in sorted(folder.glob("*.png")):
        print(picture)


if __name__ == "__main__":
    main()
