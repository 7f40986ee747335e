"""One run of a program: its wall and CPU seconds and its peak memory; and lines that set runs against goals."""
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
# A goal counts as met when the median is within this part of it.
NEAR = 1.05


class Run(NamedTuple):
    wall: float
    """Seconds."""
    cpu: float
    """Seconds, user and system, all threads."""
    peak: float
    """Megabytes (10^6 bytes) resident at most. No less than this script's own 25, which a child starts with."""
    report: dict
    """The JSON object on the last line of stdout, or all of it."""


def measured(command, cwd=None, environment=None, codes=(0,)):
    """Runs a command to its end; another exit code than those given ends the bench."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        begun = time.perf_counter()
        process = subprocess.Popen([*map(str, command)], cwd=cwd, env=environment, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [(stream.seek(0), stream.read())[1] for stream in (out, err)]
    if process.returncode not in codes:
        sys.exit(f"{' '.join(map(str, command))} ended with {process.returncode}:\n{texts[0][-4000:]}{texts[1][-4000:]}")
    return Run(wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e6, report_of(texts[0]))


def report_of(text):
    for candidate in (text, text.strip().rpartition("\n")[2]):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return {}


def in_turn(runners, rounds):
    """Runs all of them in turn, `rounds` times: the runs of each by name. Each has run before, so that caches are warm."""
    found = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            found[name].append(runner())
    return found


class Book:
    """What was measured, printed as it comes and kept for a file."""

    def __init__(self):
        self.lines, self.runs, self.missed = [], [], []

    def chapter(self, title):
        print(f"\n## {title}\n", flush=True)

    def absolute(self, name, runs, rows=None):
        """Median wall, CPU and peak of some runs."""
        wall, cpu, peak = (statistics.median(getattr(run, what) for run in runs) for what in ("wall", "cpu", "peak"))
        per_row = f" {cpu / rows * 1e9:8.0f} ns/row" if rows else ""
        spread = f"[{min(r.wall for r in runs):.3g} to {max(r.wall for r in runs):.3g}]"
        print(f"      {name:<54} wall {wall:7.3f} s {spread:<18} CPU {cpu:7.3f} s{per_row}  peak {peak:6.0f} MB", flush=True)
        self.runs.append({"name": name, "wall": wall, "cpu": cpu, "peak": peak, "rows": rows, "of": len(runs)})

    def ratio(self, label, ours, theirs, goal, of="wall"):
        """The median of ours to theirs, pair by pair."""
        values = [getattr(a, of) / getattr(b, of) for a, b in zip(ours, theirs)]
        self.value(f"{label}, {of}", values, "x", goal)

    def value(self, label, values, unit, goal=None, at_least=False):
        low, middle, high = min(values), statistics.median(values), max(values)
        said = ""
        if goal is not None:
            is_met = middle * NEAR >= goal if at_least else middle <= goal * NEAR
            said = f"goal {'>=' if at_least else '<='} {goal:g} {unit}: {'met' if is_met else 'NOT met'}"
            self.missed += [] if is_met else [label]
        print(f"{label:<76} {middle:8.4g} {unit:<6} [{low:.4g} to {high:.4g}]  {said}", flush=True)
        self.lines.append({"label": label, "median": middle, "min": low, "max": high, "unit": unit, "goal": said})

    def write(self, path, about):
        path.write_text(json.dumps({"about": about, "ratios": self.lines, "runs": self.runs}, indent=1))
