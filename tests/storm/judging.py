"""What a storm's end must look like: jobs and arrivals against each other, the writes in between, and the printed table."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import quantiles

FINAL = frozenset({"sent", "partly_sent", "failed", "unknown", "cancelled"})
ARRIVED = frozenset({"sent", "unknown"})  # the states in which a mail may have arrived

# Delivery contract 2, each by its number.
TRANSITIONS: Mapping[str, frozenset[str]] = {
    "new": frozenset({"sending", "held", "cancelled"}),
    "held": frozenset({"new", "cancelled", "held"}),
    "sending": frozenset({"new", "held", "deferred", "sent", "partly_sent", "failed", "unknown"}),
    "deferred": frozenset({"sending", "held", "failed", "cancelled"}),
    "unknown": frozenset({"new", "sent", "partly_sent"}),
    "failed": frozenset({"new"}),
    "partly_sent": frozenset({"new"}),
    "cancelled": frozenset({"new"}),
    "sent": frozenset(),
}
BY_THE_HOLDER = frozenset({"sent", "partly_sent", "deferred"})  # only who has leased a mail may say so


@dataclass(frozen=True, slots=True)
class Job:
    """A row of the export."""

    id: int
    state: str
    epoch: int
    message_id: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that the server has written down."""

    at: float
    door: str
    connection: int
    message_id: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Event:
    """Anything else that the server has noticed."""

    at: float
    door: str
    connection: int
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Write:
    """One change of a job's state or epoch, and the process whose connection made it."""

    job: int
    before: str
    epoch_before: int
    after: str
    epoch: int
    by: str


def judge(accepted: Collection[int], jobs: Sequence[Job], arrivals: Sequence[Arrival]) -> list[str]:
    """What must not be: a mail that vanished, arrived twice, is *sent* and did not arrive, or arrived and is no such thing."""
    by_id = {job.id: job for job in jobs}
    times = Counter(arrival.message_id for arrival in arrivals)
    wrong = [f"{number} was accepted and is not there" for number in accepted if number not in by_id]
    for job in jobs:
        arrived = times.pop(job.message_id, 0)
        if job.state not in FINAL:
            wrong.append(f"{job.id} is still {job.state}")
        if arrived > 1:
            wrong.append(f"{job.id} ({job.state}) arrived {arrived} times")
        if job.state == "sent" and not arrived:
            wrong.append(f"{job.id} is sent and did not arrive")
        if arrived and job.state not in ARRIVED:
            wrong.append(f"{job.id} is {job.state} and arrived")
    wrong.extend(f"{message_id} arrived and belongs to no job" for message_id in times)
    return wrong


def judge_writes(writes: Iterable[Write]) -> list[str]:
    """Writes against the contract: a transition that is none, an epoch that moves by itself, a word of who lost the lease."""
    holder: dict[int, str] = {}
    wrong = []
    for write in writes:
        told = f"{write.job}: {write.before} {write.epoch_before} → {write.after} {write.epoch} by {write.by}"
        claims = write.after == "sending" and write.before != "sending"
        if write.after != write.before and write.after not in TRANSITIONS[write.before]:
            wrong.append(f"no transition: {told}")
        if write.epoch - write.epoch_before != claims:
            wrong.append(f"the epoch moves otherwise than at a claim: {told}")
        if claims:
            holder[write.job] = write.by
        elif write.after in BY_THE_HOLDER and write.after != write.before and holder.get(write.job) != write.by:
            wrong.append(f"leased by {holder.get(write.job)}: {told}")
    return wrong


def percentile(values: Sequence[float], hundredth: int) -> float:
    """A percentile of at least one value."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[hundredth - 1]


def by_door(arrivals: Iterable[Arrival]) -> dict[str, list[Arrival]]:
    """The arrivals of each door, in order."""
    doors: dict[str, list[Arrival]] = defaultdict(list)
    for arrival in arrivals:
        doors[arrival.door].append(arrival)
    return doors


def report(title: str, rows: Mapping[str, object]) -> None:
    """Print a storm's table."""
    width = max(map(len, rows))
    print(f"\n{title}", *(f"  {name:<{width}}  {_told(value)}" for name, value in rows.items()), sep="\n", flush=True)


def _told(value: object) -> str:
    match value:
        case float():
            return f"{value:.3f}" if value < 10 else f"{value:.1f}"
        case Mapping():
            return ", ".join(f"{name} {_told(each)}" for name, each in sorted(value.items())) or "none"
        case list() | tuple():
            return f"{len(value)}: " + "; ".join(map(str, value[:5])) if value else "none"
        case _:
            return str(value)


def latencies(seconds: Sequence[float]) -> dict[str, float]:
    """The row of a table for many durations."""
    if not seconds:
        return {}
    return {"p50": percentile(seconds, 50), "p95": percentile(seconds, 95), "most": max(seconds)}
