"""Claimed jobs → hand-overs: the relay read anew, the policies judged once more, redirect applied in front of every transport.

What is sent is frozen, how is not: correcting a password is enough (delivery contract 2, 1).
"""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.db import Error as DatabaseError

from mailjobs.core.envelope import Endpoint, Envelope
from mailjobs.core.plan import Channel, Hold, Refusal, hold_now, redirect_now
from mailjobs.core.redirect import Redirect, in_force, is_address, is_captured, rewrite
from mailjobs.models import FrozenMail, JobRecipient, MailJob, RecipientStateChoices
from mailjobs.queue import paused_logins, with_people
from mailjobs.refusals import details_of
from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.core.facts import Facts, Request
from mailsettings.core.parameters import Holder, ParameterLevel, resolve, switched_on
from mailsettings.core.relay import Connection, decide_relay, refuse_relay
from mailsettings.core.send_systems import Over, Stage
from mailsettings.core.sender import Origin, judge_address
from mailsettings.models import Tenant, User
from mailsettings.selectors import World, find_secret, world_of
from mailsettings.vault import SecretUnreadable, unseal

DEFAULT_SESSIONS = 3  # connections at once per login, where no parameter says otherwise (delivery contract 4)


@dataclass(frozen=True, slots=True)
class Ready:
    """A mail that can go: to whom, over what, and under which policies that was decided."""

    job: MailJob
    endpoint: Endpoint
    login: str  # `Connection.key`
    fingerprint: str  # of the settings, the secret among them: sessions are shared by it
    envelope: Envelope
    open_recipients: tuple[str, ...]  # the job's; with redirect others than the envelope's
    redirected_to: tuple[str, ...] | None
    policy_stamp: int
    sessions: int | None
    give_up_hours: int
    keep: bool
    accepted_before: int = 0  # how many recipients earlier tries settled
    refused_before: int = 0

    @property
    def tenant_ids(self) -> tuple[int, ...]:
        tenant = self.job.tenant
        return (tenant.pk,) if tenant.firm_id is None else (tenant.pk, tenant.firm_id)


@dataclass(frozen=True, slots=True)
class Barred:
    """A mail that may not go: refused for good. `details` for the words, as `refusals` gives them."""

    job: MailJob
    refusal: Refusal
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A mail that goes back: its login is paused (J8)."""

    job: MailJob
    login: str


@dataclass(frozen=True, slots=True)
class Held:
    """A mail that waits for a person: what made it so came after it was queued, or was only now its turn (P8, U5, U6, ladder)."""

    job: MailJob
    hold: Hold


@dataclass(frozen=True, slots=True)
class Broken:
    """A mail about which nothing could be decided; it is set aside, and the others of its batch go."""

    job: MailJob
    error: Exception


Prepared = Ready | Barred | Waiting | Held | Broken


@dataclass(frozen=True, slots=True)
class Loaded:
    """A mail just before its envelope is said; the bytes are those of a Ready one."""

    item: Prepared
    headers: bytes = field(default=b"", repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(slots=True)
class _Batch:
    """What the jobs of one batch share, so that settings are read once per user and secrets once per login."""

    worlds: dict[int, World] = field(default_factory=dict)
    secrets: dict[tuple[str, str, str], str | None] = field(default_factory=dict)


def prepare(jobs: Sequence[MailJob]) -> list[Prepared]:
    """Decide how each claimed job leaves now."""
    batch = _Batch()
    recipients: dict[int, dict[str, str]] = defaultdict(dict)
    for job_id, address, state in JobRecipient.objects.filter(job__in=[job.pk for job in jobs]).values_list(
        "job_id", "address", "state"
    ):
        recipients[job_id][address] = state
    prepared = [_prepared(batch, job, recipients[job.pk]) for job in jobs]
    paused = paused_logins(item.login for item in prepared if isinstance(item, Ready))
    return [
        Waiting(item.job, item.login) if isinstance(item, Ready) and paused.get(item.login) == item.fingerprint else item
        for item in prepared
    ]


def load(items: Sequence[Ready]) -> list[Loaded]:
    """The mails as they go over the wire, decided anew where a policy has changed since they were prepared.

    `mark_on_wire` judges once more, but can only break the connection off, mail after mail.
    """
    return [_load(item) if isinstance(item, Ready) else Loaded(item) for item in _renew(items)]


def _load(ready: Ready) -> Loaded:
    """With redirect only the headers differ from the frozen ones (J10, U1)."""
    try:
        frozen = FrozenMail.objects.get(pk=ready.job.pk)
        headers, body = bytes(frozen.headers), bytes(frozen.body)
        if ready.redirected_to is not None:
            headers = rewrite(headers, ready.redirected_to, originals_of(ready.job))
    except DatabaseError:
        raise
    except Exception as error:
        return Loaded(Broken(ready.job, error))
    return Loaded(ready, headers, body)


def _renew(items: Sequence[Ready]) -> list[Prepared]:
    tenants = {tenant for item in items for tenant in item.tenant_ids}
    epochs = dict(Tenant.objects.filter(pk__in=tenants).values_list("pk", "policy_epoch"))
    stale = [item.job.pk for item in items if sum(epochs[tenant] for tenant in item.tenant_ids) != item.policy_stamp]
    if not stale:
        return list(items)
    fresh = {item.job.pk: item for item in prepare(list(with_people(MailJob.objects.filter(pk__in=stale))))}
    return [_same_lease(item, fresh.get(item.job.pk)) for item in items]


def _same_lease(item: Ready, fresh: Prepared | None) -> Prepared:
    """What was decided anew, unless somebody else has the job by now: then the mark refuses what was decided before."""
    return fresh if fresh is not None and fresh.job.epoch == item.job.epoch else item


def originals_of(job: MailJob) -> dict[str, list[str]]:
    """A job's real recipients by kind."""
    originals: dict[str, list[str]] = defaultdict(list)
    for kind, address in JobRecipient.objects.filter(job=job).values_list("kind", "address"):
        originals[kind].append(address)
    return originals


