# A Spack package, as an example for sites. In the folder of the repository:
#   spack repo add scripts/packaging/spack
#   spack dev-build tesserabench@main ^openmpi
# `dev-build` builds this clone; a site that builds from its own copy adds `git = ...` below.
# Not verified: Spack was not there to try it. Python reads it, and the commands in it have been run by hand.
from spack.package import *


class Tesserabench(Package):
    """Measures machines with many accelerators: collectives, kernels and scaling, one rank per device."""

    version("main", branch="main")

    variant("mpi", default=True, description="Runs of several ranks")

    depends_on("c", type="build")
    depends_on("rust@1.89:", type="build")
    depends_on("llvm+clang", type="build", when="+mpi")  # libclang reads mpi.h
    depends_on("mpi", when="+mpi")
    # NVIDIA's libraries are loaded at run time, so there is no variant for CUDA.

    def setup_build_environment(self, env):
        if self.spec.satisfies("+mpi"):
            env.set("MPICC", self.spec["mpi"].mpicc)
            env.set("LIBCLANG_PATH", self.spec["llvm"].prefix.lib)

    def install(self, spec, prefix):
        cargo = which("cargo", required=True)
        features = [] if spec.satisfies("+mpi") else ["--no-default-features"]
        cargo("install", "--path", ".", "--locked", "--root", prefix, *features)
        program = Executable(prefix.bin.tesserabench)
        program("man", "--output-dir", prefix.share.man.man1)
        install_tree("slurm", prefix.share.tesserabench.slurm)
