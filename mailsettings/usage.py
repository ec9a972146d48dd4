"""Who would use a print model or an e-mail account, from the decision that every mail takes and not from what is written down.

The same walk over R1 as for a mail (`core.sender`), over one reading of the settings. What lies behind the sender (connection,
redirect, holds of the ladder) is not told here; the sender matrix has it.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from mailsettings.core.facts import AccountFacts, Facts, PrintModelFacts, Request
from mailsettings.core.send_systems import DeliveryMode, SendsAsFirm, Stage
from mailsettings.core.sender import SenderDecision, SenderLevel, decide_sender, refuse_sender
from mailsettings.models import EmailAccount, PrintModel, PrintModelAccount, Tenant
from mailsettings.selectors import World, world_of
from mailsettings.wording import LEVEL_LABELS, SENDER_REFUSALS

WITHOUT = ""  # mail without a print model
NAMED = 12  # users that one line names; the others are counted
FEW = 3  # addresses of one level that get a line each
_Alike = tuple[SenderLevel | None, str, tuple[str, ...]]  # level, address, hazards


@dataclass(frozen=True, slots=True)
class Use:
    """Users whose mail would go out alike, and by which print models (`WITHOUT` among them).

    `address` is empty where there is none, or where `addresses` of them are told together; `hazards` are sentences.
    """

    print_models: tuple[str, ...]
    users: tuple[str, ...]
    level: SenderLevel | None
    address: str
    hazards: tuple[str, ...] = ()
    addresses: int = 1

    @property
    def level_label(self) -> str | Promise:
        return LEVEL_LABELS[self.level] if self.level else ""

    @property
    def named(self) -> str:
        return ", ".join(self.users[:NAMED])

    @property
    def more(self) -> int:
        return max(len(self.users) - NAMED, 0)

    @property
    def without(self) -> bool:
        """Whether mail without a print model is among it."""
        return WITHOUT in self.print_models

    @property
    def models(self) -> str:
        return ", ".join(slug for slug in self.print_models if slug != WITHOUT)


class Naming(NamedTuple):
    """One place that names an account, and why nobody's mail uses it there (empty where somebody's does)."""

    text: str
    unused: str


def active_world(tenant: Tenant) -> World:
    """The settings of a tenant with its active users: those who can send."""
    return world_of(tenant, tenant.users.filter(is_active=True).order_by("login"))


def senders_of(model: PrintModel, world: World) -> list[Use]:
    """As whom the active users would send by this print model, the largest group first."""
    groups: dict[_Alike, list[str]] = defaultdict(list)
    for login in world.users:
        facts, decision = _decide(world, login, model.slug)
        groups[decision.level, _address(decision), tuple(_hazards(facts, decision))].append(login)
    uses = (Use((model.slug,), tuple(users), *alike) for alike, users in groups.items())
    return sorted(_told_together(uses), key=lambda use: -len(use.users))


def uses_of(account: EmailAccount, world: World) -> list[Use]:
    """Whose mail would carry this account's address because the account gives it, and by which print models."""
    models = [slug for slug, model in world.print_models.items() if model.active]
    found: dict[tuple[tuple[str, ...], _Alike], list[str]] = defaultdict(list)
    for column in (WITHOUT, *models):
        groups: dict[_Alike, list[str]] = defaultdict(list)
        for login in _candidates(account.slug, world, column):
            facts, decision = _decide(world, login, column)
            if decision.offer and decision.offer.account and decision.offer.account.id == account.slug:
                groups[decision.level, _address(decision), tuple(_hazards(facts, decision))].append(login)
        for alike, users in groups.items():
            found[tuple(users), alike].append(column)
    return [Use(tuple(columns), users, *alike) for (users, alike), columns in found.items()]


def namings_of(account: EmailAccount, uses: Sequence[Use]) -> list[Naming]:
    """Where this account is written down, and whether that leads to anything; `uses` as `uses_of` gives them."""
    return list(_namings(account, uses))