def judge(facts: Facts, job: MailJob) -> Barred | Held | None:
    """The policies of now about a stored mail, and the stricter of then and now (C3, P8, U2, U4, ladder); None: it may go."""
    redirect = redirect_now(facts)
    goes_to = redirected(job, redirect)
    if not redirect.readable or (goes_to is not None and not (goes_to and all(map(is_address, goes_to)))):
        return Barred(job, Refusal.REDIRECT_UNREADABLE)
    if refused := _refuse_sender(facts, job):
        return Barred(job, refused, details_of(facts, address=job.sender_address, level=job.sender_level))
    hold = _hold(facts, job, redirect)
    return Held(job, hold) if hold else None


def redirected(job: MailJob, redirect: Redirect) -> tuple[str, ...] | None:
    """Who gets a job instead of its recipients, None where nobody does (U4)."""
    then = job.redirected_then
    return in_force(redirect, None if then is None else tuple(then) if isinstance(then, list) else ())


def _hold(facts: Facts, job: MailJob, redirect: Redirect) -> Hold | None:
    """Whom the mail must wait for now, those aside who have let it go."""
    if job.restored and Hold.RESTORED not in job.approved:
        return Hold.RESTORED
    if is_captured(redirect, then=job.captured_then, released=Hold.CAPTURED in job.approved):
        return Hold.CAPTURED
    if hold := hold_now(facts, as_firm=job.sender_origin == Origin.FIRM, approved=job.approved):
        return hold
    drafted = facts.print_model is not None and facts.print_model.stage is Stage.DRAFT
    by_client = Channel(job.channel).by_client
    if drafted and not by_client and Hold.STAGE_HELD not in job.approved:
        return Hold.STAGE_HELD
    return Hold.BY_CLIENT if by_client and job.held_reason != Hold.BY_CLIENT else None


def _refuse_sender(facts: Facts, job: MailJob) -> Refusal | None:
    """C3: the frozen sender, judged once more by the settings of now; without one the mail client chooses."""
    if not job.sender_address and Channel(job.channel).by_client:
        return None
    try:
        mailbox = parse_sender(job.sender_address)
    except AddressInvalid:
        return Refusal.NO_SENDER
    refused = judge_address(facts, mailbox, Origin(job.sender_origin) if job.sender_origin else None)
    return Refusal(refused.value) if refused else None


def _prepared(batch: _Batch, job: MailJob, recipients: dict[str, str]) -> Prepared:
    try:
        return _prepare(batch, job, recipients)
    except DatabaseError:
        raise
    except Exception as error:
        return Broken(job, error)


