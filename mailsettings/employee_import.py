"""Lines of a spreadsheet → changes of employees, each line judged by itself: new, changed, unchanged or refused (T3, P6, C2).

The caller holds the transaction: a dry run is an import that is rolled back.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.db import transaction
from django.utils.translation import gettext as _

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.core.addresses import AddressInvalid, parse_sender
from mailsettings.employee_columns import Column, Entry, heading_of, join_addresses, names_of
from mailsettings.employee_report import Difference, Report, Result, Status
from mailsettings.leavers import mentions_of
from mailsettings.models import Employee, Tenant, User
from mailsettings.wording import say_address_fault

NOTHING = "–"
# Objections come from `changes` under the names of its arguments.
_COLUMNS = {
    "number": Column.NUMBER,
    "name": Column.NAME,
    "email": Column.EMAIL,
    "additional_emails": Column.ADDITIONAL_EMAILS,
    "user": Column.USER,
}


@dataclass(frozen=True, slots=True)
class _Fields:
    """An employee's fields, as they are or as they shall be."""

    name: str = ""
    email: str = ""
    additional_emails: tuple[str, ...] = ()
    user: User | None = None
    active: bool = True


@dataclass(slots=True)
class _Import:
    """What the lines are judged against."""

    book: Book
    tenant: Tenant
    known: dict[str, Employee]
    users: dict[str, User]
    twice: Mapping[str, Sequence[int]]  # number → lines, where there are several
    bare: Mapping[str, str]  # number without its leading zeros → number


class _Memory(NamedTuple):
    """How much a book held."""

    records: int
    warnings: int
    claims: int
    tightened: frozenset[int]


def import_entries(book: Book, tenant: Tenant, entries: Sequence[Entry]) -> Report:
    """Save what can be saved of the entries; inside a transaction, which the caller ends as the report asks for."""
    employees = list(Employee.objects.filter(tenant=tenant).select_related("user__tenant"))
    lines = defaultdict(list)
    for entry in entries:
        lines[entry.number].append(entry.line)
    work = _Import(
        book,
        tenant,
        known={employee.number: employee for employee in employees},
        users={user.login: user for user in tenant.users.select_related("tenant__firm")},
        twice={number: found for number, found in lines.items() if number and len(found) > 1},
        bare={employee.number.lstrip("0"): employee.number for employee in employees if employee.number.isdigit()},
    )
    results = [_import_entry(work, entry) for entry in _in_order(work, entries)]
    return Report(tuple(sorted(results, key=lambda result: result.line)))


def _in_order(work: _Import, entries: Sequence[Entry]) -> list[Entry]:
    """The entries so that who gives up a user-ID comes before who gets it."""
    by_number = {entry.number: entry for entry in entries}
    holders = {employee.user.login: number for number, employee in work.known.items() if employee.user}
    placed: dict[int, Entry] = {}
    for entry in entries:
        chain: dict[int, Entry] = {}
        current: Entry | None = entry
        while current is not None and current.line not in placed and current.line not in chain:
            chain[current.line] = current
            current = by_number.get(holders.get((current.user or "").lower(), ""))
        placed.update((link.line, link) for link in reversed(chain.values()))
    return list(placed.values())


def _import_entry(work: _Import, entry: Entry) -> Result:
    employee = work.known.get(entry.number) or work.known.get(_whole(entry.number))
    number = employee.number if employee else _whole(entry.number)
    before = _fields_of(employee)
    faults = [*entry.faults, *_faults_of(work, entry, employee)]
    after = _wanted(work, entry, before, faults)
    if not faults and employee and after == before:
        return Result(entry.line, number, before.name, Status.UNCHANGED)
    marks = _memory_of(work.book)
    if not faults:
        faults = _save(work, number, after, employee)
    elif number:
        faults += _try(work, number, replace(after, name=after.name or NOTHING), before)
    if faults:
        return Result(entry.line, number, after.name or before.name, Status.REFUSED, objections=tuple(dict.fromkeys(faults)))
    return Result(
        entry.line,
        number,
        after.name,
        Status.CHANGED if employee else Status.NEW,
        tuple(_differences(before, after, new=employee is None)),
        warnings=tuple(dict.fromkeys([*_number_warnings(work, number, employee), *work.book.warnings[marks.warnings :]])),
        consequences=(*_consequences(work.book, marks), *_still_named(work.known[number], before)),
    )


