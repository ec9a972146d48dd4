"""Many rows in one statement: COPY and arrays on PostgreSQL, the nearest thing on SQLite."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg
from django.conf import settings
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.sql import UpdateQuery
from psycopg.types.json import Jsonb

Row = Sequence[Any]


def reserve_ids(model: type[Model], count: int) -> list[int]:
    """Primary keys for rows that `insert` will store. Needs a transaction."""
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count])
            return [row[0] for row in cursor.fetchall()]
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])  # the one writer is this transaction
        found = cursor.fetchone()
        first = (found[0] if found else 0) + 1
        return list(range(first, first + count))


def insert(model: type[Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Store rows as they are, column by column of the table; who calls it fills in every default. Raises IntegrityError."""
    if not rows:
        return
    table, quote = model._meta.db_table, connection.ops.quote_name
    names = ", ".join(map(quote, columns))
    if connection.vendor == "postgresql" and not settings.ROW_LEVEL_SECURITY:  # which knows no COPY
        types = _types(model)
        objects = [index for index, column in enumerate(columns) if types[column] == "jsonb"]
        sql = f"COPY {quote(table)} ({names}) FROM STDIN (FORMAT BINARY)"
        with connection.wrap_database_errors, _bare_cursor() as cursor, cursor.copy(sql) as copy:
            copy.set_types([types[column] for column in columns])
            for row in rows:
                copy.write_row(_wrapped(row, objects))
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as plain:
        plain.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})", [_adapted(row) for row in rows])


