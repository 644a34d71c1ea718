"""What is right about a run with a fault, and what is not."""

import re

from faults.matrix import FIRST_CASE, FROM_OUTSIDE, KINDS, LATER_CASE

# The deadlines that trials run with, seconds, by so much longer; and what the program itself adds to them.
patience = 1
DEADLINES = {"barrier": 2, "silence": 2, "startup": 6, "communicator": 4, "case": 6, "gather": 4}
TIMEOUT = 30
# A supervisor waits so much longer than the run may take, and for those it told to end.
SUPERVISOR = 15 + 5 + 5
# A rank that misses rank 0 gives it time to end the job itself.
MISSING_ROOT = 5
# To look twice, print stacks, end the ranks and write the report.
TELLING = 8
# For a machine that is loaded.
MARGIN = 15

BLAME = re.compile(r"rank (\d+) on \S+(?: \([^)]*\))? (?:died|blocks|hangs|waits for|has sent no "
                   r"heartbeat|does not respond|was stopped|did not stop)")

# Those whose rank is at fault for nothing that it says.
NAMELESS = ["disk full", "disk really full", "slow rank", "stranger", "supervisor killed", "launcher killed"]

# These end a case, which is finished then, and with it the run.
FAILS_A_CASE = ["error", "wrong element"]


def deadlines():
    """The deadlines as arguments."""
    named = ",".join(f"{name}={seconds * patience}s" for name, seconds in DEADLINES.items())
    return ["--timeout", str(TIMEOUT * patience), "--deadline", named]


def bound(trial, undisturbed):
    """How long a trial may take, from the time of the same run without a fault."""
    if trial.kind in ("hang", "hang in a collective", "hang in a kernel", "kernel never ends"):
        noticed = patience * max(DEADLINES[name] for name in ("case", "startup"))
    elif trial.kind == "stop" and trial.ranks == 1:
        noticed = patience * TIMEOUT + SUPERVISOR
    elif trial.kind == "stop":
        noticed = patience * DEADLINES["silence"] + MISSING_ROOT
    elif trial.kind in FROM_OUTSIDE or trial.kind == "slow rank":
        # These are made slow.
        noticed = 8
    else:
        noticed = 0
    return 2 * undisturbed + noticed + TELLING + MARGIN


def rank_0_survives(trial):
    """Whether it can still write a report when nobody supervises the run."""
    if trial.kind in ("kill", "stop", "exit", "torn journal") and trial.rank == 0:
        return False
    if trial.kind in ("kill", "exit", "panic") and trial.rank > 0:
        # Hydra kills all ranks as soon as one has ended; Open MPI asks them to end first.
        return trial.mpi != "mpich"
    # Open MPI ends a rank by _exit at once when mpirun is gone, and Hydra's proxies kill theirs.
    return trial.kind != "launcher killed"


def is_of_mpi(trial, code_seen):
    """Whether it is the MPI that has the exit code wrong."""
    # Hydra takes a rank that leaves with 0 and without MPI_Finalize for one that is done, and ends with 0.
    return trial.mpi == "mpich" and trial.start == "launcher" and trial.kind == "exit" and code_seen == 0


def code(trial):
    """The exit code; None where the launcher of an MPI makes up its own."""
    expected = KINDS[trial.kind].exit
    if trial.kind == "torn journal" and trial.start == "alone":
        return -9
    if trial.start == "launcher":
        return -9 if trial.kind == "launcher killed" else None if expected else 0
    return expected


def run_exit(trial):
    """The exit code in the report."""
    # The launcher that is told to end tells the ranks, and rank 0 may get as far as to end in good order.
    return 10 if trial.kind == "supervisor killed" else KINDS[trial.kind].exit


def may_finish(trial):
    """Whether the case in which it strikes may be finished all the same: rank 0 writes it without the others, and a
    rank that was stopped goes on for a moment when it is told to end."""
    return trial.kind == "stop" or trial.moment.startswith("write") and trial.rank > 0


def struck(trial, cases):
    """The place of the case in which the fault strikes; None before the first, or where chance decides."""
    name, _, number = trial.moment.partition("/")
    if trial.moment in ("join", FIRST_CASE, LATER_CASE) or trial.kind in NAMELESS and trial.kind != "disk full":
        return None
    mine = [i for i, case in enumerate(cases) if trial.rank in case["participants"]]
    measured = [i for i in mine if cases[i]["outcome"] == "measured"]
    match name:
        case "product":
            places = [i for i in measured if cases[i]["benchmark"] == "gemm"]
            return places[0]
        case "parked":
            places = [i for i in range(len(cases)) if i not in mine]
        case "gather" | "write":
            places = list(range(len(cases)))
        case "prepare":
            places = mine
        case _:
            places = measured
    return places[int(number) - 1]


