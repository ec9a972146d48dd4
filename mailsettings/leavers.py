"""Who has left and is still named (T6): listed, each with the page where it is changed, until somebody decides."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from mailsettings.core.addresses import key_of
from mailsettings.core.parameters import SECRET_KEYS, locked_keys
from mailsettings.models import EmailAccount, Employee, ParameterSet, PrintModelAccount, Tenant, User
from mailsettings.wording import PARAMETER_LABELS

_WITH_ADDRESS = ("sender_address", "smtp_user", "redirect_addresses")  # parameters that may name a mailbox


class Mention(NamedTuple):
    """One place that still names somebody: a sentence, and the page where it is changed."""

    text: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Leaver:
    """A deactivated user or employee, and what still names them."""

    name: str
    kind: str
    url: str
    mentions: tuple[Mention, ...]


# Gives, by primary key, what another app still keeps of users; the app with the mail jobs adds its own.
pending: list[Callable[[Sequence[User]], Mapping[int, Sequence[Mention]]]] = []


def mentions_of(person: User | Employee) -> tuple[Mention, ...]:
    """What names a user or an employee as things stand, whether they have left or not."""
    if person.tenant is None:
        return ()
    user = person if isinstance(person, User) else person.user
    ground = _ground_of(person.tenant)
    kept = _pending([user] if user else [])
    return (*_mentions(ground, person), *(kept.get(user.pk, ()) if user else ()))


def still_named(tenant: Tenant) -> list[Leaver]:
    """The deactivated users and employees of a tenant that something still names, users first."""
    users = list(tenant.users.filter(is_active=False).select_related("employee", "deputy", "tenant__firm"))
    employees = Employee.objects.filter(tenant=tenant, is_active=False).exclude(user__is_active=False).select_related("user")
    people: list[User | Employee] = [*users, *employees]
    if not people:
        return []
    ground, kept = _ground_of(tenant), _pending(users)
    found = []
    for person in people:
        of_jobs = kept.get(person.pk, ()) if isinstance(person, User) else ()
        if mentions := (*_mentions(ground, person), *of_jobs):
            found.append(_leaver(person, mentions))
    return found


def _leaver(person: User | Employee, mentions: tuple[Mention, ...]) -> Leaver:
    if isinstance(person, User):
        return Leaver(f"{person.name} ({person.login})", _("User"), _url("user", person.pk), mentions)
    return Leaver(person.name, _("Employee"), _url("employee", person.pk), mentions)


def _pending(users: Sequence[User]) -> dict[int, list[Mention]]:
    found: dict[int, list[Mention]] = {}
    for ask in pending if users else ():
        for pk, mentions in ask(users).items():
            found.setdefault(pk, []).extend(mentions)
    return found


@dataclass(frozen=True, slots=True)
class _Ground:
    """Everything of a tenant that can name somebody."""

    tenant: Tenant
    accounts: Sequence[EmailAccount]
    own_accounts: Sequence[PrintModelAccount]
    sets: Sequence[ParameterSet]  # of the tenant, of a firm's Com customers, of the tenant's users
    users: Sequence[User]
    employees: Sequence[Employee]


def _ground_of(tenant: Tenant) -> _Ground:
    models = PrintModelAccount.objects.filter(print_model__tenant=tenant, print_model__is_active=True)
    of_tenant = Q(tenant=tenant) | Q(tenant__firm=tenant) | Q(user__tenant=tenant)
    return _Ground(
        tenant,
        list(EmailAccount.objects.filter(tenant=tenant, is_active=True).prefetch_related("print_models")),
        list(models.select_related("print_model", "account").order_by("print_model__slug")),
        list(ParameterSet.objects.filter(of_tenant).select_related("tenant", "user").prefetch_related("secrets")),
        list(tenant.users.filter(is_active=True)),
        list(Employee.objects.filter(tenant=tenant)),
    )


def _mentions(ground: _Ground, person: User | Employee) -> Iterator[Mention]:
    if isinstance(person, User):
        employee = next((row for row in ground.employees if row.user_id == person.pk), None)
        yield from _of_accounts(ground, person)
        yield from _of_own_settings(ground, person)
        yield from _of_people(ground, person, employee)
        yield from _of_addresses(ground, person.login, person, employee)
        return
    user = next((row for row in ground.users if row.pk == person.user_id), None)
    if user is not None:
        words = {"user": user.login, "who": person.name}
        yield Mention(_("The user %(user)s is active and linked to %(who)s.") % words, _url("employee", person.pk))
    yield from _of_addresses(ground, person.name, None, person)


def _of_accounts(ground: _Ground, user: User) -> Iterator[Mention]:
    for account in ground.accounts:
        if account.user_id == user.pk:
            models = ", ".join(sorted(model.slug for model in account.print_models.all() if model.is_active))
            words = {"account": account.slug, "who": user.login, "models": models}
            text = _("The e-mail account %(account)s belongs to %(who)s.") % words
            if models:
                text += " " + _("These print models send with it: %(models)s.") % words
            yield Mention(text, _url("account", account.pk))
    for row in ground.own_accounts:
        if row.user_id == user.pk:
            words = {"model": row.print_model.slug, "account": row.account.slug, "who": user.login}
            text = _("The print model %(model)s has the e-mail account %(account)s for %(who)s.") % words
            yield Mention(text, _url("print_model", row.print_model_id))


def _of_own_settings(ground: _Ground, user: User) -> Iterator[Mention]:
    """Addresses, log-in and passwords that stand in the user's own settings, and may be taken out there."""
    locked = _locked_above_users(ground.tenant)
    for row in ground.sets:
        keys = {*row.values, *(secret.key for secret in row.secrets.all())} if row.user_id == user.pk else set()
        named = [key for key in (*_WITH_ADDRESS, *SECRET_KEYS) if key in keys - locked]
        if named:
            labels = ", ".join(_say_value(key, row.values) for key in named)
            text = _("%(who)s has own settings: %(parameters)s.") % {"who": user.login, "parameters": labels}
            yield Mention(text, _url("user_settings", user.pk))


