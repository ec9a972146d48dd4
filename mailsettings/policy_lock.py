"""Which comes first, a change of policies or a decision made under them: one lock for each firm and its Com customers (U2, U4).

Who decides shares it until the decision stands in the database; who changes a policy has it alone and, once waiting, is let in
before later deciders. (Share locks on the tenant's row alone do not queue: a stream of them keeps a change out for ever.) Both
need a transaction and hold the lock to its end. Databases with one writer at a time have the order anyway.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from django.db import OperationalError, connection

NAMESPACE = 0x506F  # of advisory locks that others may take in the same database
_NOT_AVAILABLE = "55P03"  # PostgreSQL: lock_timeout has passed


class Busy(Exception):
    """A change of policies took longer than one was ready to wait for."""


def share(firm_ids: Iterable[int]) -> None:
    """Decide under the policies of these firms as they are now."""
    if connection.vendor == "postgresql":
        keys = sorted({_key(firm_id) for firm_id in firm_ids})
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, key) FROM unnest(%s::int[]) AS key", [NAMESPACE, keys])


def wait_at_most(seconds: float) -> None:
    """In this transaction no lock is waited for any longer."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = {int(seconds * 1000)}")


@contextmanager
def in_time() -> Iterator[None]:
    """Around a transaction that waits at most so long for locks. Raises Busy where that was too short."""
    try:
        yield
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != _NOT_AVAILABLE:
            raise
        raise Busy from error


def hold_alone(firm_id: int) -> None:
    """Change the policies of a firm or one of its Com customers."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [NAMESPACE, _key(firm_id)])


def _key(firm_id: int) -> int:
    return firm_id % 0x8000_0000  # the lock's name has room for 31 bits; two firms of one name only wait for each other