def _decide(world: World, login: str, slug: str) -> tuple[Facts, SenderDecision]:
    facts = world.facts_for(login, Request(print_model=slug or None))
    return facts, decide_sender(facts, client_possible=not facts.unattended and _client_possible(facts.print_model))


def _client_possible(model: PrintModelFacts | None) -> bool:
    """Whether a mail client can complete the mail (M2); a print model at its lowest rung makes drafts for it."""
    return model is None or model.stage is Stage.DRAFT or model.mode is not DeliveryMode.BACKGROUND_SMTP


def _candidates(slug: str, world: World, column: str) -> Iterable[str]:
    """The users whose mail could carry the account's address at all: the print model names it, or it is theirs (A2)."""
    model = world.print_models.get(column)
    if model and _is(slug, model.account, *model.user_accounts.values()):
        return world.users
    return [login for login in world.users if _is(slug, world.own_accounts.get(login))]


def _is(slug: str, *accounts: AccountFacts | None) -> bool:
    return any(account is not None and account.id == slug for account in accounts)


def _address(decision: SenderDecision) -> str:
    if decision.mailbox is not None:
        return decision.mailbox.readable
    return decision.offer.address if decision.offer else ""


def _hazards(facts: Facts, decision: SenderDecision) -> Iterator[str]:
    """What stands in the way of such mail, and whose address it carries (P7, P8, T4, C1)."""
    if decision.level is None:
        yield _("Refused: no level yields a sender address (rule R5).")
    elif decision.level is SenderLevel.LOCAL_CLIENT:
        yield _("No level yields a sender address: the mail client decides.")
    if refused := refuse_sender(facts, decision):
        yield str(SENDER_REFUSALS[refused])
    elif facts.tenant.is_com_customer and decision.from_firm:
        match facts.tenant.sends_as_firm:
            case SendsAsFirm.ALLOW:
                yield _("Carries the firm's address instead of an own one (rule P8).")
            case SendsAsFirm.WARN:
                yield _("Would carry the firm's address: held until the sender confirms it (rule P8).")
            case SendsAsFirm.HOLD:
                yield _("Would carry the firm's address: held until the firm releases it (rule P8).")


def _told_together(uses: Iterable[Use]) -> Iterator[Use]:
    """Where many users have an address of their own at one level, one line for all of them."""
    levels: dict[tuple[SenderLevel | None, tuple[str, ...]], list[Use]] = defaultdict(list)
    for use in uses:
        levels[use.level, use.hazards].append(use)
    for members in levels.values():
        if len(members) <= FEW:
            yield from members
        else:
            users = tuple(sorted(login for member in members for login in member.users))
            yield replace(members[0], users=users, address="", addresses=len(members))


def _namings(account: EmailAccount, uses: Sequence[Use]) -> Iterator[Naming]:
    deactivated = "" if account.is_active else _("Unused: the account is deactivated.")
    if account.user is not None:
        text = _("The user %(user)s, wherever the print model names no other account") % {"user": account.user.login}
        gone = "" if account.user.is_active else _("Unused: the user is deactivated.")
        yield Naming(text, deactivated or gone)
    for model in account.print_models.order_by("slug"):
        text = _("The print model %(model)s") % {"model": model.slug}
        used = any(use.level is SenderLevel.PRINT_MODEL_ACCOUNT and model.slug in use.print_models for use in uses)
        yield Naming(text, deactivated or _unused(model, used=used))
    rows = PrintModelAccount.objects.filter(account=account).select_related("print_model", "user")
    for row in rows.order_by("print_model__slug", "user__login"):
        words = {"model": row.print_model.slug, "user": row.user.login}
        text = _("The print model %(model)s for the user %(user)s") % words
        gone = "" if row.user.is_active else _("Unused: the user is deactivated.")
        yield Naming(text, deactivated or gone or _unused(row.print_model, used=True))


def _unused(model: PrintModel, *, used: bool) -> str:
    if not model.is_active:
        return _("Unused: the print model is deactivated.")
    return "" if used else _("Unused: nobody active is left who has no account of their own there.")