def _of_people(ground: _Ground, user: User, employee: Employee | None) -> Iterator[Mention]:
    if employee is not None and employee.is_active:
        words = {"employee": employee.name, "who": user.login}
        yield Mention(_("The employee %(employee)s is active and linked to %(who)s.") % words, _url("employee", employee.pk))
    for other in ground.users:
        if other.deputy_id == user.pk:
            words = {"user": other.login, "who": user.login}
            yield Mention(_("The user %(user)s has %(who)s as deputy.") % words, _url("user", other.pk))


def _of_addresses(ground: _Ground, who: str, user: User | None, employee: Employee | None) -> Iterator[Mention]:
    """Where an address that was theirs alone is still entered."""
    theirs = _addresses_of(ground, user, employee)
    for row in ground.sets if theirs else ():
        if row.user is not None and (row.user == user or not row.user.is_active):
            continue
        for key in _WITH_ADDRESS:
            for address in _texts(row.values.get(key)):
                if key_of(address) in theirs:
                    yield _in_settings(ground, row, key, {"address": address, "who": who})
    for account in ground.accounts if theirs else ():
        if (user is None or account.user_id != user.pk) and key_of(account.sender_address) in theirs:
            words = {"account": account.slug, "address": account.sender_address, "who": who}
            text = _("The e-mail account %(account)s sends as %(address)s, an address of %(who)s.") % words
            yield Mention(text, _url("account", account.pk))


def _in_settings(ground: _Ground, row: ParameterSet, key: str, words: Mapping[str, str]) -> Mention:
    words = {**words, "parameter": str(PARAMETER_LABELS[key])}
    if row.tenant is not None:
        text = _("“%(parameter)s” in the general settings of %(tenant)s names %(address)s, an address of %(who)s.")
        elsewhere = f"?tenant={row.tenant.slug}"
        return Mention(text % {**words, "tenant": row.tenant.name}, _url("settings") + elsewhere)
    text = _("“%(parameter)s” in the own settings of %(user)s names %(address)s, an address of %(who)s.")
    return Mention(text % {**words, "user": row.user.login if row.user else ""}, _url("user_settings", row.user_id))


def _addresses_of(ground: _Ground, user: User | None, employee: Employee | None) -> set[str]:
    """The addresses that are nobody's but theirs: what colleagues have too, such as office@, is no leaver's."""
    own = next((row.values.get("sender_address") for row in ground.sets if user and row.user_id == user.pk), None)
    theirs = [user.email if user else "", employee.email if employee else "", str(own or "")]
    shared = list(employee.additional_emails) if employee else []
    for colleague in ground.employees:
        if colleague.is_active and colleague != employee:
            shared += colleague.addresses
    themselves = {user.pk if user else None, employee.user_id if employee else None}
    shared += [colleague.email for colleague in ground.users if colleague.pk not in themselves]
    return _keys(theirs) - _keys(shared)


def _keys(addresses: Iterable[str]) -> set[str]:
    return {key for key in map(key_of, addresses) if key}


def _locked_above_users(tenant: Tenant) -> frozenset[str]:
    firm = [*tenant.firm.locked, *tenant.firm.locked_by_operator] if tenant.firm else []
    return locked_keys(frozenset([*tenant.locked, *tenant.locked_by_operator, *firm]))


def _texts(value: object) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    return [text for text in texts if isinstance(text, str)]


def _say_value(key: str, values: Mapping[str, object]) -> str:
    """A parameter by its name, addresses with what is entered there."""
    label, texts = str(PARAMETER_LABELS[key]), _texts(values.get(key)) if key in _WITH_ADDRESS else []
    return f"{label} {', '.join(texts)}" if texts else label


def _url(name: str, pk: int | None = None) -> str:
    """The address of a page, empty where this installation has no such page."""
    try:
        return reverse(name, args=[pk] if pk is not None else [])
    except NoReverseMatch:
        return ""
