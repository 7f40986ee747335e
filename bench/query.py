#!/usr/bin/env python3
"""How fast a warehouse is read: `outflow query MODEL --format json` beside `psql \\copy (query) to /dev/null`, in turn.

    python3 bench/query.py postgresql://USER:PASSWORD@HOST:PORT/DATABASE [--rows 5000000] [--pairs 5]

Makes a table `outflow_bench` of ten columns there, if it is not there with so many rows. Needs `psql` and a release build."""
import argparse, os, statistics, subprocess, tempfile, time

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("url")
parser.add_argument("--rows", type=int, default=5_000_000)
parser.add_argument("--pairs", type=int, default=5)
parser.add_argument("--binary", default="target/release/outflow")
options = parser.parse_args()
binary = os.path.abspath(options.binary)

TABLE = """create table outflow_bench as select i as id, 'customer ' || i as name, 'c' || i || '@example.com' as email,
  (i % 1000)::numeric(10,2) * 1.25 as spent, i % 2 = 0 as active, date '2020-01-01' + (i % 2000) as born,
  timestamp '2024-01-01' + i * interval '1 second' as seen,
  timestamptz '2024-01-01 00:00:00+00' + i * interval '1 second' as at, i * 0.1::float8 as ratio,
  'city ' || (i % 500) as city from generate_series(1, {rows}) i"""


def psql(sql):
    return subprocess.run(["psql", options.url, "-XAtqc", sql], check=True, capture_output=True, text=True).stdout.strip()


def measured(command, folder):
    """Wall seconds and peak MB; the output goes nowhere."""
    begun = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return time.monotonic() - begun, usage.ru_maxrss / 1000


if psql("select to_regclass('outflow_bench') is null") == "t" or int(psql("select count(*) from outflow_bench")) != options.rows:
    psql("drop table if exists outflow_bench")
    psql(TABLE.format(rows=options.rows))
    psql("vacuum analyze outflow_bench")
with tempfile.TemporaryDirectory() as folder:
    os.makedirs(f"{folder}/models")
    with open(f"{folder}/outflow.yml", "w") as file:
        file.write(f'name: bench\nconnections:\n  warehouse: {{type: postgres, url: "{options.url}"}}\n')
    with open(f"{folder}/models/all.sql", "w") as file:
        file.write("select * from outflow_bench")
    ours = [binary, "query", "all", "--format", "json", "-q"]
    theirs = ["psql", options.url, "-Xqc", "\\copy (select * from outflow_bench) to /dev/null"]
    # Counted as they come: what this process holds, a child would inherit into its peak.
    shown = subprocess.Popen(ours, cwd=folder, stdout=subprocess.PIPE)
    count = sum(line.startswith(b'{"id":') for line in shown.stdout)
    assert shown.wait() == 0 and count == options.rows, "not all rows were shown"
    pairs = [(measured(ours, folder), measured(theirs, folder)) for _ in range(options.pairs)]
ratios = [their[0] / our[0] for our, their in pairs]
for name, side in (("outflow query", 0), ("psql \\copy", 1)):
    walls, peaks = [pair[side][0] for pair in pairs], [pair[side][1] for pair in pairs]
    print(f"{name}: {statistics.median(walls):.2f} s [{min(walls):.2f} to {max(walls):.2f}], peak {max(peaks):.0f} MB")
print(f"rows/s against psql: {statistics.median(ratios):.2f} [{min(ratios):.2f} to {max(ratios):.2f}] (goal 0.5)")