# ---- What the file says


def _whole(number: str) -> str:
    """17 for a number that a program has written as 17.0."""
    whole, dot, rest = number.replace(",", ".").partition(".")
    return whole if dot and rest.strip("0") == "" and whole.isascii() and whole.isdigit() else number


def _faults_of(work: _Import, entry: Entry, employee: Employee | None) -> Iterator[str]:
    if not entry.number:
        yield _("%(column)s: the cell is empty, so nobody knows whom the line is about.") % {"column": heading_of(Column.NUMBER)}
    if others := [line for line in work.twice.get(entry.number, ()) if line != entry.line]:
        message = _("The same employee stands in line %(lines)s too. Leave one of them.")
        yield message % {"lines": ", ".join(map(str, others))}
    if entry.name == "" or (entry.name is None and employee is None):
        message = _("A new employee needs a name; no column is one of: %(names)s.")
        if entry.name == "":
            message = _("The name is empty. An employee always has one.")
        yield message % {"names": ", ".join(names_of(Column.NAME))}


def _wanted(work: _Import, entry: Entry, before: _Fields, faults: list[str]) -> _Fields:
    """The fields as they shall be; what cannot be is left as it was, and why is added to the faults."""
    email, user = before.email, before.user
    if entry.email is not None:
        email = _checked(entry.email, Column.EMAIL, faults)
    further = before.additional_emails
    if entry.additional_emails is not None:
        further = tuple(_checked(address, Column.ADDITIONAL_EMAILS, faults) for address in entry.additional_emails)
    if entry.user is not None:
        user = work.users.get(entry.user.lower())
        if entry.user and user is None:
            message = _(
                "%(column)s: there is no user “%(user)s” at %(tenant)s (rule T3). Create the user first, or leave the cell empty."
            )
            faults.append(message % {"column": heading_of(Column.USER), "user": entry.user[:80], "tenant": work.tenant.name})
    return _Fields(
        entry.name or before.name,
        email,
        tuple(address for address in further if address),
        user,
        before.active if entry.active is None else entry.active,
    )


def _checked(text: str, column: Column, faults: list[str]) -> str:
    if not text:
        return ""
    try:
        return str(parse_sender(text))
    except AddressInvalid as invalid:
        message = _("%(column)s: “%(address)s” cannot be a sender address (rule P7). %(why)s")
        words = {"column": heading_of(column), "address": invalid.text, "why": say_address_fault(invalid.code)}
        faults.append(message % words)
        return ""


# ---- What becomes of it


def _save(work: _Import, number: str, after: _Fields, employee: Employee | None) -> list[str]:
    """Save one employee and warn of what C2 would refuse elsewhere. Returns the objections; with any nothing was saved."""
    kept = _memory_of(work.book)
    try:
        with transaction.atomic():
            saved = _write(work, number, after)
            work.book.warnings.extend(_warn(saved, employee))
    except Refused as refused:
        _forget(work.book, kept)
        before = _fields_of(employee)
        return [*map(_say_objection, refused.objections), *_try(work, number, _without(after, before, refused), before)]
    work.known[saved.number] = saved
    return []


def _try(work: _Import, number: str, after: _Fields, before: _Fields, *, often: int = len(_COLUMNS)) -> list[str]:
    """What else is against a line that is refused already: without the fields objected to, until nothing new is said."""
    kept = _memory_of(work.book)
    try:
        with transaction.atomic():
            _write(work, number, after)
            raise _OnlyTried
    except _OnlyTried:
        return []
    except Refused as refused:
        further = _without(after, before, refused)
        more = _try(work, number, further, before, often=often - 1) if often and further != after else []
        return [*map(_say_objection, refused.objections), *more]
    finally:
        _forget(work.book, kept)


class _OnlyTried(Exception):
    """What was saved does not stay."""


