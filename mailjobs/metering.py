"""How often a key, tenant or login may come in a minute: counted in the database, so that all processes share one limit."""

from collections.abc import Mapping

from django.db import connection

_EPOCH = {
    "postgresql": "CAST(EXTRACT(EPOCH FROM STATEMENT_TIMESTAMP()) AS BIGINT)",
    "sqlite": "CAST(strftime('%%s', 'now') AS INTEGER)",
}


def take(limits: Mapping[str, int]) -> int | None:
    """Count one use in each bucket; None where all have room, else in how many seconds to try again.

    `limits`: bucket → uses a minute. One statement; the minute is the database's.
    """
    epoch = _EPOCH[connection.vendor]
    rows = ", ".join([f"(%s, {epoch} / 60, 1)"] * len(limits))
    statement = (
        f"INSERT INTO mailjobs_apiuse (bucket, minute, used) VALUES {rows} "  # noqa: S608 (no values)
        "ON CONFLICT (bucket) DO UPDATE SET minute = excluded.minute, "
        "used = CASE WHEN mailjobs_apiuse.minute = excluded.minute THEN mailjobs_apiuse.used + 1 ELSE 1 END "
        f"RETURNING bucket, used, 60 - {epoch} %% 60"
    )
    with connection.cursor() as cursor:
        cursor.execute(statement, list(limits))
        found = cursor.fetchall()
    return max((int(seconds) for bucket, used, seconds in found if used > limits[bucket]), default=None)


def has_room(bucket: str, limit: int) -> bool:
    """Whether a bucket has room in this minute, without counting."""
    epoch = _EPOCH[connection.vendor]
    statement = f"SELECT used FROM mailjobs_apiuse WHERE bucket = %s AND minute = {epoch} / 60"  # noqa: S608 (no values)
    with connection.cursor() as cursor:
        cursor.execute(statement, [bucket])
        found = cursor.fetchone()
    return found is None or int(found[0]) < limit
