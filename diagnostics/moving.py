"""The guided move from passwords or EWS to OAuth (S4, S6): where it stands, read from the settings as they are; nothing is kept.

The new way is tried before it is taken (`prospects`), and the old one stays as long as its password is stored.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models.functions import Now

from diagnostics.cases import Asked, case_of
from diagnostics.core.findings import Step, Verdict, verdict_of
from diagnostics.diagnosis import alike_of, findings_of
from diagnostics.models import Diagnosis
from diagnostics.prospects import SEND_SYSTEM, Prospect, connection_of
from diagnostics.starting import users_to_diagnose
from mailjobs.consenting import Place, consent_at, logs_in_as_program, place_of
from mailjobs.retiring import Ending, endings_of
from mailsettings.changes import Book, Owner, own_values, save_account, save_parameters, secrets_of
from mailsettings.core.relay import OAUTH_SECRET, Connection
from mailsettings.core.send_systems import SEND_SYSTEMS, Credentials, Over
from mailsettings.models import AuditEvent, Consent, EmailAccount, Tenant, User

GRAPH, SMTP = 10, 8  # the even numbers of the pairs that a move can lead to
TRIED_FOR = timedelta(hours=1)  # how long a try counts
_OF_GOOGLE = ("gmail.com", "google.com", "googlemail.com")
_TESTERS = 20  # users looked at for one whose mail goes this way


@dataclass(frozen=True, slots=True)
class Move:
    """Where a move stands. `would`: the connection after it, None where something is missing; `back`: the old way, if stored."""

    owner: Owner
    number: int  # of the send system in force
    connection: Connection | None
    endings: tuple[Ending, ...]
    google: bool
    choices: tuple[int, ...]  # send systems to choose from, the recommended first
    target: int
    place: Place
    consent: Consent | None
    fits: bool
    program: bool
    prospect: Prospect
    would: Connection | None
    trial: Diagnosis | None
    back: Prospect | None

    @property
    def inherits(self) -> bool:
        """Whether mail of these settings logs in with settings above them."""
        return self.connection is not None and self.connection.login.owner != self.place.name

    @property
    def done(self) -> bool:
        """Whether it logs in by OAuth itself."""
        return not self.inherits and SEND_SYSTEMS[self.number].credentials is Credentials.OAUTH

    @property
    def registered(self) -> bool:
        return bool(self.place.client_id)

    @property
    def logged_in(self) -> bool:
        """Whether there is something to get tokens by."""
        return self.fits or (self.consent is None and self.program)

    @property
    def green(self) -> bool:
        """Whether the settings as they are were tried lately, and nothing was wrong."""
        return self.trial is not None and judged(self.trial) in {Verdict.PASSED, Verdict.WARNED}


def move_of(owner: Owner, wanted: int | None = None) -> Move:
    """Where the move of these settings stands; `wanted`: the send system chosen on the page, whatever its timing."""
    connection = connection_of(owner)
    number = connection.send_system if connection else place_of(owner).system.number
    google = _is_google(owner, connection)
    choices = _choices(connection, number, google=google)
    own = connection is not None and connection.login.owner == place_of(owner).name
    done = own and SEND_SYSTEMS[number].credentials is Credentials.OAUTH
    target = number if done else next((each for each in choices if each == wanted), choices[0])
    place = place_of(owner, target)
    prospect = Prospect(place.name, target, mark_of(owner))
    consent, fits = consent_at(place)
    would = connection_of(owner, prospect)
    would = would if would and would.login.owner == place.name and would.send_system == target else None
    return Move(
        owner=owner,
        number=number,
        connection=connection,
        endings=tuple(endings_of([connection])) if connection and connection.login.owner == place.name else (),
        google=google,
        choices=choices,
        target=target,
        place=place,
        consent=consent,
        fits=fits,
        program=logs_in_as_program(place),
        prospect=prospect,
        would=would,
        trial=_trial(prospect),
        back=_way_back(owner, place.name, number) if done else None,
    )


def judged(row: Diagnosis) -> str:
    """What a diagnosis says of the way, whatever the sender's domain says to receivers: that is the same by every way."""
    found = findings_of(row)
    if row.running or not any(each.step is Step.AUTHENTICATION and each.verdict is Verdict.PASSED for each in found):
        return row.verdict
    return verdict_of(each for each in found if each.step is not Step.DOMAIN).value


