"""Checks of who sends as whom: sender addresses, check sender, employees, redirect, print models."""

from collections import defaultdict
from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from diagnostics.advisor.ground import Ground
from diagnostics.advisor.registry import Place, Severity, check, of_users
from mailjobs.core.plan import Hazard, Refusal
from mailsettings.core.addresses import key_of
from mailsettings.core.parameters import on_anywhere, resolve
from mailsettings.core.send_systems import Role, SendsAsFirm, Stage
from mailsettings.leavers import still_named

_FREE = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "gmx.at",
        "gmx.de",
        "gmx.net",
        "gmx.ch",
        "web.de",
        "t-online.de",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "icloud.com",
        "yahoo.com",
        "yahoo.de",
        "aon.at",
        "a1.net",
        "chello.at",
        "freenet.de",
    ]
)


@check(
    "no_general_sender",
    Severity.WARNING,
    _("No general sender address"),
    _("It is the last fallback for everybody: without it the mail of whoever has no own address does not go out. Enter one."),
    "settings",
)
def no_general_sender(ground: Ground) -> Iterable[Place]:
    if not ground.tenant.is_com_customer and not resolve(ground.layers, "sender_address").value:
        yield Place(ground.tenant.name, "settings")


@check(
    "sends_as_firm",
    Severity.WARNING,
    _("Com users would send as the firm"),
    _("Their mail would carry the firm's address. Enter a sender address of their own, general or for each user."),
    "settings",
)
def sends_as_firm(ground: Ground) -> Iterable[Place]:
    if ground.tenant.sends_as_firm != SendsAsFirm.HOLD:
        yield from of_users(ground.users_with(Hazard.SENDS_AS_FIRM))


@check(
    "no_sender",
    Severity.ERROR,
    _("Users without any sender address"),
    _("Their mail is refused. Enter a general sender address, or one for each of them."),
    "users",
)
def no_sender(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.NO_SENDER))


@check(
    "check_sender_no_employee",
    Severity.ERROR,
    _("Check sender is on, and users are linked to no employee"),
    _("Their mail is refused. Link each of them to the employee whose addresses they may use."),
    "employees",
)
def check_sender_no_employee(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.CHECK_SENDER_NO_EMPLOYEE))


@check(
    "check_sender_address",
    Severity.ERROR,
    _("Check sender is on, and senders are no address of the employee"),
    _("This mail is refused. Enter the address at the employee under further addresses, or let the user send with another one."),
    "employees",
)
def check_sender_address(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE))


@check(
    "employees_without_address",
    Severity.WARNING,
    _("Employees with a user but without an e-mail address"),
    _("Nothing can be written into their sender address, and Check sender would refuse all their mail. Enter the address."),
    "employees",
)
def employees_without_address(ground: Ground) -> Iterable[Place]:
    for employee in ground.employees:
        if employee.user_id and not employee.addresses:
            yield Place(employee.name, "employee", employee.pk)


@check(
    "address_twice",
    Severity.WARNING,
    _("Several employees have the same e-mail address as their own"),
    _("Each of them could send as the other. Give each an own address and enter a common one under further addresses."),
    "employees",
)
def address_twice(ground: Ground) -> Iterable[Place]:
    owners = defaultdict(list)
    for employee in ground.employees:
        if key := key_of(employee.email):
            owners[key].append(employee)
    for people in owners.values():
        if len(people) > 1:
            yield from (Place(employee.name, "employee", employee.pk) for employee in people)


@check(
    "service_user_settings",
    Severity.WARNING,
    _("Batch users without settings of their own"),
    _(
        "Nobody is there to choose a sender at night: what they send carries the general address. Give each an account "
        "or a sender."
    ),
    "users",
)
def service_user_settings(ground: Ground) -> Iterable[Place]:
    for user in ground.users:
        own = ground.world.own.get(user.login)
        if (
            user.role == Role.SERVICE_USER
            and user.login not in ground.world.own_accounts
            and not (own and own.text("sender_address"))
        ):
            yield from of_users([user])


@check(
    "address_unconfirmed",
    Severity.ERROR,
    _("Sender addresses that nobody has confirmed"),
    _("Mail with them is refused. Have the confirmation mail sent again, or let the firm confirm the address."),
    "addresses",
)
def address_unconfirmed(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.ADDRESS_UNCONFIRMED))


