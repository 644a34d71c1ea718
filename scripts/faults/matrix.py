"""The trials of a campaign: every kind of fault at every place where it can be."""

import dataclasses
import random

MPIS = ["openmpi", "mpich"]
BACKENDS = ["host", "simulated", "cuda"]
RANKS = [1, 2, 4]
# By the program itself (--ranks), by the MPI's launcher as a user would, by nobody.
STARTS = ["own", "launcher", "alone"]

# Cases run in the order of the benchmarks' names.
PLANS = {
    "mixed": "-b all_reduce -b barrier -b copy -b gemm {bytes} {array} {m}",
    "collective first": "-b all_reduce -b gemm {bytes} {m}",
    "kernel first": "-b gemm -b reduce {bytes} {m}",
    "one rests": "-b all_reduce -b gemm {bytes} {m} --groups {others},{all}",
}

SIZES = {name: f"--problem-size {name}={size}" for name, size in [("bytes", 64), ("array", "8KiB"), ("m", 16)]}

# A case has 33 to 51 operations, unless the machine is so loaded that rounds are repeated.
FIRST_CASE, LATER_CASE = "operation/10", "operation/60"

STRIKING = ["join", "prepare/1", "prepare/3", "verify/1", "verify/3", "measure/1", "measure/3", "gather/1",
            "gather/3", "write/1", "write/3", "parked/1", "parked/2", FIRST_CASE, LATER_CASE]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of fault."""

    exit: int  # docs/exit-codes.md
    moments: list
    plant: str = None  # What TESSERABENCH_FAULT says, if not its name
    plans: list = dataclasses.field(default_factory=lambda: ["mixed"])


KINDS = {
    "panic": Kind(9, STRIKING),
    "error": Kind(7, ["prepare/1", "prepare/3", "verify/1", "verify/3", "measure/1", "measure/3"]),
    "kill": Kind(9, STRIKING),
    "stop": Kind(8, STRIKING),
    "exit": Kind(9, STRIKING),
    "hang": Kind(8, STRIKING[:-2]),
    "hang in a collective": Kind(8, [FIRST_CASE, LATER_CASE], "hang", ["collective first", "kernel first"]),
    "hang in a kernel": Kind(8, [FIRST_CASE, LATER_CASE], "hang", ["kernel first", "collective first"]),
    "kernel never ends": Kind(8, ["product/1", "product/10"], None, ["kernel first", "collective first"]),
    "wrong element": Kind(5, ["verify/1", "verify/2", "verify/3"], "wrong"),
    "slow rank": Kind(0, ["operation"], "slow/5", ["kernel first"]),
    "disk full": Kind(6, ["write/1", "write/3"], "full"),
    "disk really full": Kind(6, ["after 1", "after 2"], "slow/1500"),
    "torn journal": Kind(9, ["write/1", "write/3", "write/4"], "torn"),
    "stranger": Kind(0, ["join"]),
    "other build": Kind(6, ["join"], "build"),
    "supervisor killed": Kind(-9, ["after 0", "after 1", "after 2"], "slow/1500"),
    "launcher killed": Kind(9, ["after 0", "after 1", "after 2"], "slow/1500"),
}

# These find nobody who could say so when they strike the only process.
WITHOUT_A_WORD = ["kill", "stop", "exit"]
# These are rank 0's, or nobody's.
OF_RANK_0 = ["disk full", "disk really full", "torn journal", "supervisor killed", "launcher killed"]
OF_SEVERAL = ["stranger", "other build", "slow rank"]
# These have a plan for each moment, in which the case is of that sort.
IN_ONE = ["hang in a collective", "hang in a kernel"]
# These are done to a run that is made slow by the planted fault.
FROM_OUTSIDE = ["disk really full", "supervisor killed", "launcher killed"]


@dataclasses.dataclass(frozen=True)
class Trial:
    kind: str
    rank: int
    moment: str
    backend: str
    ranks: int
    mpi: str
    start: str
    plan: str

    def __str__(self):
        return f"{self.kind}@{self.rank}:{self.moment} {self.backend} {self.ranks} {self.mpi} {self.start}, {self.plan}"

    def words(self):
        """What is run, in words for the command line."""
        everybody = "+".join(map(str, range(self.ranks)))
        others = "+".join(str(rank) for rank in range(self.ranks) if rank != self.rank)
        words = PLANS[self.plan].format(others=others, all=everybody, **SIZES).split()
        words += ["--backend", self.backend]
        if self.backend == "cuda":
            words += ["--emulate-ranks"]
        return words

    def fault(self):
        """The variables that plant it."""
        if self.kind == "kernel never ends":
            return {"STANDIN_HANG": f"{self.moment.split('/')[1]}@{self.rank}"}
        moment = "write" if self.kind in FROM_OUTSIDE else self.moment
        return {"TESSERABENCH_FAULT": f"{KINDS[self.kind].plant or self.kind}@{self.rank}:{moment}"}

    def can_be(self):
        alone = self.start == "alone"
        return not (
            (alone and (self.ranks > 1 or self.kind in WITHOUT_A_WORD or self.kind.endswith("killed")))
            or (self.start == "launcher" and self.kind == "supervisor killed")
            # Nobody watches the only rank of a launch that is the user's.
            or (self.start == "launcher" and self.ranks == 1 and self.kind == "stop")
            or (self.kind in OF_RANK_0 and self.rank > 0)
            or (self.ranks == 1 and self.kind in OF_SEVERAL)
            # Nobody computes there.
            or (self.backend == "simulated" and self.kind == "wrong element")
            or (self.backend != "cuda" and self.kind == "kernel never ends")
            or (self.kind in IN_ONE and (self.moment, self.plan) not in zip(KINDS[self.kind].moments, KINDS[self.kind].plans))
            or (self.moment.startswith("parked") and (self.ranks == 1 or self.plan != "one rests"))
            or (not self.moment.startswith("parked") and self.plan == "one rests")
        )


def trials():
    """All that can be."""
    found = []
    for name, kind in KINDS.items():
        for moment in kind.moments:
            for plan in ["one rests"] if moment.startswith("parked") else kind.plans:
                for ranks in RANKS:
                    for rank in sorted({0, ranks // 2, ranks - 1}):
                        for backend in BACKENDS:
                            for mpi in MPIS:
                                for start in STARTS:
                                    trial = Trial(name, rank, moment, backend, ranks, mpi, start, plan)
                                    if trial.can_be():
                                        found.append(trial)
    return found


def sample(found, count, seed):
    """So many of them in an order of chance, each kind as often as the others."""
    draw = random.Random(seed)
    by_kind = {name: [trial for trial in found if trial.kind == name] for name in KINDS}
    for of_kind in by_kind.values():
        draw.shuffle(of_kind)
    chosen = []
    while len(chosen) < count and any(by_kind.values()):
        chosen += [of_kind.pop() for of_kind in by_kind.values() if of_kind]
    chosen = chosen[:count]
    draw.shuffle(chosen)
    return chosen
