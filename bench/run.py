#!/usr/bin/env python3
"""outflow beside its rivals, on one machine and in one run, as ratios with the goals.

  python3 bench/run.py [--rows 1000000 10000000] [--pairs 5] [--only diff,sqlite,first,levels,wide,split,delivery,startup,limits]

Makes a virtual environment with the rivals (bench/requirements.txt) and the data under target/bench, builds the release
binary with the feature `bench`, checks every count against what the data must yield, and prints medians of N runs in
turn, with the least and the most in brackets: wall and CPU seconds (user and system) of whole processes and their peak
memory. A ratio is the median of the ratios of neighbouring runs; below 1 outflow needs less. A goal is met when the
median is within 5 % of it. Ends with 1 where a count is wrong; a missed goal is only said. Needs Python 3.10, Rust, GNU
time, and for 10 M rows 20 GB of disk, half of it with `--to discard`. A machine that is busy otherwise shows in `load`, and spoils the numbers.
"""
import argparse
import os
import pathlib
import platform
import subprocess
import sys
import venv

import delivery
import diff
import gen
import split
from measure import HERE, Book

ROOT = HERE.parent
PARTS = ("diff", "sqlite", "first", "levels", "wide", "split", "delivery", "startup", "limits")


def rivals_ready(place):
    """The interpreter that has the rivals."""
    python, wanted = place / "venv/bin/python", (HERE / "requirements.txt").read_text()
    stamp = place / "venv/requirements.txt"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(place / "venv", with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt"]
        subprocess.run(pip, check=True)
        stamp.write_text(wanted)
    return python


def built():
    command = ["cargo", "build", "--release", "--features", "bench", "--manifest-path", ROOT / "Cargo.toml"]
    subprocess.run(command, check=True)
    return pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "release/outflow"


def can_floor(binary):
    return subprocess.run([binary, "bench-floor", "--help"], capture_output=True).returncode == 0


def about(options):
    cpu = platform.processor() or platform.machine()
    if pathlib.Path("/proc/cpuinfo").exists():
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    version = subprocess.run([options.binary, "--version"], capture_output=True, text=True).stdout.strip()
    rivals = [line for line in (HERE / "requirements.txt").read_text().splitlines() if "==" in line]
    return {
        "machine": f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} {platform.release()}",
        "versions": ", ".join([version, f"Python {platform.python_version()}", *([] if options.no_rivals else rivals)]),
        "command": " ".join(["bench/run.py", *sys.argv[1:]]),
        "load": f"{os.getloadavg()[0]:.2f} at the start",
    }


def data(options, rows):
    folder = next((each for each in options.data_given if holds(each, rows)), options.place / f"data-{rows}")
    formats = ["sqlite"] if {"sqlite", "delivery"} & options.parts else []
    formats += ["wide"] if "wide" in options.parts else []
    if options.no_rivals:
        if holds(folder, rows):
            return folder
        if options.parts & {"diff", "first", "levels", "wide", "delivery"}:
            sys.exit("Parquet is made with DuckDB, one of the rivals; without them, give `--data`, or `--only sqlite`")
        gen.generate_small(rows, folder)
    else:
        command = [options.python, HERE / "gen.py", str(rows), folder, "--formats", ",".join(["parquet", *formats])]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder


def holds(folder, rows):
    expected = folder / "expected.json"
    return expected.exists() and f'"rows_a": {rows},' in expected.read_text()


def measure(options, book):
    scratch = options.place / "scratch"
    chapters = {"diff": diff.steady, "sqlite": diff.sqlite_source, "first": diff.first, "levels": diff.levels, "wide": diff.wide}
    chapters["split"], options.split_peaks = split.split, {}
    for rows in options.all_rows:
        options.rows, options.data = rows, data(options, rows)
        for name, chapter in chapters.items():
            if name in options.parts:
                scratch.mkdir(parents=True, exist_ok=True)
                chapter(options, book, scratch)
    if "delivery" in options.parts:
        options.rows = options.all_rows[0]
        options.data = data(options, options.rows)
        delivery.delivery(options, book, scratch)


def others(options):
    """The benchmarks that stand for themselves."""
    if "startup" in options.parts:
        command = [HERE / "startup.py", "--binary", options.binary, "--pairs", str(options.pairs)]
        subprocess.run([sys.executable, *command, *(["--no-drt"] if options.no_rivals else [])], check=True)
    if "limits" in options.parts:
        subprocess.run([sys.executable, HERE / "limits.py", "--binary", options.binary])


def read_flags():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--rows", type=int, nargs="+", default=[1_000_000], dest="all_rows", metavar="N")
    flags.add_argument("--pairs", type=int, default=5)
    flags.add_argument("--only", default=",".join(PARTS), help=f"some of {', '.join(PARTS)}")
    flags.add_argument("--rivals", nargs="+", choices=diff.STEADY, help="in the steady state; all of them by default")
    flags.add_argument("--no-rivals", action="store_true", help="outflow alone: nothing is installed")
    flags.add_argument("--binary", type=pathlib.Path, help="instead of a release build with the feature `bench`")
    flags.add_argument("--data", type=pathlib.Path, nargs="+", default=[], dest="data_given", help="folders of bench/gen.py")
    flags.add_argument("--to", default="files", choices=("files", "discard"), help="of the steady state; `discard` spares the disk")
    flags.add_argument("--place", type=pathlib.Path, default=ROOT / "target/bench", help="for data and all else that is made")
    options = flags.parse_args()
    options.parts = set(options.only.split(","))
    if options.parts - set(PARTS):
        flags.error(f"--only knows {', '.join(PARTS)}")
    return options


def main():
    options = read_flags()
    options.place.mkdir(parents=True, exist_ok=True)
    options.place = options.place.resolve()
    options.binary = (options.binary or built()).resolve()
    options.has_floors = can_floor(options.binary)
    options.sink = "discard" if options.has_floors else "files"
    options.python = None if options.no_rivals else rivals_ready(options.place)
    said, book = about(options), Book()
    print("\n".join(f"{name}: {text}" for name, text in said.items()))
    measure(options, book)
    print(flush=True)
    others(options)
    book.write(options.place / "results.json", said)
    print(f"\nload at the end: {os.getloadavg()[0]:.2f}; goals not met: {', '.join(book.missed) or 'none'}")


if __name__ == "__main__":
    main()
