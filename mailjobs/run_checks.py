"""What would become of a print run, before it is started: rows that cannot go, those to look at twice, senders, duration.

Judged by the rules by which rows are handed in: `parse_message` for the row, one plan for each sender that the file names.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.bounces import dead_addresses
from mailjobs.connections import Known, limit_of
from mailjobs.core.message import MAX_ATTACHMENT_OCTETS, MessageInvalid, parse_message
from mailjobs.core.plan import Plan, make_plan
from mailjobs.documents import AT_A_TIME, already_sent
from mailjobs.explanation import document_of
from mailjobs.models import WAITING_STATES, MailJob, PrintRun, PrintRunFile, PrintRunRow, SharedConnection
from mailjobs.run_columns import Need, label_of, placeholders_of
from mailjobs.run_messages import Letter, document_key, letter_of, raw_message
from mailjobs.wording import say_message_fault
from mailsettings.core.addresses import Fault
from mailsettings.core.facts import Request
from mailsettings.selectors import World, world_of
from mailsettings.wording import ADDRESS_FAULTS

SECONDS_OF_A_MAIL = 0.5  # on one session, where no limit says that it is slower
_DAY = 24 * 3600


class Finding(StrEnum):
    """What is said of a row. The first are faults: such a row is not handed in."""

    NO_ADDRESS = "no_address"
    ADDRESS_INVALID = "address_invalid"
    MESSAGE_INVALID = "message_invalid"
    FILE_MISSING = "file_missing"
    NO_FILE = "no_file"
    TOO_LARGE = "too_large"
    VARIABLE_MISSING = "variable_missing"
    REFUSED = "refused"
    SENT_BEFORE = "sent_before"
    TWICE = "twice"
    SAME_FILE = "same_file"
    CAME_BACK = "came_back"


FAULTS = frozenset(Finding) - {Finding.SENT_BEFORE, Finding.TWICE, Finding.SAME_FILE, Finding.CAME_BACK}
LABELS: Mapping[Finding, object] = {
    Finding.NO_ADDRESS: gettext_lazy("No address"),
    Finding.ADDRESS_INVALID: gettext_lazy("Invalid address"),
    Finding.MESSAGE_INVALID: gettext_lazy("Cannot be a mail"),
    Finding.FILE_MISSING: gettext_lazy("PDF missing"),
    Finding.NO_FILE: gettext_lazy("No PDF named"),
    Finding.TOO_LARGE: gettext_lazy("Too large for a mail"),
    Finding.VARIABLE_MISSING: gettext_lazy("Value for a placeholder missing"),
    Finding.REFUSED: gettext_lazy("Sender refused"),
    Finding.SENT_BEFORE: gettext_lazy("Document went out before"),
    Finding.TWICE: gettext_lazy("Same document twice in this run"),
    Finding.SAME_FILE: gettext_lazy("Same PDF to several recipients"),
    Finding.CAME_BACK: gettext_lazy("Mail to the address came back"),
}


@dataclass(frozen=True, slots=True)
class Said:
    """One finding about one row, in a sentence."""

    finding: Finding
    text: str


@dataclass(slots=True)
class SenderShare:
    """How many mails would carry which sender; `document` explains it as the contract does."""

    document: dict[str, Any]
    plan: Plan
    mails: int = 0


@dataclass(slots=True)
class Checks:
    """All that is known of a run beforehand. `said`: line → findings; `octets` of the PDFs that the good rows carry."""

    rows: int = 0
    said: dict[int, list[Said]] = field(default_factory=lambda: defaultdict(list))
    senders: dict[str, SenderShare] = field(default_factory=dict)
    octets: int = 0
    unused: list[str] = field(default_factory=list)  # names of PDFs that no row names
    duration: timedelta | None = None
    limit: str = ""  # what makes it last: `per_minute`, `per_day` or nothing

    def faults_of(self, line: int) -> list[Said]:
        return [said for said in self.said.get(line, ()) if said.finding in FAULTS]

    @property
    def bad(self) -> list[int]:
        """The lines that cannot be handed in."""
        return sorted(line for line in self.said if self.faults_of(line))

    @property
    def good(self) -> int:
        return self.rows - len(self.bad)

    @property
    def counts(self) -> Mapping[Finding, int]:
        """How many rows each finding is about."""
        found = Counter(finding for each in self.said.values() for finding in {said.finding for said in each})
        return {finding: found[finding] for finding in Finding if found[finding]}

    @property
    def held(self) -> int:
        return sum(share.mails for share in self.senders.values() if share.plan.held or share.plan.channel.by_client)

    @property
    def redirected(self) -> int:
        return sum(share.mails for share in self.senders.values() if share.plan.allowed and share.plan.redirect.active)


def check(run: PrintRun, line: int | None = None) -> Checks:
    """Look at all rows that are not handed in yet, or at one of them by itself."""
    checks = Checks()
    files = dict(_sizes(run))
    cases = _Cases(run, world_of(run.tenant, [run.user]))
    letters = []
    rows = PrintRunRow.objects.filter(run=run, state=PrintRunRow.State.OPEN)
    for place, cells in (rows if line is None else rows.filter(line=line)).values_list("line", "cells"):
        letter = letter_of(run, place, cells)
        letters.append(letter)
        share = checks.senders.setdefault(letter.sender, cases.of(letter.sender))
        checks.said[place].extend(_faults(run, letter, files, share))
        share.mails += all(said.finding is Finding.REFUSED for said in checks.faults_of(place))
        if not checks.faults_of(place):
            checks.octets += sum(files[key] for key in letter.keys)
    checks.rows = len(letters)
    _compare(run, letters, checks)
    _warn_of_dead(run, letters, checks)
    named = {key for letter in letters for key in letter.keys}
    checks.unused = sorted(name for name in files if name not in named)
    checks.said = {place: said for place, said in checks.said.items() if said}
    checks.duration, checks.limit = _duration(checks)
    return checks


def _sizes(run: PrintRun) -> Iterable[tuple[str, int]]:
    return PrintRunFile.objects.filter(run=run).values_list("name", "content__size")


@dataclass(slots=True)
class _Cases:
    """One decision for each sender that the file names."""

    run: PrintRun
    world: World
    known: dict[str, SenderShare] = field(default_factory=dict)

    def of(self, sender: str) -> SenderShare:
        if sender not in self.known:
            slug = self.run.print_model.slug if self.run.print_model else None
            plan = make_plan(self.world.facts_for(self.run.user.login, Request(slug, sender or None)))
            self.known[sender] = SenderShare(document_of(plan), plan)
        return self.known[sender]


def _faults(run: PrintRun, letter: Letter, files: Mapping[str, int], share: SenderShare) -> Iterator[Said]:
    if not letter.to:
        yield Said(Finding.NO_ADDRESS, _("The row names no recipient."))
    else:
        yield from _of_message(run, letter)
    yield from _of_files(run, letter, files)
    if missing := [name for name in placeholders_of(run.print_model) if name not in (letter.variables or {})]:
        text = _("There is no value for: %(names)s.") % {"names": ", ".join(missing)[:300]}
        yield Said(Finding.VARIABLE_MISSING, text)
    if share.document["refused"]:
        yield Said(Finding.REFUSED, share.document["refused"]["message"])


def _of_message(run: PrintRun, letter: Letter) -> Iterator[Said]:
    try:
        parse_message({**raw_message(run, letter, _NO_OCTETS), "attachments": []})
    except MessageInvalid as invalid:
        finding = Finding.ADDRESS_INVALID if invalid.code == "address_invalid" else Finding.MESSAGE_INVALID
        if finding is Finding.ADDRESS_INVALID:
            text = f"{', '.join((*letter.addresses, *letter.cc, *letter.bcc))[:200]}: {ADDRESS_FAULTS[Fault(invalid.detail)]}"
        else:
            text = say_message_fault(invalid)
        yield Said(finding, text)


def _of_files(run: PrintRun, letter: Letter, files: Mapping[str, int]) -> Iterator[Said]:
    if Need.FILE in run.columns and not letter.files:
        yield Said(Finding.NO_FILE, _("“%(column)s” is empty.") % {"column": label_of(Need.FILE)})
    if missing := [name for name in letter.files if not set(Letter(0, files=(name,)).keys) & files.keys()]:
        text = _("The PDF was not uploaded: %(names)s.") % {"names": ", ".join(missing)[:300]}
        yield Said(Finding.FILE_MISSING, text)
    if sum(files.get(key, 0) for key in letter.keys) > MAX_ATTACHMENT_OCTETS:
        text = _("The PDFs are larger than %(size)s MB together.") % {"size": MAX_ATTACHMENT_OCTETS // 2**20}
        yield Said(Finding.TOO_LARGE, text)


class _NoOctets(dict[str, tuple[str, bytes]]):
    """Stands for the files where only names matter."""

    def __missing__(self, name: str) -> tuple[str, bytes]:
        return name, b""


_NO_OCTETS = _NoOctets()


def _compare(run: PrintRun, letters: Sequence[Letter], checks: Checks) -> None:
    """Documents and files that stand in several rows, and documents that went out before (J10)."""
    documents: dict[str, int] = {}
    files: dict[str, Letter] = {}
    keys = {letter.line: key for letter in letters if (key := document_key(run, letter))}
    sent = _sent_before(run, sorted(set(keys.values())))
    for letter in letters:
        key = keys.get(letter.line, "")
        if key and (first := documents.setdefault(key, letter.line)) != letter.line:
            text = _("The same document to the same recipient stands in line %(line)s.") % {"line": first}
            checks.said[letter.line].append(Said(Finding.TWICE, text))
        if key in sent:
            text = _("The document went to the same recipient before, or is on its way.")
            checks.said[letter.line].append(Said(Finding.SENT_BEFORE, text))
        for name in letter.keys:
            other = files.setdefault(name, letter)
            if other.addresses != letter.addresses:
                text = _("“%(file)s” goes to another recipient too, in line %(line)s.") % {"file": name[:80], "line": other.line}
                checks.said[letter.line].append(Said(Finding.SAME_FILE, text))


def _warn_of_dead(run: PrintRun, letters: Sequence[Letter], checks: Checks) -> None:
    """Addresses at which mail of the tenant came back for good; their rows may go all the same (J6)."""
    named = {letter.line: (*letter.addresses, *letter.cc, *letter.bcc) for letter in letters}
    everybody = sorted({address for addresses in named.values() for address in addresses})
    dead = {
        address
        for start in range(0, len(everybody), AT_A_TIME)
        for address in dead_addresses(run.tenant, everybody[start : start + AT_A_TIME])
    }
    for line, addresses in named.items():
        if gone := [address for address in addresses if address in dead]:
            text = _("Mail to this address came back before: %(addresses)s.") % {"addresses": ", ".join(gone)[:300]}
            checks.said[line].append(Said(Finding.CAME_BACK, text))


def _sent_before(run: PrintRun, keys: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(keys), AT_A_TIME):
        found |= already_sent(run.tenant, keys[start : start + AT_A_TIME]).keys()
    return found


# ---- How long it lasts


def _duration(checks: Checks) -> tuple[timedelta | None, str]:
    """The longest of what each connection needs for its mails and those that wait for it now; None where nothing is sent."""
    mails: Counter[str] = Counter()
    plans: dict[str, Plan] = {}
    for share in checks.senders.values():
        if share.plan.connection and share.plan.allowed and share.plan.channel.by_server and not share.plan.held:
            mails[share.plan.connection.key] += share.mails
            plans[share.plan.connection.key] = share.plan
    found = [_time_of(plans[key], count) for key, count in mails.items()]
    return max(found, default=(None, ""), key=lambda each: each[0] or timedelta(0))


def _time_of(plan: Plan, mails: int) -> tuple[timedelta, str]:
    connection = plan.connection
    if connection is None:
        return timedelta(0), ""
    shared = SharedConnection.objects.filter(key=connection.key[:400]).first()
    names = ("max_connections", "per_minute", "per_day")
    most, minute, day = (limit_of(plan.facts, connection, name) for name in names)
    limits = Known(
        connection, max_connections=most, per_minute=minute, per_day=day, firms=False, facts=plan.facts, account=None
    ).limits(shared or SharedConnection())
    if shared is not None:
        mails += MailJob.objects.filter(connection=shared, state__in=WAITING_STATES).count()
    times = [
        (mails * SECONDS_OF_A_MAIL / max(limits.sessions, 1), ""),
        (mails / limits.per_minute * 60 if limits.per_minute else 0.0, "per_minute"),
        (mails // limits.per_day * float(_DAY) if limits.per_day else 0.0, "per_day"),
    ]
    seconds, limit = max(times)
    return timedelta(seconds=round(seconds)), limit