def _prepare(batch: _Batch, job: MailJob, recipients: dict[str, str]) -> Prepared:
    world = _world(batch, job.user)
    facts = world.facts_for(job.user.login, request_of(job))
    if stopped := judge(facts, job):
        return stopped
    account = world.accounts.get(job.account_id or 0)
    account = account if account and account.active else None
    connection = decide_relay(facts, account, job.sender_level).connection
    if connection is None:
        return Barred(job, Refusal.NO_CONNECTION, details_of(facts, address=job.sender_address, level=job.sender_level))
    refused = refuse_relay(facts, connection, account)
    secret = None if refused else _secret(batch, connection)
    if secret is None:
        details = details_of(facts, address=job.sender_address, level=job.sender_level, connection=connection)
        return Barred(job, Refusal(refused.value) if refused else Refusal.SECRET_NEEDED, details)
    return _ready(
        job,
        facts,
        connection,
        _endpoint(facts, connection, secret),
        policy_stamp=world.policy_stamp,
        redirected_to=redirected(job, redirect_now(facts)),
        recipients=recipients,
    )


def _ready(
    job: MailJob,
    facts: Facts,
    connection: Connection,
    endpoint: Endpoint,
    *,
    policy_stamp: int,
    redirected_to: tuple[str, ...] | None,
    recipients: dict[str, str],
) -> Ready:
    states = list(recipients.values())
    settled = (RecipientStateChoices.ACCEPTED, RecipientStateChoices.REFUSED)
    still_open = tuple(address for address, state in recipients.items() if state not in settled)
    goes_to = still_open if redirected_to is None else tuple(dict.fromkeys(map(_bare, redirected_to)))
    hours = resolve(facts.layers, "give_up_hours").value
    return Ready(
        job=job,
        endpoint=endpoint,
        login=connection.key,
        fingerprint=_fingerprint(endpoint),
        envelope=Envelope(job.sender_address, goes_to),
        open_recipients=still_open,
        redirected_to=redirected_to,
        policy_stamp=policy_stamp,
        sessions=connection.server.number("max_connections"),
        give_up_hours=hours if isinstance(hours, int) else 24,
        keep=job.direct or switched_on(facts.layers, "log_background_sends"),
        accepted_before=states.count(RecipientStateChoices.ACCEPTED),
        refused_before=states.count(RecipientStateChoices.REFUSED),
    )


def _bare(address: str) -> str:
    return parse_recipient(address).address


def _world(batch: _Batch, user: User) -> World:
    if user.pk not in batch.worlds:
        if user.tenant is None:
            raise ValueError("a mail of an operator")
        batch.worlds[user.pk] = world_of(user.tenant, [user])
    return batch.worlds[user.pk]


def request_of(job: MailJob) -> Request:
    """What a stored job asks for, for judging it once more."""
    return Request(print_model=job.print_model.slug if job.print_model else None, unattended=job.unattended)


def _secret(batch: _Batch, connection: Connection) -> str | None:
    """The unsealed secret, empty where none is needed, None where it cannot be read."""
    ref = connection.secret
    if ref is None:
        return ""
    place = (ref.owner, ref.key, ref.binding)
    if place not in batch.secrets:
        row = find_secret(ref.owner, ref.key)
        try:
            batch.secrets[place] = unseal(bytes(row.sealed), owner=ref.owner, key=ref.key, binding=ref.binding) if row else None
        except SecretUnreadable:
            batch.secrets[place] = None
    return batch.secrets[place]


def _endpoint(facts: Facts, connection: Connection, secret: str) -> Endpoint:
    server: Holder = connection.server
    firm = next((layer for layer in facts.layers if layer.level is ParameterLevel.FIRM), None)
    networks = firm.holder.items("allowed_networks") if firm else ()
    over_smtp = connection.system.over is Over.SMTP
    return Endpoint(
        host=connection.host if over_smtp else server.text("ews_url") or server.text("graph_url"),
        port=connection.port if over_smtp else 443,
        tls=connection.tls if over_smtp else "implicit",
        send_system=connection.send_system,
        username=connection.username,
        secret=secret,
        tls_min=server.text("smtp_tls_min") or "1.2",
        ca_certificate=server.text("ca_certificate"),
        allow_plain_auth=server.switch("allow_plain_auth") is True,
        ehlo_name=settings.EHLO_NAME,
        allowed_networks=(*settings.OUTBOUND_ALLOWED_NETWORKS, *networks),
        ca_file=settings.OUTBOUND_CA_FILE,
    )


def _fingerprint(endpoint: Endpoint) -> str:
    parts = (
        endpoint.host,
        str(endpoint.port),
        endpoint.tls,
        endpoint.tls_min,
        str(endpoint.send_system),
        endpoint.username,
        endpoint.secret,
        endpoint.ca_certificate,
        str(endpoint.allow_plain_auth),
    )
    return hashlib.sha256("\x00".join((settings.SECRET_KEY, *parts)).encode()).hexdigest()
