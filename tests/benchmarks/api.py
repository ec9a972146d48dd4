"""How many mails a second come in over HTTP, in batches, beside `submit`, which reads the same JSON documents from a file."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mailjobs.client import Portal as Client
from tests.benchmarks.benchmark import Benchmark, Round, Task
from tests.benchmarks.contenders import Portal, portal
from tests.benchmarks.harness import ROOT, BenchmarkError
from tests.benchmarks.mails import SMALL, recipient, subject
from tests.benchmarks.report import Reading, Target
from tests.production.api import make_key, web_server

SUBMIT = "manage.py submit, its start included"
ONE_CALLER, FOUR_CALLERS = "HTTP API in batches, one caller", "HTTP API in batches, four callers"


def _documents(count: int) -> list[dict[str, object]]:
    return [
        {"print_model": "invoices", "to": [recipient(number)], "subject": subject(number), "text": SMALL.text}
        for number in range(count)
    ]


def _submit(ours: Portal, documents: list[dict[str, object]]) -> float:
    file = Path(ours.env["VAR_DIR"]) / "mails.jsonl"
    file.write_text("".join(json.dumps(document) + "\n" for document in documents))
    began = time.monotonic()
    command = [sys.executable, "manage.py", "submit", str(file), "--user", "bernd"]
    subprocess.run(command, env=ours.env, cwd=ROOT, capture_output=True, check=True)
    return time.monotonic() - began


def _over_http(ours: Portal, documents: list[dict[str, object]], callers: int) -> float:
    key = make_key(ours.env, "bernd")
    shares = [documents[number::callers] for number in range(callers)]
    with web_server(ours.env) as address, ThreadPoolExecutor(callers) as pool:
        began = time.monotonic()
        done = pool.map(lambda share: sum(answer["id"] is not None for answer in Client(address, key).send_many(share)), shares)
        if sum(done) != len(documents):
            raise BenchmarkError("not all mails were accepted")
        return time.monotonic() - began


def measure(task: Task) -> Round:
    """The same mails through both doors, each into a database of its own."""
    documents = _documents(task.size)
    seconds: dict[str, float] = {}
    for name, callers in ((SUBMIT, 0), (ONE_CALLER, 1), (FOUR_CALLERS, 4)):
        with portal(task.stand, None) as ours:
            seconds[name] = _over_http(ours, documents, callers) if callers else _submit(ours, documents)
            if ours.count("new") != task.size:
                raise BenchmarkError("not all mails were stored")
    return {name: Reading(task.size / took, {"seconds": took}) for name, took in seconds.items()}


BENCHMARKS = (
    Benchmark(
        name="api-small",
        title="Mails of 2 KB over HTTP (ratio to submit)",
        unit="mails/s",
        size=10_000,
        smallest=50,
        run=measure,
        baseline=(SUBMIT,),
        targets={ONE_CALLER: Target(0.5, 1)},
    ),
)
