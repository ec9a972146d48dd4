"""That the benchmarks still measure, with a handful of mails; how fast anything is, is not tested."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import ALL, main, measure
from tests.benchmarks.benchmark import Benchmark, Task
from tests.benchmarks.harness import PackageMissing, Stand
from tests.benchmarks.report import Reading, Target, rows_of, table
from tests.services import missing

pytestmark = [pytest.mark.postgres, pytest.mark.redis]
OTHER_LOADS = {"drain-small", "enqueue-pdf", "memory-same-file"}  # the same measurements with other mails


@pytest.fixture(scope="module")
def stand() -> Iterator[Stand]:
    try:
        with Stand.open() as opened:
            opened.rest = 0
            yield opened
    except PackageMissing:
        missing("postfix")


@pytest.mark.parametrize("benchmark", [each for each in ALL if each.name not in OTHER_LOADS], ids=lambda each: each.name)
def test_a_benchmark_measures_everybody_when_few_mails_are_sent(benchmark: Benchmark, stand: Stand) -> None:
    """Each measurement itself raises where a mail got lost, came twice or was not recorded."""
    text, document = measure(benchmark, Task(stand, benchmark.smallest, variants=False), rounds=1)
    names = [row["name"] for row in document["rows"]]
    assert {*benchmark.baseline} <= {*names}
    assert {*benchmark.targets} & {*names}
    assert all(name in text for name in names)
    assert all(row["value"] >= 0 for row in document["rows"])
    json.dumps(document)


def test_a_ratio_is_the_median_of_those_within_each_round_when_the_machine_changes_its_speed() -> None:
    rounds = [
        {"raw": Reading(100), "ours": Reading(200)},
        {"raw": Reading(10), "ours": Reading(30)},
        {"raw": Reading(50), "ours": Reading(50)},
    ]
    raw, ours = rows_of(rounds, ["raw"], {"ours": Target(1.5, 2.5)})
    assert (raw.value, ours.value, ours.ratio, ours.verdict) == (50, 50, 2.0, "reached")
    assert "≥ 1.5 / 2.5  reached" in table("Drain", "mails/s", [raw, ours])


@pytest.mark.parametrize(
    ("p95", "verdict"), [(4.0, "aim reached"), (15.0, "reached"), (21.0, "not reached")], ids=["quick", "enough", "slow"]
)
def test_the_least_is_the_best_when_less_is_better(p95: float, verdict: str) -> None:
    rounds = [{"ours": Reading(p95), "slow peer": Reading(50), "peer": Reading(10)}]
    ours = rows_of(rounds, ["slow peer", "peer"], {"ours": Target(2, 1, at_most=True)}, least=True)[0]
    assert ours.verdict == verdict


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["drain-nothing", "--json", str(tmp_path / "not-written")]) == 2
    assert "drain-pdf" in capsys.readouterr().err
    assert not (tmp_path / "not-written").exists()