def mark_of(owner: Owner) -> str:
    """Changes with everything that is set here, but for the send system."""
    values = {key: value for key, value in stored_values(owner).items() if key != SEND_SYSTEM}
    secrets = [
        (row.key, row.binding, bytes(row.sealed).hex() if row.key == OAUTH_SECRET else "")
        for row in secrets_of(owner).order_by("key")
    ]
    given = [str(consent.given_at) for consent in Consent.objects.filter(secret__in=secrets_of(owner))]
    return hashlib.sha256(json.dumps([values, secrets, given], sort_keys=True, default=str).encode()).hexdigest()[:32]


def stored_values(owner: Owner) -> dict[str, Any]:
    return dict(owner.values) if isinstance(owner, EmailAccount) else own_values(owner)


def save_values(book: Book, owner: Owner, values: dict[str, Any]) -> None:
    """Replace what is set here, through `changes`. Raises Refused."""
    if not isinstance(owner, EmailAccount):
        save_parameters(book, owner, values)
        return
    save_account(book, tenant=owner.tenant, slug=owner.slug, sender_address=owner.sender_address, values=values, user=owner.user)


def take(book: Book, prospect: Prospect, owner: Owner) -> None:
    """Let mail go this way from now on: one change. Raises Refused."""
    values = {key: value for key, value in stored_values(owner).items() if key != SEND_SYSTEM}
    save_values(book, owner, values if prospect.send_system is None else {**values, SEND_SYSTEM: prospect.send_system})


def asked_of(move: Move, reader: User, *, prospect: bool) -> Asked | None:
    """The diagnosis of the way as it would be, or with a test mail as it is; None where nobody's mail goes over it."""
    account = move.owner if isinstance(move.owner, EmailAccount) else None
    tried = move.prospect if prospect else None
    for user in _testers(move.owner, reader):
        asked = Asked(user, account=account, by=reader, prospect=tried, test_mail=not prospect)
        connection = case_of(asked).connection
        if connection is not None and connection.login.owner == move.place.name:
            return asked
    return None


def _testers(owner: Owner, reader: User) -> list[User]:
    rows = users_to_diagnose(reader).select_related("tenant__firm")
    if isinstance(owner, User):
        return list(rows.filter(pk=owner.pk))
    tenant = owner if isinstance(owner, Tenant) else owner.tenant
    first = {reader.pk: 0} | ({owner.user_id: -1} if isinstance(owner, EmailAccount) and owner.user_id else {})
    return sorted(rows.filter(tenant=tenant), key=lambda user: first.get(user.pk, 1))[:_TESTERS]


def _is_google(owner: Owner, connection: Connection | None) -> bool:
    host = connection.host.lower().rstrip(".") if connection else ""
    return place_of(owner).authority.google or any(host == name or host.endswith(f".{name}") for name in _OF_GOOGLE)


def _choices(connection: Connection | None, number: int, *, google: bool) -> tuple[int, ...]:
    """Graph first: it needs neither SMTP AUTH at the mailbox nor an SMTP server; Google has SMTP alone."""
    by_smtp = google or bool(connection and connection.host)
    pairs = (SMTP,) if google else (GRAPH, SMTP) if by_smtp else (GRAPH,)
    return tuple(pair + number % 2 for pair in pairs)


def _trial(prospect: Prospect) -> Diagnosis | None:
    rows = Diagnosis.objects.filter(alike=alike_of(prospect), started_at__gt=Now() - TRIED_FOR)
    return rows.order_by("-pk").first()


def _way_back(owner: Owner, name: str, number: int) -> Prospect | None:
    """The send system before the last switch to this one, where what it logs in with is still stored and fits (P5)."""
    event = _last_switch(owner)
    if event is None or _system_in(event.after) != number:
        return None
    before = Prospect(name, _system_in(event.before))
    old = connection_of(owner, before)
    if old is None or not old.secret_usable or old.system.credentials is Credentials.OAUTH:
        return None
    return before


def _last_switch(owner: Owner) -> AuditEvent | None:
    if isinstance(owner, EmailAccount):
        rows = AuditEvent.objects.filter(tenant=owner.tenant, action="email_account", subject=f"{owner.tenant.slug}/{owner.slug}")
    else:
        tenant = owner if isinstance(owner, Tenant) else owner.tenant
        subject = owner.slug if isinstance(owner, Tenant) else owner.login
        rows = AuditEvent.objects.filter(tenant=tenant, action="parameters", subject=subject)
    return next((event for event in rows.order_by("-pk")[:50] if _system_in(event.before) != _system_in(event.after)), None)


def _system_in(picture: dict[str, Any]) -> int | None:
    values = picture.get("values", picture)
    found = values.get(SEND_SYSTEM) if isinstance(values, dict) else None
    return found if isinstance(found, int) else None


def over_graph(number: int) -> bool:
    return SEND_SYSTEMS[number].over is Over.GRAPH
