"""The connections of the settings as workers share them: whose they are, what limits them, who may release them (J8, T4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from mailjobs.core.limits import Limits, limits_of
from mailjobs.core.providers import Preset, preset_of
from mailjobs.models import WAITING_STATES, SessionLease, SharedConnection
from mailjobs.selectors import jobs_visible_to
from mailsettings.access import tenants_visible_to
from mailsettings.core.facts import AccountFacts, Facts, Request, UserFacts
from mailsettings.core.parameters import ParameterLevel, in_force, resolve
from mailsettings.core.relay import Connection, decide_relay
from mailsettings.core.send_systems import Over, Role
from mailsettings.models import EmailAccount, ParameterSet, Tenant, User
from mailsettings.selectors import World, world_of

_NAMES_ONE = ["smtp_server", "smtp_user", "ews_url", "ews_auth", "oauth_client_id", "send_system"]
_LONGEST = 400  # of a key, as it is stored


@dataclass(slots=True)
class Known:
    """A connection that the settings name. `places`: (tenant's name, account's or user's ID, empty for the general settings)."""

    connection: Connection
    max_connections: int | None
    per_minute: int | None
    per_day: int | None
    firms: bool  # its login is the firm's
    facts: Facts  # of the first place
    account: AccountFacts | None
    places: list[tuple[str, str]] = field(default_factory=list)
    tenants: list[int] = field(default_factory=list)  # whose it is: of the firm's login the firm alone

    @property
    def preset(self) -> Preset:
        by_smtp = self.connection.system.over is Over.SMTP
        return preset_of(self.connection.host if by_smtp else self.connection.web_address, self.connection.send_system)

    def limits(self, shared: SharedConnection) -> Limits:
        """What holds for it now: set, else the provider's, or less where the server was found to take less."""
        return limits_of(
            preset=self.preset,
            max_connections=self.max_connections,
            per_minute=self.per_minute,
            per_day=self.per_day,
            learned_sessions=shared.learned_sessions,
            learned_per_minute=shared.learned_per_minute,
        )


def known_to(reader: User) -> dict[str, Known]:
    """Key → connection, of the tenants that this reader administers; of a Com customer none that is its firm's too."""
    tenants = list(tenants_visible_to(reader).select_related("firm"))
    if reader.tenant is None or not reader.tenant.is_com_customer:
        return _known(tenants)
    own = {key: known for key, known in _known(tenants).items() if not known.firms}
    firms = _known([reader.tenant.firm]) if reader.tenant.firm else {}
    return {key: known for key, known in own.items() if key not in firms}


def known_at(tenant: Tenant) -> dict[str, Known]:
    """Key → connection of this tenant's own settings; of a Com customer none that is its firm's."""
    return {key: known for key, known in _known([tenant]).items() if not tenant.is_com_customer or not known.firms}


def known_everywhere() -> dict[str, Known]:
    """Key → connection, of the whole installation."""
    return _known(list(Tenant.objects.select_related("firm")))


def shared_with(reader: User, known: dict[str, Known]) -> QuerySet[SharedConnection]:
    """The rows that this reader may see and release: an operator all, others those that their settings name."""
    rows = SharedConnection.objects.order_by("key")
    return rows if reader.is_operator else rows.filter(key__in=list(known))


def open_sessions(shared: Sequence[SharedConnection]) -> dict[int, int]:
    """Connection → how many sessions all workers have open."""
    rows = SessionLease.objects.filter(connection__in=[row.pk for row in shared], until__gt=Now())
    return dict(rows.order_by().values_list("connection").annotate(Count("pk")))


def waiting_of(reader: User, shared: Sequence[SharedConnection]) -> dict[int, int]:
    """Connection → how many of the mails that the reader sees wait for it."""
    rows = jobs_visible_to(reader).filter(connection__in=[row.pk for row in shared], state__in=WAITING_STATES)
    return dict(rows.order_by().values_list("connection").annotate(Count("pk")))


def _known(tenants: Sequence[Tenant]) -> dict[str, Known]:
    """Tenants without any connection setting of their own add nothing to their firm's and are not read."""
    found: dict[str, Known] = {}
    sets = ParameterSet.objects.filter(values__has_any_keys=_NAMES_ONE)
    naming = set(EmailAccount.objects.values_list("tenant", flat=True)) | set(sets.values_list("tenant", flat=True))
    users: dict[int | None, list[User]] = {}
    for user in User.objects.filter(pk__in=sets.exclude(user=None).values("user"), is_active=True):
        users.setdefault(user.tenant_id, []).append(user)
    for tenant in tenants:
        if tenant.pk in naming or tenant.pk in users or not tenant.is_com_customer:
            world = world_of(tenant, users.get(tenant.pk, []), in_use={})
            for facts, account, place in _cases(world):
                _add(found, facts, account, tenant, place)
    return found


def _cases(world: World) -> Iterator[tuple[Facts, AccountFacts | None, str]]:
    """The general settings, each account over them, each user with settings of their own; and whose each is."""
    nobody = UserFacts("", Role.FIRM_USER)
    general = Facts(user=nobody, tenant=world.tenant, layers=in_force(world.generals), request=Request())
    yield general, None, ""
    for account in world.accounts.values():
        if account.active:
            yield general, account, account.id
    for login in world.users:
        yield world.facts_for(login, Request()), None, login


def _add(found: dict[str, Known], facts: Facts, account: AccountFacts | None, tenant: Tenant, name: str) -> None:
    connection = decide_relay(facts, account).connection
    if connection is None:
        return
    key = connection.key[:_LONGEST]
    if key not in found:
        found[key] = Known(
            connection,
            max_connections=limit_of(facts, connection, "max_connections"),
            per_minute=limit_of(facts, connection, "per_minute"),
            per_day=limit_of(facts, connection, "per_day"),
            firms=connection.level == ParameterLevel.FIRM,
            facts=facts,
            account=account,
        )
    place, owner = (tenant.name, name), tenant.firm_id if connection.level == ParameterLevel.FIRM else None
    if (owner or tenant.pk) not in found[key].tenants:
        found[key].tenants.append(owner or tenant.pk)
    if place not in found[key].places:
        found[key].places.append(place)


def limit_of(facts: Facts, connection: Connection, key: str) -> int | None:
    own = connection.server.number(key)
    value = resolve(facts.layers, key).value if own is None else own
    return value if isinstance(value, int) else None