def judge(trial, job, code_seen, usual, longest, left, verdict):
    """What is not as it should be: sentences. `usual` is the report of the same run without a fault."""
    kind, wrong = KINDS[trial.kind], []
    ids = [case["id"] for case in usual["cases"]]
    text = job.text("err") + job.text("out")

    def expect(what, expected, seen):
        if expected != seen:
            wrong.append(f"{what}: expected {expected}, got {seen}")

    if code_seen is None:
        return [f"did not end within {longest:.0f} s"]
    if job.seconds > longest:
        wrong.append(f"took {job.seconds:.1f} s, more than {longest:.0f} s")
    if left:
        wrong.append(f"left processes: {', '.join(left)}")
    journal, report = job.journal(), job.report()
    # Its launcher wakes it to end it, and it may get to the end of the run meanwhile.
    woken = trial.kind == "stop" and trial.ranks == 1 and code_seen == 0
    if kind.exit == 0 or woken:
        expect("exit code", 0, code_seen)
        judge_whole(report, ids, expect)
        expect("journal", None, journal)
        if kind.exit == 0:
            judge_whole_kind(trial, report, text, expect)
        return wrong
    if code(trial) is not None:
        expect("exit code", code(trial), code_seen)
    elif code_seen == 0 and not is_of_mpi(trial, code_seen):
        wrong.append("exit code: expected any but 0, got 0")

    place = struck(trial, usual["cases"])
    if trial.kind in FAILS_A_CASE and place == len(ids) - 1:
        # Nothing was left to be done.
        journal = ids if journal is None else journal
    judge_message(trial, text, ids, place, wrong)
    finished = journal or []
    expect("finished cases are the plan's first", ids[:len(finished)], finished)
    if trial.kind in FAILS_A_CASE:
        expect("finished cases", place + 1, len(finished))
    elif place is not None and not (len(finished) == place + 1 and may_finish(trial)):
        expect("finished cases", place, len(finished))
    if trial.moment.startswith("after"):
        if len(finished) < int(trial.moment.split()[1]):
            wrong.append(f"finished cases: expected at least {trial.moment.split()[1]}, got {len(finished)}")
    judge_report(trial, report, journal, ids, place, verdict, wrong, expect)
    return wrong


def judge_message(trial, text, ids, place, wrong):
    if trial.kind in NAMELESS and trial.kind != "disk full":
        return
    if not rank_0_survives(trial) and trial.start != "own" and trial.kind != "panic":
        # Nobody is left who could, or the MPI ends the other ranks at once, and says itself which one has died.
        return
    found = re.search(r"^tesserabench.*: error: ", text, re.M)
    if not found:
        wrong.append("message: there is none")
        return
    told = text[found.start():]
    blamed = {int(rank) for rank in BLAME.findall(told)}
    if trial.kind == "other build":
        # Of two that differ none is known to be the right one.
        named = "runs build" in told and re.search(rf"rank {trial.rank}\b", told)
    elif trial.kind == "disk full":
        named = "no storage space" in told
    else:
        named = re.search(rf"rank {trial.rank}\b", told)
        if blamed - {trial.rank}:
            wrong.append(f"message: blames rank {min(blamed - {trial.rank})}")
    if not named:
        wrong.append(f"message: does not name rank {trial.rank}: {told.splitlines()[0]}")
    if place is not None and trial.kind != "disk full" and ids[place] not in told:
        wrong.append(f"message: does not name {ids[place]}: {told.splitlines()[0]}")


def judge_report(trial, report, journal, ids, place, verdict, wrong, expect):
    if report is None:
        begun = journal is not None
        silent = trial.kind in ("supervisor killed", "disk really full") or (
            trial.start != "own" and (not rank_0_survives(trial)))
        if begun and not silent:
            wrong.append("report: there is none")
        return
    run, told = report["run"], [case["id"] for case in report["cases"]]
    expect("run.incomplete", len(ids) > len(told) or trial.kind not in FAILS_A_CASE, run["incomplete"])
    expect("run.exit", run_exit(trial), run["exit"])
    expect("verdict", run["exit"], verdict)
    expect("the report's cases are the plan's first", ids[:len(told)], told)
    expect("the finished cases in the report", journal, told[:len(journal or [])])
    failed = [case for case in report["cases"] if case["error"]]
    if trial.kind in NAMELESS or trial.kind == "other build":
        return
    if not failed:
        if not (may_finish(trial) and place is not None and len(told) == place + 1):
            wrong.append("report: no case has the error")
        return
    expect("error.rank", trial.rank, failed[0]["error"]["rank"])
    if place is not None:
        expect("the failed case", ids[place], failed[0]["id"])


def judge_whole(report, ids, expect):
    """A report that is complete and has every case once."""
    if report is None:
        expect("report", "one", None)
        return
    expect("run.incomplete", False, report["run"]["incomplete"])
    expect("run.exit", 0, report["run"]["exit"])
    expect("cases", ids, [case["id"] for case in report["cases"]])


def judge_whole_kind(trial, report, text, expect):
    if trial.kind == "stranger":
        expect("foreign connections are reported", True, "foreign connections" in text)
        return
    for case in report["cases"] if report else []:
        if case["benchmark"] in ("gemm", "copy"):
            ranks = sorted(case["per_rank"], key=lambda own: own["median_ms"])
            expect(f"the slowest rank of {case['id']}", trial.rank, ranks[-1]["rank"])
            expect(f"its share of rounds is most in {case['id']}", True, ranks[-1]["slowest_share"] > 0.5)


def judge_resumed(trial, job, code_seen, usual):
    """After the same run once more with --resume and without the fault."""
    wrong = []
    ids = [case["id"] for case in usual["cases"]]

    def expect(what, expected, seen):
        if expected != seen:
            wrong.append(f"resumed: {what}: expected {expected}, got {seen}")

    # A case that failed is finished. Where it was the last, the run had come to its end, and begins anew.
    failed = trial.kind in FAILS_A_CASE and struck(trial, usual["cases"]) < len(ids) - 1
    expect("exit code", KINDS[trial.kind].exit if failed else 0, code_seen)
    report = job.report()
    if report is None:
        wrong.append("resumed: there is no report")
    elif failed:
        expect("cases", ids, [case["id"] for case in report["cases"]])
    else:
        judge_whole(report, ids, expect)
        expect("journal", None, job.journal())
    if trial.kind == "torn journal":
        expect("warning of a torn line", True, "no whole line" in job.text("err"))
    return wrong
