"""What every benchmark is: a round that measures everybody once, and what it must come to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from tests.benchmarks.harness import Stand
from tests.benchmarks.report import Reading, Target

Round = dict[str, Reading]


@dataclass(frozen=True)
class Task:
    """One round: how many mails; whether peers that are no baseline are measured, and several settings of one sender."""

    stand: Stand
    size: int
    peers: bool = True
    variants: bool = True


@dataclass(frozen=True)
class Benchmark:
    """A measurement by its name on the command line. `smallest`: how many mails show at least that it works."""

    name: str
    title: str
    unit: str
    size: int
    smallest: int
    run: Callable[[Task], Round]
    baseline: tuple[str, ...] = ()
    targets: Mapping[str, Target] = field(default_factory=dict)
    less_is_better: bool = False
    rounds: int = 3
