"""`python -m tests.benchmarks [names]`: measures and prints tables; see `--help`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.benchmarks import api, drain, enqueue, growth, latency, lists, memory
from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.harness import BenchmarkError, Stand
from tests.benchmarks.report import machine, rows_of, table

_OF_THE_QUEUE = (*drain.BENCHMARKS, *enqueue.BENCHMARKS, *latency.BENCHMARKS, *growth.BENCHMARKS, *memory.BENCHMARKS)
ALL = (*_OF_THE_QUEUE, *lists.BENCHMARKS, *api.BENCHMARKS)


def main(words: Sequence[str] | None = None) -> int:
    """Measure what was asked for; returns the exit status."""
    asked = _arguments(words)
    chosen = [each for word in asked.names or [""] for each in _named(word)]
    if unknown := [word for word in asked.names if not _named(word)]:
        print(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(each.name for each in ALL)}", file=sys.stderr)
        return 2
    try:
        document = _measure_all(chosen, asked)
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


def _named(word: str) -> list[Benchmark]:
    """The one of this name, else those whose names begin so, all for the empty word."""
    return [each for each in ALL if each.name == word] or [each for each in ALL if not word or each.name.startswith(f"{word}-")]


def _measure_all(chosen: Sequence[Benchmark], asked: argparse.Namespace) -> dict[str, Any]:
    documents = []
    with Stand.open() as stand:
        facts = machine(stand)
        print("\n".join(f"{name}: {value}" for name, value in facts.items()), end="\n\n", flush=True)
        for benchmark in chosen:
            task = Task(stand, asked.size or benchmark.size, peers=not asked.no_peers)
            text, document = measure(benchmark, task, rounds=asked.rounds or benchmark.rounds)
            print(text, flush=True)
            documents.append(document)
    return {"machine": facts, "benchmarks": documents}


def measure(benchmark: Benchmark, task: Task, *, rounds: int) -> tuple[str, dict[str, Any]]:
    """A table to read, and the same as a document."""
    began, seen = time.monotonic(), list[Round]()
    for number in range(rounds):
        print(f"{benchmark.name}, round {number + 1} ...", file=sys.stderr, flush=True)
        seen.append(benchmark.run(task))
    rows = rows_of(seen, benchmark.baseline, benchmark.targets, least=benchmark.less_is_better)
    title = f"{benchmark.title} ({benchmark.name}: {task.size:,} mails, rounds: {rounds}, {time.monotonic() - began:.0f} s)"
    return table(title, benchmark.unit, rows), {
        "name": benchmark.name,
        "title": benchmark.title,
        "unit": benchmark.unit,
        "size": task.size,
        "rows": [row.document() for row in rows],
        "rounds": [{name: asdict(reading) for name, reading in readings.items()} for readings in seen],
    }


if __name__ == "__main__":
    sys.exit(main())
