"""What check sender asks of own sender addresses and employees (C2): no address in use vanishes without being named."""

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from django.utils.translation import gettext as _

from mailsettings.changes.book import Objection, Refused
from mailsettings.core.addresses import key_of
from mailsettings.core.facts import Request
from mailsettings.core.parameters import ParameterLevel, on_anywhere
from mailsettings.core.sender import SenderDecision, SenderLevel, check_sender, decide_sender
from mailsettings.models import Employee, User
from mailsettings.selectors import World, layers_of, world_of
from mailsettings.wording import LEVEL_LABELS


class Lost(NamedTuple):
    """One way in which a user sends with an address that is no longer theirs; `models`: the print models, None without one."""

    user: str
    level: SenderLevel
    source: str
    sender: str
    models: tuple[str | None, ...]


def refuse_own_sender(user: User, sender: str, *, where: str = "sender_address") -> None:
    """C2: at firms, a user's own sender address is one of the linked employee's; with check sender on, that link must be there.

    Forms and API call it when everything is saved, an import only warns; `where`: the field that an objection names.
    Raises Refused.
    """
    if not sender or user.tenant is None or user.tenant.is_com_customer:
        return
    employee = Employee.objects.filter(user=user).first()
    if (employee is None or not employee.is_active) and on_anywhere(layers_of(user), "check_sender"):
        raise Refused([Objection(where, "no_employee", _say_no_employee(user, sender, employee))])
    if employee is not None and key_of(sender) not in map(key_of, employee.addresses):
        message = _("%(sender)s is none of the e-mail addresses of the linked employee %(employee)s.")
        advice = _("Add it to the employee's further e-mail addresses first, or use one that is there (rule C2).")
        words = {"sender": sender, "employee": employee.name}
        raise Refused([Objection(where, "not_on_employee", f"{message % words} {advice}")])


def own_sender_of(user: User) -> str:
    """A user's own sender address as far as it is in force; empty where a level above has locked it (T5)."""
    return layers_of(user)[0].holder.text("sender_address")


def refuse_vanishing_address(employee: Employee, before: Employee | None) -> None:
    """C2: at firms, no address that the linked user sends with vanishes: taken away, the link moved, the employee deactivated.

    Nor does a link come about with a user whose own sender address is none of the employee's. `before` is the row as it was,
    None for a new one. Forms and API call it inside the change, when P6 has had its say; an import only warns.
    Raises Refused, naming everything that depends on it.
    """
    if employee.tenant.is_com_customer:
        return
    where, advice = _what_happened(employee, before)
    objections = [Objection(where, "address_in_use", f"{say_lost(lost)} {advice}") for lost in lost_senders(employee, before)]
    user = employee.user
    if user is not None and (before is None or before.user_id != user.pk):
        try:
            refuse_own_sender(user, own_sender_of(user), where="user")
        except Refused as refused:
            objections.extend(refused.objections)
    if objections:
        raise Refused(objections)


def lost_senders(employee: Employee, before: Employee | None) -> list[Lost]:
    """With what the user linked `before` would still send though the employee no longer gives it; inside the change.

    The own sender address counts in any case, everything else where check sender would refuse it from now on.
    """
    user = before.user if before is not None and before.is_active else None
    if before is None or user is None or user.tenant is None or not User.objects.filter(pk=user.pk, is_active=True).exists():
        return []
    had = {key_of(address) for address in before.addresses}
    world = world_of(user.tenant, [user])
    found: dict[tuple[SenderLevel, str, str], list[str | None]] = defaultdict(list)
    own = world.layers_for(user.login)[0].holder.text("sender_address")
    if own and key_of(own) in had - _given(employee, user):
        found[SenderLevel.USER_PARAMETERS, user.login, own] = []
    for model, decision in _refused(world, user):
        if decision.mailbox is not None and decision.mailbox.key in had:
            found[_place(decision)].append(model)
    return [Lost(user.login, *place, tuple(models)) for place, models in found.items()]


def say_lost(lost: Lost) -> str:
    """What still sends, with which address and in which print models."""
    words = {"user": lost.user, "sender": lost.sender, "account": lost.source, "level": LEVEL_LABELS[lost.level]}
    match lost.level:
        case SenderLevel.USER_PARAMETERS:
            message = _("The own settings of the user %(user)s still send as %(sender)s.")
        case SenderLevel.USER_ACCOUNT:
            message = _(
                "The e-mail account %(account)s of the user %(user)s still sends as %(sender)s, and “Check sender” is on."
            )
        case SenderLevel.PRINT_MODEL_ACCOUNT | SenderLevel.PRINT_MODEL_USER_ACCOUNT:
            message = _(
                "The user %(user)s still sends as %(sender)s by the e-mail account %(account)s of a print model, "
                "and “Check sender” is on."
            )
        case _:
            message = _("The user %(user)s still sends as %(sender)s (%(level)s), and “Check sender” is on.")
    models = ", ".join(model or _("mail without a print model") for model in lost.models)
    return " ".join([message % words, _("This concerns: %(models)s.") % {"models": models}] if models else [message % words])


def _what_happened(employee: Employee, before: Employee | None) -> tuple[str, str]:
    """The field by which an address vanishes, and what to do instead."""
    words = {"employee": employee.name, "user": before.user.login if before and before.user else ""}
    if before is not None and before.user_id != employee.user_id:
        message = _("Without the link to %(employee)s it is nobody's (rule C2): change it there first, or deactivate %(user)s.")
        return "user", message % words
    if before is not None and before.is_active and not employee.is_active:
        message = _(
            "With %(employee)s deactivated it is nobody's (rule C2): change it there first, "
            "or deactivate the user %(user)s first."
        )
        return "is_active", message % words
    message = _(
        "%(employee)s would no longer have this address (rule C2): keep it among the further e-mail addresses, "
        "or change it there first."
    )
    return "email", message % words


def _given(employee: Employee, user: User) -> set[str | None]:
    """The addresses that an employee gives a user."""
    if employee.user_id != user.pk or not employee.is_active:
        return set()
    return {key_of(address) for address in employee.addresses}


def _refused(world: World, user: User) -> Iterator[tuple[str | None, SenderDecision]]:
    """What check sender refuses of one user's mail: without a print model, and with each of them."""
    for model in (None, *(slug for slug, row in world.print_models.items() if row.active)):
        facts = world.facts_for(user.login, Request(print_model=model))
        decision = decide_sender(facts, client_possible=not facts.unattended)
        if decision.mailbox is not None and check_sender(facts, decision.mailbox):
            yield model, decision


def _place(decision: SenderDecision) -> tuple[SenderLevel, str, str]:
    """Where an address stands; the user's own settings are one place, forced or not."""
    offer, level = decision.offer, decision.level
    if offer is None or level is None:
        raise ValueError("a decision with an address has both")
    if offer.layer is ParameterLevel.USER:
        level = SenderLevel.USER_PARAMETERS
    return level, offer.source, offer.address


def _say_no_employee(user: User, sender: str, employee: Employee | None) -> str:
    if employee is None:
        message = _(
            "“Check sender” is on, and no employee is linked to the user %(user)s, so %(sender)s is nobody's (rule C2). "
            "Link the employee first, then enter the address."
        )
        return message % {"user": user.login, "sender": sender}
    message = _(
        "“Check sender” is on, and the linked employee %(employee)s is deactivated, so %(sender)s is nobody's (rule C2). "
        "Activate the employee first, or link another."
    )
    return message % {"employee": employee.name, "sender": sender}
