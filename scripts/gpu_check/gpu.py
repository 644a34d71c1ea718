"""The GPU that is checked, and NVIDIA's libraries and tools beside it."""

import glob
import os
import shutil
import subprocess

from gpu_check.answers import last_line

LIBRARIES = ["libcuda.so.1", "libcudart.so.1?", "libnvrtc.so.1?", "libcublasLt.so.1?", "libnccl.so.2"]
FACTS = ["name", "uuid", "driver_version", "memory.total", "compute_cap", "power.limit", "clocks.sm",
         "clocks.mem", "clocks.max.sm", "clocks.max.mem"]
TOOLS = ["/usr/local/cuda*/bin", "/opt/nvidia/nsight-systems/*/bin", "/opt/nvidia/nsight-compute/*"]
INSTANCE = "MIG-"


def find_gpu():
    """Facts of the first GPU that is visible, or the reason why there is none. Of a MIG instance they are those of its
    whole GPU, but for `visible`, by which CUDA finds the instance."""
    if not shutil.which("nvidia-smi"):
        return None, "there is no GPU: nvidia-smi was not found"
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not visible.strip():
        return None, "CUDA_VISIBLE_DEVICES hides all GPUs"
    wanted = (visible or "").split(",")[0].strip()
    whole = gpu_of_instance(wanted) if wanted.startswith(INSTANCE) else wanted
    code, said = ask(f"--query-gpu={','.join(FACTS)}", "--format=csv,noheader,nounits", *(["-i", whole] if whole else []))
    values = said.split("\n")[0].split(", ")
    if code or len(values) != len(FACTS):
        return None, f"nvidia-smi shows no GPU: {last_line(said)}"
    facts = dict(zip(FACTS, values))
    return facts | {"visible": wanted if wanted.startswith(INSTANCE) else facts["uuid"]}, None


def gpu_of_instance(instance):
    """The UUID of the GPU that a MIG instance is a part of. nvidia-smi lists instances below their GPU, and answers no
    question about them."""
    whole = ""
    for line in ask("-L")[1].splitlines():
        uuid = line.rpartition("UUID: ")[2].rstrip(") ")
        if uuid == instance:
            return whole
        whole = whole if uuid.startswith(INSTANCE) else uuid
    # Of drivers before 470: MIG-GPU-UUID/INSTANCE/PART.
    return instance.removeprefix(INSTANCE).split("/")[0]


def find_tools():
    """Puts the folders of the CUDA toolkit and of the profilers on the PATH, behind what is there."""
    os.environ["PATH"] = ":".join([os.environ["PATH"], *(found for pattern in TOOLS for found in sorted(glob.glob(pattern)))])


def ask(*words):
    """Exit code, and what nvidia-smi says."""
    answer = subprocess.run(["timeout", "60", "nvidia-smi", *words], capture_output=True, text=True)
    return answer.returncode, answer.stdout + answer.stderr


def number_of(text):
    """A number of nvidia-smi's; None where it does not know it and says [N/A]."""
    try:
        return float(text)
    except ValueError:
        return None


def library_folders():
    """Every folder that holds one of NVIDIA's libraries. PyTorch's come before the system's, so that both
    sides of a comparison use the same ones."""
    ask_python = "import site, sys; print(*site.getsitepackages(), *sys.path, sep='\\n')"
    packages = subprocess.run(["python3", "-c", ask_python], capture_output=True, text=True).stdout.split()
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    folders += [found for folder in packages for found in glob.glob(f"{folder}/nvidia/*/lib")]
    folders += glob.glob("/usr/local/cuda*/lib64") + glob.glob("/usr/local/nvidia/lib*")
    if ldconfig := shutil.which("ldconfig", path=os.environ["PATH"] + ":/sbin:/usr/sbin"):
        known = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout
        folders += [os.path.dirname(line.split(" => ")[1]) for line in known.split("\n") if " => " in line]
    holds = lambda folder: any(glob.glob(f"{glob.escape(folder)}/{name}") for name in LIBRARIES)
    return [folder for folder in dict.fromkeys(folders) if folder and holds(folder)]
