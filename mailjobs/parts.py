"""Lists that are read part by part (of each tenant, in each state), so that each part comes through an index.

However many rows there are: the newest of all are among the newest of each part. Every model read so has an index over the
columns of its parts, in their order, and `id`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from itertools import groupby
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import BooleanField, Max, Min, Model, QuerySet
from django.db.models.expressions import RawSQL

from mailjobs.models import OPEN_STATES, MailJob

Row = TypeVar("Row", bound=Model)
Part = Mapping[str, int | str]  # column → its value; parts with the same columns stand together
_PROBES = 32  # ids looked up at once; a million rows take four statements
_AT_ONCE = 200  # parts in one statement of SQLite, which takes 500 at most
_OPEN = ", ".join(f"'{state.value}'" for state in OPEN_STATES)


class Order(Enum):
    """From which end rows are read."""

    NEWEST = "DESC"
    OLDEST = "ASC"


@dataclass(frozen=True, slots=True)
class Span:
    """Between which ids rows are read, these not included."""

    above: int = -1
    below: int = 2**63 - 1

    def down_to(self, end: int | None) -> "Span":
        return self if end is None else replace(self, above=max(end, self.above))

    def up_to(self, end: int | None) -> "Span":
        return self if end is None else replace(self, below=min(end, self.below))


@dataclass(frozen=True, slots=True)
class Source(Generic[Row]):
    """Rows in parts, `rows` narrowed by nothing but what the index has."""

    rows: QuerySet[Row]
    parts: Sequence[Part]
    span: Span = Span()


def open_only(rows: QuerySet[MailJob]) -> QuerySet[MailJob]:
    """The open jobs, said in the words of the partial indexes, which SQLite takes literally."""
    return rows.filter(RawSQL(f'"mailjobs_mailjob"."state" IN ({_OPEN})', [], output_field=BooleanField()))  # noqa: S611 (constants)


def first_ids(source: Source[Row], limit: int, order: Order = Order.NEWEST) -> list[int]:
    """The ids of the first rows that are in one of the parts, in this order."""
    ending = f"ORDER BY id {order.value} LIMIT {limit}"
    found = {
        row[0]
        for statement, parameters in _statements(source, limit, order)
        for row in _execute(f"SELECT id FROM ({statement}) AS found {ending}", parameters)
    }
    return sorted(found, reverse=order is Order.NEWEST)[:limit]


def counted(source: Source[Row], column: str, most: int) -> dict[str, int]:
    """How many rows have each value of a column of the parts; nothing is counted, nor read, further than `most`."""
    counts: Counter[str] = Counter()
    for value, count in _by_value(source, column, most, "COUNT(*)"):
        counts[value] += count
    return {value: min(count, most) for value, count in counts.items()}


def some_of_each(source: Source[Row], column: str, most: int) -> dict[str, list[int]]:
    """The ids of so many rows, or of all, that have each value of a column of the parts."""
    found: dict[str, set[int]] = {}
    for value, key in _by_value(source, column, most, "id"):
        found.setdefault(value, set()).add(key)
    return {value: sorted(keys, reverse=True)[:most] for value, keys in found.items()}


def _by_value(source: Source[Row], column: str, most: int, what: str) -> list[tuple[str, int]]:
    texts: list[str] = []
    values: list[Any] = []
    for value in dict.fromkeys(part[column] for part in source.parts):
        of_value = replace(source, parts=[part for part in source.parts if part[column] == value])
        for statement, parameters in _statements(of_value, most, Order.NEWEST):
            texts.append(f"SELECT %s, {what} FROM (SELECT id FROM ({statement}) AS found LIMIT {most}) AS counted")
            values += [value, *parameters]
    return [(str(value), number) for value, number in _execute(" UNION ALL ".join(texts), values)] if texts else []


def first_at(model: type[Model], column: str, moment: datetime) -> int | None:
    """The id of about the first row that is as old as this or younger, found without an index; None where there is none.

    Rows get their ids in the order of their times, but for what is written at the same moment.
    """
    ends = model._default_manager.aggregate(low=Min("pk"), high=Max("pk"))
    low, high = ends["low"], ends["high"]
    if high is None or _looked_up(model, column, moment, [high])[0][1]:
        return None
    while low < high:
        places = sorted({low + (high - low) * n // _PROBES for n in range(_PROBES)})
        for place, (key, older) in zip(places, _looked_up(model, column, moment, places), strict=True):
            if not older:
                high = place
                break
            low = key + 1
    return int(low)


def _looked_up(model: type[Model], column: str, moment: datetime, places: Sequence[int]) -> list[tuple[int, bool]]:
    """(id, whether it is older) of the first row from each of these ids on, in one statement."""
    table, time = (connection.ops.quote_name(name) for name in (model._meta.db_table, column))
    one = f"SELECT id, CASE WHEN {time} < %s THEN 1 ELSE 0 END FROM {table} WHERE id >= %s ORDER BY id LIMIT 1"
    sql = " UNION ALL ".join(f"SELECT * FROM ({one}) AS row_{n}" for n in range(len(places)))
    when = connection.ops.adapt_datetimefield_value(moment)
    rows = _execute(sql, [value for place in places for value in (when, place)])
    return sorted((int(key), bool(older)) for key, older in rows)  # in the order of the places, since ids only rise


def _statements(source: Source[Row], limit: int, order: Order) -> Iterator[tuple[str, list[Any]]]:
    """SELECTs of `id`, of the first `limit` rows of each part."""
    write = _lateral if connection.vendor == "postgresql" else _union
    for _names, group in groupby(source.parts, key=tuple):
        yield from write(replace(source, parts=list(group)), limit, order)


def _lateral(source: Source[Row], limit: int, order: Order) -> Iterator[tuple[str, list[Any]]]:
    """All parts by one plan. Compared as rows, in the order of the whole index, since PostgreSQL would else find that the primary
    key has the order too, and read the rows of everybody else.
    """
    names, span = list(source.parts[0]), source.span
    table = source.rows.model._meta.db_table
    here = ", ".join(f'"{table}"."{name}"' for name in (*names, "id"))
    part = ", ".join(f'part."{name}"' for name in names)
    between = RawSQL(f"({here}) > ({part}, %s) AND ({here}) < ({part}, %s)", [span.above, span.below], BooleanField())  # noqa: S611
    sign = "-" if order is Order.NEWEST else ""
    placed = source.rows.filter(between).order_by(*(f"{sign}{name}" for name in names), f"{sign}id")
    sql, parameters = placed.values_list("id")[:limit].query.sql_with_params()
    places = ", ".join([f"({', '.join(['%s'] * len(names))})"] * len(source.parts))
    values = [part[name] for part in source.parts for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    yield (
        f"SELECT found.id FROM (VALUES {places}) AS part({columns}) CROSS JOIN LATERAL ({sql}) AS found(id)",
        [
            *values,
            *parameters,
        ],
    )


def _union(source: Source[Row], limit: int, order: Order) -> Iterator[tuple[str, list[Any]]]:
    """Each part by itself: SQLite has no LATERAL, and plans quickly."""
    span = source.span
    rows = source.rows.filter(id__gt=span.above, id__lt=span.below).order_by("-id" if order is Order.NEWEST else "id")
    for first in range(0, len(source.parts), _AT_ONCE):
        texts: list[str] = []
        values: list[Any] = []
        for part in source.parts[first : first + _AT_ONCE]:
            sql, parameters = rows.filter(**part).values_list("id")[:limit].query.sql_with_params()
            texts.append(f"SELECT id FROM ({sql})")
            values += parameters
        yield " UNION ALL ".join(texts), values


def _execute(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())
