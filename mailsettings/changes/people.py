"""Users and employees (T2, T3, T6), and what check sender asks of both (C2)."""

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from mailsettings.changes.book import (
    Book,
    Objection,
    Refused,
    Trust,
    check_same_tenant,
    checked_sender,
    own_values,
    picture,
    plain_address,
    store,
    tenant_of,
)
from mailsettings.changes.claims import claim
from mailsettings.changes.parameters import sync_sender
from mailsettings.core.addresses import key_of
from mailsettings.core.parameters import on_anywhere
from mailsettings.core.send_systems import Role
from mailsettings.models import EmailAccount, Employee, Tenant, User
from mailsettings.selectors import general_layers

FIRM_ROLES = frozenset({Role.FIRM_ADMIN, Role.FIRM_USER, Role.SERVICE_USER})
COM_ROLES = frozenset({Role.COM_ADMIN, Role.COM_USER, Role.SERVICE_USER})


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
    before = {} if created else picture(user, "name", "email", "role", "is_active")
    user.name, user.email, user.role = name, plain_address("email", email), role
    user.is_active = user.is_active if active is None else active
    if created:
        if password:
            user.set_password(password)
        else:
            user.set_unusable_password()
    store(user)
    book.note(tenant, "user", login, before, picture(user, "name", "email", "role", "is_active"))
    if tenant is not None and book.trust is not Trust.CLAIMANT:  # where to reach somebody, no sender: nobody is asked
        claim(book, tenant, "email", [user.email], [before.get("email", "")])
    return user


def set_deputy(book: Book, user: User, deputy: User | None) -> None:
    """Name who takes a user's jobs over when they leave (T6). Raises Refused."""
    _check_deputy(user, deputy)
    before = picture(user, "deputy_id")
    user.deputy = deputy
    user.save(update_fields=["deputy"])
    book.note(user.tenant, "user", user.login, before, picture(user, "deputy_id"))


def set_password(book: Book, user: User, password: str) -> None:
    """Set a user's log-in password."""
    user.set_password(password)
    user.save(update_fields=["password"])
    book.note(user.tenant, "log-in password", user.login, {}, {"changed": True})


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
        if sync:
            sync_sender(book, employee)
    return employee


def refuse_own_sender(user: User, sender: str) -> None:
    """C2: at firms, a user's own sender address is one of the linked employee's. Forms and API call it, an import only warns.

    Raises Refused.
    """
    employee = _employee_at_firm(user)
    if sender and employee and key_of(sender) not in map(key_of, employee.addresses):
        message = _("%(sender)s is none of the e-mail addresses of the linked employee %(employee)s.")
        words = {"sender": sender, "employee": employee.name}
        raise Refused([Objection("sender_address", "not_on_employee", message % words)])


def refuse_vanishing_address(employee: Employee, before: Iterable[str]) -> None:
    """C2: none of the addresses an employee had `before` vanishes while the linked user sends with it.

    Forms and API call it inside the change, when P6 has had its say; an import only warns.
    Raises Refused, naming what depends on it.
    """
    user = employee.user
    if user is None or _employee_at_firm(user) is None:
        return
    vanished = set(map(key_of, before)) - set(map(key_of, employee.addresses))
    own = str(own_values(user).get("sender_address", ""))
    if own and key_of(own) in vanished:
        message = _("The own settings of the user %(user)s still send as %(sender)s.") % {"user": user.login, "sender": own}
        raise Refused([Objection("email", "address_in_use", message)])
    account = EmailAccount.objects.filter(user=user, is_active=True).first()
    if account and key_of(account.sender_address) in vanished and _checks_sender(user):
        message = _("The e-mail account %(account)s of the user %(user)s still sends as %(sender)s, and “Check sender” is on.")
        words = {"account": account.slug, "user": user.login, "sender": account.sender_address}
        raise Refused([Objection("email", "address_in_use", message % words)])


def _employee_at_firm(user: User) -> Employee | None:
    """The linked employee of a firm's user, about whom C2 speaks."""
    if user.tenant is None or user.tenant.is_com_customer:
        return None
    return Employee.objects.filter(user=user).first()


def _checks_sender(user: User) -> bool:
    return own_values(user).get("check_sender") is True or on_anywhere(general_layers(tenant_of(user)), "check_sender")


def _check_role(role: Role, tenant: Tenant | None) -> None:
    possible = {Role.OPERATOR} if tenant is None else COM_ROLES if tenant.is_com_customer else FIRM_ROLES
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