@check(
    "foreign_address",
    Severity.ERROR,
    _("Sender addresses that belong to somebody else"),
    _("Mail with them is refused, because the address stands at another tenant. Enter an own one."),
    "users",
)
def foreign_address(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.FOREIGN_ADDRESS, Refusal.ADDRESS_INVALID))


@check(
    "free_mail_sender",
    Severity.WARNING,
    _("Senders with a free mail address over another server"),
    _(
        "Providers such as GMX and Gmail forbid that by DMARC: such mail is lost or becomes spam. Use an address of "
        "your own domain."
    ),
    "settings",
)
def free_mail_sender(ground: Ground) -> Iterable[Place]:
    seen = set()
    for plans in ground.plans.values():
        for plan in plans:
            mailbox, connection = plan.sender.mailbox, plan.connection
            domain = mailbox.address.rpartition("@")[2].lower() if mailbox else ""
            if domain not in _FREE or connection is None or ground.of_firm(plan):
                continue
            same = domain.partition(".")[0] in connection.host.lower() or connection.system.over != "smtp"
            if not same and mailbox and mailbox.address not in seen:
                seen.add(mailbox.address)
                yield Place(mailbox.address, "settings")


@check(
    "redirect_on",
    Severity.WARNING,
    _("Redirect mode is on"),
    _("No mail reaches its recipients. When the introduction is over, switch it off."),
    "settings",
)
def redirect_on(ground: Ground) -> Iterable[Place]:
    if on_anywhere(ground.layers, "redirect_enabled"):
        yield Place(ground.tenant.name, "settings")
        return
    for user in ground.users:
        if on_anywhere(ground.world.layers_for(user.login), "redirect_enabled"):
            yield from of_users([user])


@check(
    "redirect_dummy",
    Severity.ERROR,
    _("Redirect mode is on without an address"),
    _("The mail goes to an address that does not exist. Enter redirect addresses that somebody reads."),
    "settings",
)
def redirect_dummy(ground: Ground) -> Iterable[Place]:
    if on_anywhere(ground.layers, "redirect_enabled") and not resolve(ground.layers, "redirect_addresses").value:
        return [Place(ground.tenant.name, "settings")]
    return of_users(ground.users_with(Hazard.REDIRECT_DUMMY))


@check(
    "redirect_captures",
    Severity.WARNING,
    _("Redirect mode only captures"),
    _("No mail leaves the portal at all, not even to the redirect addresses. Switch capturing off, or the redirect."),
    "settings",
)
def redirect_captures(ground: Ground) -> Iterable[Place]:
    if any(plan.redirect.active and plan.redirect.capture_only for plans in ground.plans.values() for plan in plans):
        yield Place(ground.tenant.name, "settings")


@check(
    "redirect_unreadable",
    Severity.ERROR,
    _("It cannot be read whether redirect is on"),
    _("So nothing is sent. Enter the redirect mode and its addresses again."),
    "settings",
)
def redirect_unreadable(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.REDIRECT_UNREADABLE))


@check(
    "stage_unfinished",
    Severity.HINT,
    _("Print models that are still being introduced"),
    _("Their mail becomes a draft, is redirected or waits for approval. Move them up when they have proved themselves."),
    "print_models",
)
def stage_unfinished(ground: Ground) -> Iterable[Place]:
    for model in ground.world.print_models.values():
        if model.active and model.stage is not Stage.LIVE:
            yield Place(model.id, "print_models")


@check(
    "leavers_named",
    Severity.WARNING,
    _("Users or employees who have left are still named"),
    _("Their addresses and logins would still be used. Decide for each what takes its place."),
    "users",
)
def leavers_named(ground: Ground) -> Iterable[Place]:
    return [Place(leaver.name, "users") for leaver in still_named(ground.tenant)]


@check(
    "account_unused",
    Severity.HINT,
    _("E-mail accounts that nobody uses"),
    _("No user and no print model names them, yet their passwords lie here. Assign or deactivate them."),
    "accounts",
)
def account_unused(ground: Ground) -> Iterable[Place]:
    named = {account.id for model in ground.world.print_models.values() for account in model.user_accounts.values()}
    for account in ground.accounts:
        if account.is_active and not account.user_id and account.slug not in named and not account.print_models.all():
            yield Place(account.slug, "account", account.pk)
