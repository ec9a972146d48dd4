"""What workers do in mailboxes beside the mails: drafts (X1), Sent folders (X3, looks for uncertain mails), bounces (J6)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from mailjobs import bounce_queue, bounce_reading, draft_queue, drafting, sent_items, sent_queue
from mailjobs.collecting import Database


@dataclass(frozen=True, slots=True)
class Errand:
    """One kind of them. `hurried`: somebody may wait for it; what is not is looked for with the sweeps alone."""

    name: str
    due: Callable[[], bool]
    left: Callable[[], bool]
    work: Callable[[Database, Callable[[], bool]], Awaitable[None]]
    hurried: bool


ERRANDS = (
    Errand("drafts", draft_queue.anything_due, draft_queue.anything_left, drafting.put_due, hurried=True),
    Errand("sent items", sent_queue.anything_due, sent_queue.anything_left, sent_items.do_due, hurried=False),
    Errand("bounces", bounce_queue.anything_due, bounce_queue.anything_left, bounce_reading.read_due, hurried=False),
)


def reap() -> None:
    """Leases that ran out."""
    draft_queue.reap()
    sent_queue.reap()
    bounce_queue.reap()
