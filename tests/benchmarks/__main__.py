"""`python -m tests.benchmarks [names]`: measures and prints tables; see `--help`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks import drain, enqueue, growth, latency, memory
from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.harness import BenchmarkError, Stand
from tests.benchmarks.report import machine, rows_of, table

ALL = (*drain.BENCHMARKS, *enqueue.BENCHMARKS, *latency.BENCHMARKS, *growth.BENCHMARKS, *memory.BENCHMARKS)


def main(words: Sequence[str] | None = None) -> int:
    """Measure what was asked for; returns the exit status."""
    asked = _arguments(words)
    chosen = [each for each in ALL if not asked.names or any(_named(each.name, name) for name in asked.names)]
    if unknown := [name for name in asked.names if not any(_named(each.name, name) for each in ALL)]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(each.name for each in ALL)}", file=sys.stderr)
        return 2
    try:
        document = _measure(chosen, asked)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 1
    if asked.json:
        asked.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return 0


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="How fast the queue is, beside its peers.")
    parser.add_argument(
        "names", nargs="*", help=f"any of {', '.join(each.name for each in ALL)}, or how they begin; default: all"
    )
    parser.add_argument("--size", type=int, help="mails in each measurement, instead of each benchmark's own number")
    parser.add_argument("--rounds", type=int, help="each round measures everybody once; default 3, for memory 1")
    parser.add_argument("--no-peers", action="store_true", help="leave the peers out where they are not the baseline")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too")
    return parser.parse_args(words)


def _named(name: str, word: str) -> bool:
    return name == word or name.startswith(f"{word}-")


def _measure(chosen: Sequence[Benchmark], asked: argparse.Namespace) -> dict[str, Any]:
    with Stand.open() as stand:
        facts = machine(stand)
        print("\n".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n", flush=True)
        return {"machine": facts, "benchmarks": [_run(each, stand, asked) for each in chosen]}


def _run(benchmark: Benchmark, stand: Stand, asked: argparse.Namespace) -> dict[str, Any]:
    task = Task(stand, asked.size or benchmark.size, peers=not asked.no_peers)
    began, rounds = time.monotonic(), list[Round]()
    for number in range(asked.rounds or benchmark.rounds):
        print(f"{benchmark.name}, round {number + 1} ...", file=sys.stderr, flush=True)
        rounds.append(benchmark.run(task))
    rows = rows_of(rounds, benchmark.baseline, benchmark.targets, least=benchmark.less_is_better)
    title = f"{benchmark.title} ({benchmark.name}: {task.size:,} mails, {len(rounds)} rounds, {time.monotonic() - began:.0f} s)"
    print(table(title, benchmark.unit, rows), flush=True)
    return {
        "name": benchmark.name,
        "title": benchmark.title,
        "unit": benchmark.unit,
        "size": task.size,
        "rows": [row.document() for row in rows],
        "rounds": [{name: asdict(reading) for name, reading in readings.items()} for readings in rounds],
    }


if __name__ == "__main__":
    sys.exit(main())