def insert_new(model: type[Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """As `insert`, but what is already there (by a unique constraint) stays as it is."""
    if not rows:
        return
    quote = connection.ops.quote_name
    names, place = ", ".join(map(quote, columns)), quote(model._meta.db_table)
    if connection.vendor == "postgresql":
        source = f"SELECT {names} FROM {_given(model, columns)}"
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            cursor.execute(f"INSERT INTO {place} ({names}) {source} ON CONFLICT DO NOTHING", [_json(columns, rows)], prepare=True)
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT OR IGNORE INTO {place} ({names}) VALUES ({marks})", [_adapted(row) for row in rows])


def change(model: type[Model], keys: Sequence[str], values: Sequence[str], rows: Sequence[Row]) -> None:
    """In the rows that the keys name, set the values; each row gives first its keys, then its values."""
    if not rows:
        return
    quote = connection.ops.quote_name
    place, columns = quote(model._meta.db_table), (*keys, *values)
    if connection.vendor == "postgresql":
        sets = ", ".join(f"{quote(name)} = given.{quote(name)}" for name in values)
        where = " AND ".join(f"{place}.{quote(name)} = given.{quote(name)}" for name in keys)
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            first = f"{place}.{quote(keys[0])} = ANY(%s)"  # so that the index is used, whatever is known of the table
            sql = f"UPDATE {place} SET {sets} FROM {_given(model, columns)} WHERE {first} AND {where}"
            cursor.execute(sql, [_json(columns, rows), list({row[0] for row in rows})], prepare=True)
        return
    sets = ", ".join(f"{quote(name)} = %s" for name in values)
    where = " AND ".join(f"{quote(name)} = %s" for name in keys)
    turned = [_adapted((*row[len(keys) :], *row[: len(keys)])) for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {place} SET {sets} WHERE {where}", turned)


def read(sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Rows of a query, octets as they are and not as text. On PostgreSQL lists are arrays."""
    if connection.vendor == "postgresql":
        with connection.wrap_database_errors, _bare_cursor(binary=True) as cursor:
            return cursor.execute(sql, parameters, prepare=True).fetchall()
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def run(sql: str, parameters: Sequence[Any]) -> None:
    """Execute a statement of which nothing comes back; on PostgreSQL lists are arrays."""
    if connection.vendor == "postgresql":
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            cursor.execute(sql, parameters, prepare=True)
        return
    with connection.cursor() as plain:
        plain.execute(sql, parameters)


def among(column: str, values: Iterable[int]) -> tuple[str, list[Any]]:
    """That a column has one of the values, as SQL with its parameters."""
    wanted = list(values)
    if connection.vendor == "postgresql":
        return f"{column} = ANY(%s)", [wanted]
    return f"{column} IN ({', '.join(['%s'] * len(wanted))})", wanted


def now_sql(after: str = "") -> str:
    """The database's time as SQL; `after` is the place of a parameter, seconds to add."""
    if connection.vendor == "postgresql":
        return f"(STATEMENT_TIMESTAMP() + make_interval(secs => {after}))" if after else "STATEMENT_TIMESTAMP()"
    later = f", {after} || ' seconds'" if after else ""
    return f"STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW'{later})"


def changed(sql: str, parameters: Sequence[Any]) -> list[int]:
    """Execute an UPDATE of rows with an `id`; returns the ids of those that it changed."""
    return [row[0] for row in read(f"{sql} RETURNING id", parameters)]


def database_now() -> datetime:
    """The database's time, the only one that is stored."""
    if connection.vendor == "postgresql":
        found: datetime = read("SELECT STATEMENT_TIMESTAMP()", [])[0][0]
        return found
    return datetime.now(UTC)  # embedded: the same clock


@contextmanager
def at_once() -> Iterator[None]:
    """Statements go to PostgreSQL one behind the other, and only who reads rows waits; an error shows then or at the end.

    Inside, nothing may ask how many rows a statement changed: `QuerySet.update` does not know.
    """
    if connection.vendor == "postgresql":
        connection.ensure_connection()
        with connection.wrap_database_errors, connection.connection.pipeline():
            yield
    else:
        yield


def _bare_cursor(*, binary: bool = False) -> psycopg.Cursor[tuple[Any, ...]]:
    """A cursor that sends parameters beside the statement, not within it, and gives plain values."""
    connection.ensure_connection()
    wrapped: Any = connection.connection
    cursor: psycopg.Cursor[tuple[Any, ...]] = psycopg.Cursor(wrapped, row_factory=psycopg.rows.tuple_row)
    if binary:
        cursor.format = psycopg.pq.Format.BINARY
    return cursor


def _given(model: type[Model], columns: Sequence[str]) -> str:
    """Rows in one parameter, which costs less than an array for each column."""
    types, quote = _types(model), connection.ops.quote_name
    return f"json_to_recordset(%s::json) AS given({', '.join(f'{quote(column)} {types[column]}' for column in columns)})"


def _json(columns: Sequence[str], rows: Sequence[Row]) -> str:
    return json.dumps([dict(zip(columns, row, strict=True)) for row in rows], default=_as_json)


def _as_json(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"no value for a row: {type(value).__name__}")


def _wrapped(row: Row, objects: Sequence[int]) -> Row:
    if not objects:
        return row
    wrapped = list(row)
    for index in objects:
        wrapped[index] = None if wrapped[index] is None else Jsonb(wrapped[index])
    return wrapped


@cache
def _types(model: type[Model]) -> Mapping[str, str]:
    """Column → PostgreSQL's plain name of its type, as COPY and casts want it."""
    found = {}
    for field in model._meta.concrete_fields:
        kind = (field.rel_db_type(connection) if field.is_relation else field.db_type(connection)) or "text"
        kind = kind.partition("(")[0]
        found[field.column or field.name] = {"varchar": "text", "character varying": "text"}.get(kind, kind)
    return found


def _adapted(row: Row) -> list[Any]:
    """Times and objects as SQLite stores them."""
    return [_plain(value) for value in row]


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    return json.dumps(value) if isinstance(value, (list, tuple, dict)) else value


def update_returning(chosen: QuerySet[Any], **changes: Any) -> list[int]:
    """As `QuerySet.update`, one statement; returns the primary keys of the rows that it changed."""
    query: Any = chosen.query.chain(UpdateQuery)
    query.add_update_values(changes)
    try:
        sql, parameters = query.get_compiler(chosen.db).as_sql()
    except EmptyResultSet:
        return []
    table, key = (connection.ops.quote_name(name) for name in (chosen.model._meta.db_table, chosen.model._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {table}.{key}", parameters)
        return [row[0] for row in cursor.fetchall()]
