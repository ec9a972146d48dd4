"""Users, their deputies and log-ins, and employees (T2, T3, T6)."""

from collections.abc import Callable, Mapping, Sequence

from django.contrib.auth.hashers import is_password_usable
from django.db import transaction
from django.utils.translation import gettext as _

from mailsettings.changes.book import (
    Book,
    Objection,
    Refused,
    Trust,
    check_same_tenant,
    checked_sender,
    picture,
    plain_address,
    store,
)
from mailsettings.changes.claims import claim
from mailsettings.changes.parameters import sync_sender
from mailsettings.core.send_systems import Role
from mailsettings.models import Employee, Tenant, User

FIRM_ROLES = (Role.FIRM_ADMIN, Role.FIRM_USER, Role.SERVICE_USER)
COM_ROLES = (Role.COM_ADMIN, Role.COM_USER, Role.SERVICE_USER)

# Called after COMMIT with a user who was deactivated, or activated again: whoever keeps something of theirs passes it on (T6).
departures: list[Callable[[User], None]] = []
# Called in the transaction in which a user's password is taken away: whoever keeps other ways to log in forgets them.
shut_out: list[Callable[[User], None]] = []
_AUDITED = ("name", "email", "role", "is_active", "language")


def save_user(
    book: Book,
    *,
    login: str,
    name: str,
    role: Role,
    tenant: Tenant | None,
    email: str = "",
    active: bool | None = None,
    password: str | None = None,
    language: str | None = None,
) -> User:
    """Create or update a user by its user-ID; `password` counts only where the user is made. Raises Refused."""
    user = User.objects.filter(login=login).first()
    created = user is None
    user = user or User(login=login, tenant=tenant, role=role)
    if user.tenant_id != (tenant.pk if tenant else None):
        raise Refused(
            [Objection("id", "user_elsewhere", _("The user ID %(id)s exists already at another tenant.") % {"id": login})]
        )
    _check_role(role, tenant)
    before = {} if created else picture(user, *_AUDITED)
    user.name, user.email, user.role = name, plain_address("email", email), role
    user.is_active = user.is_active if active is None else active
    user.language = user.language if language is None else language
    if created:
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()
    store(user)
    book.note(tenant, "user", login, before, picture(user, *_AUDITED))
    if not created and before["is_active"] != user.is_active:
        transaction.on_commit(lambda: _tell_departure(user), robust=True)
    if tenant is not None and book.trust is not Trust.CLAIMANT:  # where to reach somebody, no sender: nobody is asked
        claim(book, tenant, "email", [user.email], [before.get("email", "")])
    return user


def refuse_losing_administrator(user: User, *, role: Role, active: bool, actor: User) -> None:
    """T2: nobody takes their own rights, and the last active administrator of a tenant stays. Forms and API call it.

    Raises Refused.
    """
    loses_role, leaves = user.role_enum is not role, user.is_active and not active
    if user.pk == actor.pk and (loses_role or leaves):
        message = _("You cannot change your own role or deactivate yourself (rule T2). Another administrator does that.")
        raise Refused([Objection("is_active" if leaves else "role", "own_rights", message)])
    if not (user.is_active and user.role_enum.administers) or (active and role.administers):
        return
    tenant = Tenant.objects.select_for_update(of=("self",)).get(users=user)  # two at once would each see the other
    others = tenant.users.filter(is_active=True, role__in=[each for each in Role if each.administers]).exclude(pk=user.pk)
    if not others.exists():
        message = _(
            "%(user)s is the last active administrator of %(tenant)s (rule T2). Make somebody else an administrator first."
        )
        words = {"user": user.login, "tenant": tenant.name}
        raise Refused([Objection("is_active" if leaves else "role", "last_administrator", message % words)])


def set_deputy(book: Book, user: User, deputy: User | None) -> None:
    """Name who takes a user's jobs over when they leave (T6). Raises Refused."""
    _check_deputy(user, deputy)
    before = {"deputy": user.deputy.login if user.deputy else None}
    user.deputy = deputy
    user.save(update_fields=["deputy"])
    book.note(user.tenant, "user", user.login, before, {"deputy": deputy.login if deputy else None})