def _write(work: _Import, number: str, fields: _Fields) -> Employee:
    return changes.save_employee(
        work.book,
        tenant=work.tenant,
        number=number,
        name=fields.name,
        email=fields.email,
        additional_emails=fields.additional_emails,
        user=fields.user,
        active=fields.active,
    )


def _without(tried: _Fields, before: _Fields, refused: Refused) -> _Fields:
    """The fields with those that were objected to as they were, so that a further attempt finds what else is wrong."""
    names = {objection.field for objection in refused.objections}
    return _Fields(
        tried.name if "name" not in names else before.name,
        tried.email if "email" not in names else before.email,
        tried.additional_emails if "additional_emails" not in names else before.additional_emails,
        tried.user if "user" not in names else before.user,
        tried.active,
    )


def _say_objection(objection: Objection) -> str:
    column = _COLUMNS.get(objection.field)
    message = f"{heading_of(column)}: {objection.message}" if column else objection.message
    if objection.code == "user_linked":
        message += " " + _("A user ID has at most one employee (rule T3). Empty it there first, or in another line of this file.")
    return message


def _memory_of(book: Book) -> _Memory:
    return _Memory(len(book.records), len(book.warnings), len(book.claims), frozenset(book.tightened))


def _forget(book: Book, kept: _Memory) -> None:
    """Take back from the book what was rolled back in the database."""
    del book.records[kept.records :], book.warnings[kept.warnings :], book.claims[kept.claims :]
    book.tightened &= kept.tightened


def _warn(saved: Employee, before: Employee | None) -> Iterator[str]:
    """C2: an import accepts what a form refuses, and says what depends on it."""
    try:
        changes.refuse_vanishing_address(saved, before)
    except Refused as refused:
        for objection in refused.objections:
            yield f"{objection.message} " + _("The import accepts that; “Check sender” refuses it when a mail is sent.")


def _number_warnings(work: _Import, number: str, employee: Employee | None) -> Iterator[str]:
    """A spreadsheet turns 007 into 7: then the line looks like a new employee."""
    other = work.bare.get(number.lstrip("0"))
    if employee is None and other and other != number:
        yield _("There is an employee %(number)s already. Has a spreadsheet taken zeros away?") % {"number": other}


def _consequences(book: Book, since: _Memory) -> Iterator[str]:
    for record in book.records[since.records :]:
        if record.action == "parameters" and "sender_address" in record.after:
            message = _("The own sender address of the user %(user)s becomes %(sender)s (rule P6).")
            yield message % {"user": record.subject, "sender": record.after["sender_address"]}
    for row in book.claims[since.claims :]:
        message = _("%(address)s gets a mail, and can be a sender when the link in it was opened (rule T4).")
        yield message % {"address": row.address}


def _still_named(saved: Employee, before: _Fields) -> list[str]:
    """T6: what names an employee who leaves."""
    return [mention.text for mention in mentions_of(saved)] if before.active and not saved.is_active else []


# ---- Fields and words


def _fields_of(employee: Employee | None) -> _Fields:
    if employee is None:
        return _Fields()
    return _Fields(employee.name, employee.email, tuple(employee.additional_emails), employee.user, employee.is_active)


def _differences(before: _Fields, after: _Fields, *, new: bool) -> Iterator[Difference]:
    old, fresh = _words_of(before), _words_of(after)
    if new:  # the name heads the line, and nobody is new and inactive without a reason to say so
        old = {**dict.fromkeys(old, ""), Column.NAME: after.name, Column.ACTIVE: old[Column.ACTIVE]}
    for column, text in fresh.items():
        if text != old[column]:
            yield Difference(column, old[column] or NOTHING, text or NOTHING)


def _words_of(fields: _Fields) -> dict[Column, str]:
    return {
        Column.NAME: fields.name,
        Column.EMAIL: fields.email,
        Column.ADDITIONAL_EMAILS: join_addresses(fields.additional_emails),
        Column.USER: fields.user.login if fields.user else "",
        Column.ACTIVE: _("Yes") if fields.active else _("No"),
    }
