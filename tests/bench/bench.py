# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Raw restic and the playbooks in turn, on the same data, with the same binary, in one run: medians, ratios and what they stand for.

    bench.py [--quick] [--rounds N] [--restic PATH] [--scratch DIR]

Full size: 20,000 small files (600 MB) and one file of 2 GB; about 12 GB of scratch space, removed afterwards. Page cache warm.
The ratios count, not the seconds; a limit that is missed is said, and the exit code stays 0: a busy machine is no failure.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import data
import recorder
import tools

FURTHER = 5


class Cost:
    """What a piece of work took: seconds by the clock, and seconds of CPU in the programs that it ran."""

    def __init__(self, wall: float, cpu: float) -> None:
        self.wall = wall
        self.cpu = cpu

    def __sub__(self, other: Cost) -> Cost:
        return Cost(self.wall - other.wall, self.cpu - other.cpu)

    def __truediv__(self, number: int) -> Cost:
        return Cost(self.wall / number, self.cpu / number)


class Row:
    """One comparison: what each side took in each round, and what the comparison stands for."""

    def __init__(self, name: str, limit: str) -> None:
        self.name = name
        self.limit = limit
        self.sides: dict[str, list[Cost]] = {"raw": [], "ours": [], "borgmatic": []}

    def add(self, side: str, cost: Cost) -> None:
        self.sides[side].append(cost)

    def median(self, side: str, of: str) -> float:
        """of: wall or cpu."""
        return statistics.median(getattr(cost, of) for cost in self.sides[side])


def cost(work: Callable[[], object]) -> Cost:
    """Does a piece of work and returns what it took."""
    wall, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    work()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(time.perf_counter() - wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def first_backup(scratch: Path, restic: str, source: Path, rounds: int) -> Row:
    row = Row(f"first backup of {source.name}: daily.yml / restic backup", "<= 1.15 x")
    for number in range(rounds):
        raw = tools.Raw(scratch / f"raw-{number}", restic)
        row.add("raw", cost(lambda raw=raw: raw.backup(source)))
        raw.remove()
        ours = tools.Ours(scratch / f"ours-{number}", restic, [source])
        row.add("ours", cost(lambda ours=ours: ours.play("daily")))
        ours.remove()
    return row


def unchanged(raw: tools.Raw, ours: tools.Ours, source: Path, rounds: int, other: tools.Borgmatic | None) -> Row:
    row = Row(f"unchanged {source.name}: daily.yml - restic backup", "<= raw + 4 s")
    for _round in range(rounds):
        row.add("raw", cost(lambda: raw.backup(source)))
        row.add("ours", cost(lambda: ours.play("daily")))
        if other:
            row.add("borgmatic", cost(other.create))
    return row


def further(scratch: Path, restic: str, sources: list[Path], rounds: int) -> Row:
    """What each further data set adds to an unchanged daily cycle of one host, against the one restic call that it needs."""
    row = Row("each further data set: share of daily.yml / restic backup", "<= 1.2 x")
    raw = tools.Raw(scratch / "raw-further", restic)
    one = tools.Ours(scratch / "ours-one", restic, sources[:1])
    many = tools.Ours(scratch / "ours-many", restic, sources)
    for source in sources:
        raw.backup(source)
    for ours in (one, many):
        ours.play("daily")
    for _round in range(rounds):
        row.add("raw", cost(lambda: [raw.backup(source) for source in sources[1:]]) / FURTHER)
        alone = cost(lambda: one.play("daily"))
        row.add("ours", (cost(lambda: many.play("daily")) - alone) / FURTHER)
    for each in (raw, one, many):
        each.remove()
    return row


def restore_test(raw: tools.Raw, ours: tools.Ours, scratch: Path, rounds: int) -> Row:
    row = Row("full restore test of both, proof included: restore_test.yml / restic restore", "<= 1.3 x")
    for _round in range(rounds):
        target = scratch / "restored"
        row.add("raw", cost(lambda target=target: raw.restore_all(target)))
        shutil.rmtree(target)
        row.add("ours", cost(lambda: ours.play("restore_test")))
    return row


def show(rows: list[Row], recorded: dict[str, float]) -> None:
    """Prints medians, ratios and differences, then each round: a fixed cost reads badly as a ratio."""
    for row in rows:
        print(f"\n{row.name} (wanted {row.limit})")
        for of, unit in (("wall", "s by the clock"), ("cpu", "s of CPU")):
            raw, ours = row.median("raw", of), row.median("ours", of)
            print(f"    raw {raw:7.2f}   ours {ours:7.2f} {unit:14}   ours/raw {ours / raw:5.2f}   ours-raw {ours - raw:+6.2f}", end="")
            print(f"   borgmatic {row.median('borgmatic', of):7.2f}" if row.sides["borgmatic"] else "")
        for side, costs in row.sides.items():
            if costs:
                print(f"    {side:9} each round: " + "  ".join(f"{one.wall:.2f}" for one in costs))
    print(f"\nrecorder, an ordinary result:      {recorded['ordinary_cpu_ms']:.3f} ms of CPU (wanted <= 1 ms)")
    print(f"recorder, a result with a record:  {recorded['record_cpu_ms']:.3f} ms of CPU (wanted <= 1 ms)")
    print(f"recorder, with the durable write:  {recorded['record_ms']:.3f} ms by the clock (wanted <= 5 ms)")


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="small data: shows that the bench works, not how fast anything is")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--restic", default=shutil.which("restic"))
    parser.add_argument("--scratch", type=Path, help="where to work (default: the system's temporary directory)")
    given = parser.parse_args()
    # An end by signal leaves no gigabytes behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="sicekat-bench-", dir=given.scratch) as directory:
        scratch = Path(directory)
        version = subprocess.run([given.restic, "version"], capture_output=True, text=True, check=True).stdout.split(" compiled")[0]
        print(f"{version}, Python {platform.python_version()}, {os.cpu_count()} cores, {given.rounds} rounds, in {scratch}", flush=True)
        small = data.small_files(scratch / "small", files=300 if given.quick else 20_000, total=9_000_000 if given.quick else 600_000_000)
        big = data.one_file(scratch / "big", size=20_000_000 if given.quick else 2_000_000_000)
        sets = [data.small_files(scratch / f"set{number}", files=200, total=2_000_000) for number in range(1 + FURTHER)]

        rows = [first_backup(scratch, given.restic, big, given.rounds)]
        raw = tools.Raw(scratch / "raw", given.restic)
        alone = tools.Ours(scratch / "alone", given.restic, [small])
        other = tools.Borgmatic(scratch / "borgmatic", small) if tools.Borgmatic.installed() else None
        raw.backup(small)
        alone.play("daily")
        rows.append(unchanged(raw, alone, small, given.rounds, other))
        alone.remove()
        rows.append(further(scratch, given.restic, sets, given.rounds))
        both = tools.Ours(scratch / "both", given.restic, [small, big], sample="full")
        both.play("daily")
        raw.backup(big)
        rows.append(restore_test(raw, both, scratch, given.rounds))
        show(rows, recorder.measure(both.directory / "state", scratch / "recorder"))
        print(f"load of the machine, last 15 minutes: {os.getloadavg()[2]:.1f}; a busy machine makes the clock say little")
        if not other:
            print("borgmatic is not installed; nothing is shown for it")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except tools.BenchError as error:
        sys.exit(f"bench.py: {error}")