def refuse_deputy(user: User, deputy: User | None) -> None:
    """T6: a deputy is there, and nobody stands in for somebody who in the end stands in for them. Forms and API call it.

    Raises Refused.
    """
    if deputy is None:
        return
    if not deputy.is_active:
        message = _("The user %(deputy)s is deactivated and can stand in for nobody (rule T6). Choose an active user.")
        raise Refused([Objection("deputy", "deputy_inactive", message % {"deputy": deputy.login})])
    seen: set[int] = set()
    link: User | None = deputy
    while link is not None and link.pk not in seen:
        if link.pk == user.pk:
            message = _(
                "%(user)s already stands in for %(deputy)s, directly or through others (rule T6). Choose somebody else, "
                "or change the deputy there first."
            )
            raise Refused([Objection("deputy", "deputy_cycle", message % {"user": user.login, "deputy": deputy.login})])
        seen.add(link.pk)
        link = link.deputy


def set_password(book: Book, user: User, password: str | None) -> None:
    """Set a user's log-in password; None takes it away, so that nobody logs in with this user-ID."""
    known = is_password_usable(user.password)
    if password is None and not known:
        return
    user.set_password(password)
    user.save(update_fields=["password"])
    for forget in shut_out if password is None else ():
        forget(user)
    before, after = ({}, {"changed": True}) if password is not None else ({"set": True}, {})
    book.note(user.tenant, "log-in password", user.login, before, after)


def save_appearance(user: User, *, language: str | None = None, theme: str | None = None) -> None:
    """Remember the language and colour scheme a user chose; a matter of taste, not audited."""
    if language is not None:
        user.language = language
    if theme is not None:
        user.theme = theme
    user.save(update_fields=["language", "theme"])


def save_employee(
    book: Book,
    *,
    tenant: Tenant,
    number: str,
    name: str,
    email: str = "",
    additional_emails: Sequence[str] = (),
    user: User | None = None,
    active: bool | None = None,
    sync: bool = True,
) -> Employee:
    """Create or update an employee; `sync` carries the e-mail into the linked user's own sender address (P6). Raises Refused."""
    employee = Employee.objects.filter(tenant=tenant, number=number).first() or Employee(tenant=tenant, number=number)
    _check_link(employee, user, tenant)
    before = picture(employee, "name", "email", "additional_emails", "user_id", "is_active") if employee.pk else {}
    employee.name, employee.user = name, user
    employee.email = checked_sender("email", email)
    employee.additional_emails = [
        checked_sender("additional_emails", address) for address in additional_emails if address.strip()
    ]
    employee.is_active = employee.is_active if active is None else active
    store(employee)
    after = picture(employee, "name", "email", "additional_emails", "user_id", "is_active")
    book.note(tenant, "employee", f"{tenant.slug}/{number}", before, after)
    known = [before.get("email", ""), *before.get("additional_emails", [])]
    claim(book, tenant, "email", [employee.email], known)
    claim(book, tenant, "additional_emails", employee.additional_emails, known)
    if before != after:
        book.policy_changed(tenant)
    if sync and moves_sender(before, after):
        sync_sender(book, employee)
    return employee


def moves_sender(before: Mapping[str, object], after: Mapping[str, object]) -> bool:
    """Whether P6 has something to say after a change of an employee: e-mail or link are others, or count again."""
    return any(before.get(key) != after.get(key) for key in ("email", "user_id", "is_active"))


def roles_at(tenant: Tenant | None) -> tuple[Role, ...]:
    """The roles that users of a tenant can have; None: of no tenant (T2)."""
    if tenant is None:
        return (Role.OPERATOR,)
    return COM_ROLES if tenant.is_com_customer else FIRM_ROLES


def _tell_departure(user: User) -> None:
    for pass_on in departures:
        pass_on(user)


def _check_role(role: Role, tenant: Tenant | None) -> None:
    possible = roles_at(tenant)
    if role not in possible:
        message = _("The role %(role)s is not possible here; possible are: %(possible)s.")
        raise Refused([Objection("role", "role", message % {"role": role, "possible": ", ".join(sorted(possible))})])


def _check_deputy(user: User, deputy: User | None) -> None:
    if deputy is not None and (deputy.tenant_id != user.tenant_id or deputy.login == user.login):
        raise Refused([Objection("deputy", "deputy", _("A deputy is another user of the same tenant."))])


def _check_link(employee: Employee, user: User | None, tenant: Tenant) -> None:
    check_same_tenant("user", user, tenant)
    other = Employee.objects.filter(user=user).exclude(pk=employee.pk).first() if user else None
    if other:
        message = _("The user ID %(user)s is already linked to the employee %(name)s.") % {"user": user, "name": other.name}
        raise Refused([Objection("user", "user_linked", message)])
