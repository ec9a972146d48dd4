"""How a child talks with the harness: it says "ready" once it is set up, then answers each JSON line by a JSON line."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Wish = Mapping[str, Any]


def converse(answers: Mapping[str, Callable[[Wish], object]]) -> None:
    """Answer the wishes of the harness, each by the function that its `do` names, until the input ends."""
    say("ready")
    for line in sys.stdin:
        wish = json.loads(line)
        say(answers[wish["do"]](wish))


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


@contextmanager
def clock() -> Iterator[dict[str, float]]:
    """What happened inside: `began`, `ended` (monotonic, the same for all processes of a machine), `seconds`."""
    times = {"began": time.monotonic()}
    yield times
    times["ended"] = time.monotonic()
    times["seconds"] = times["ended"] - times["began"]
