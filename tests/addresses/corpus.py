"""The corpus of addresses: every case on a line of `senders.tsv`, `recipients.tsv` and `pairs.tsv` in this folder."""

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """A text, and what it means: the canonical `key` of its mailbox and the `name` people read, or the code of a `fault`."""

    text: str
    key: str
    fault: str
    name: str
    place: str  # file and line, for the name of a test

    @property
    def accepted(self) -> bool:
        return not self.fault


@dataclass(frozen=True)
class Pair:
    """Two texts, and whether they mean the same mailbox."""

    one: str
    two: str
    same: bool
    place: str


def _rows(name: str) -> list[tuple[str, list[str]]]:
    lines = (HERE / name).read_text(encoding="utf-8").split("\n")
    return [
        (f"{name.partition('.')[0]}-{number}", line.split("\t"))
        for number, line in enumerate(lines, 1)
        if line and not line.startswith("#")
    ]


def _cases(name: str) -> list[Case]:
    cases = []
    for place, (text, meaning, *more) in _rows(name):
        verdict, _, what = meaning.partition(" ")
        key, fault = (json.loads(f'"{what}"'), "") if verdict == "=" else ("", what)
        cases.append(Case(json.loads(text), key, fault, json.loads(more[0]) if more else "", place))
    return cases


SENDERS = _cases("senders.tsv")
RECIPIENTS = _cases("recipients.tsv")
PAIRS = [Pair(json.loads(one), json.loads(two), meaning == "same", place) for place, (one, two, meaning) in _rows("pairs.tsv")]
ACCEPTED = [case for case in SENDERS if case.accepted]
REFUSED = [case for case in SENDERS if not case.accepted]
