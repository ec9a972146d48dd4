"""Many rows in one statement: COPY and arrays on PostgreSQL, the nearest thing on SQLite."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import psycopg
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
    if connection.vendor == "postgresql":
        types = _types(model)
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            with cursor.copy(f"COPY {quote(table)} ({names}) FROM STDIN (FORMAT BINARY)") as copy:
                copy.set_types([types[column] for column in columns])
                objects = [index for index, column in enumerate(columns) if types[column] == "jsonb"]
                for row in rows:
                    copy.write_row(_wrapped(row, objects))
        return
    marks = ", ".join(["%s"] * len(columns))
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {quote(table)} ({names}) VALUES ({marks})", [_adapted(row) for row in rows])


def insert_new(model: type[Model], columns: Sequence[str], rows: Sequence[Row]) -> None:
    """As `insert`, but what is already there (by a unique constraint) stays as it is."""
    if not rows:
        return
    quote = connection.ops.quote_name
    names, place = ", ".join(map(quote, columns)), quote(model._meta.db_table)
    if connection.vendor == "postgresql":
        source = f"SELECT {names} FROM {_arrays(model, columns, names)}"
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            cursor.execute(f"INSERT INTO {place} ({names}) {source} ON CONFLICT DO NOTHING", _columns(model, columns, rows))
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
        names = ", ".join(map(quote, columns))
        sets = ", ".join(f"{quote(name)} = given.{quote(name)}" for name in values)
        where = " AND ".join(f"{place}.{quote(name)} = given.{quote(name)}" for name in keys)
        with connection.wrap_database_errors, _bare_cursor() as cursor:
            cursor.execute(
                f"UPDATE {place} SET {sets} FROM {_arrays(model, columns, names)} WHERE {where}", _columns(model, columns, rows)
            )
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
            return cursor.execute(sql, parameters).fetchall()
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall())


def database_now() -> datetime:
    """The database's time, the only one that is stored."""
    if connection.vendor == "postgresql":
        found: datetime = read("SELECT STATEMENT_TIMESTAMP()", [])[0][0]
        return found
    return datetime.now(UTC)  # embedded: the same clock


def _bare_cursor(*, binary: bool = False) -> psycopg.Cursor[tuple[Any, ...]]:
    """A cursor that sends parameters beside the statement, not within it, and gives plain values."""
    connection.ensure_connection()
    wrapped: Any = connection.connection
    cursor: psycopg.Cursor[tuple[Any, ...]] = psycopg.Cursor(wrapped, row_factory=psycopg.rows.tuple_row)
    if binary:
        cursor.format = psycopg.pq.Format.BINARY
    return cursor


def _arrays(model: type[Model], columns: Sequence[str], names: str) -> str:
    types = _types(model)
    arrays = ", ".join(f"%s::{types[column]}[]" for column in columns)
    return f"unnest({arrays}) AS given({names})"


def _columns(model: type[Model], columns: Sequence[str], rows: Sequence[Row]) -> list[list[Any]]:
    types = _types(model)
    turned = [list(values) for values in zip(*rows, strict=True)]
    for index, column in enumerate(columns):
        if types[column] == "jsonb":
            turned[index] = [None if value is None else json.dumps(value) for value in turned[index]]
    return turned


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
    query = chosen.query.chain(UpdateQuery)
    query.add_update_values(changes)
    try:
        sql, parameters = query.get_compiler(chosen.db).as_sql()
    except EmptyResultSet:
        return []
    table, key = (connection.ops.quote_name(name) for name in (chosen.model._meta.db_table, chosen.model._meta.pk.column))
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {table}.{key}", parameters)
        return [row[0] for row in cursor.fetchall()]
