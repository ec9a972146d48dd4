"""Said before anything is sent: whose mail would carry the firm's address, and how to get an own one (P4, P8)."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from mailsettings.access import Right, may
from mailsettings.core.facts import Facts
from mailsettings.core.parameters import PARAMETERS, ParameterLevel, locked_keys
from mailsettings.core.send_systems import SendsAsFirm
from mailsettings.core.sender import decide_sender
from mailsettings.models import User

_ADDRESS = "sender_address"


@dataclass(frozen=True, slots=True)
class Beforehand:
    """`address` is the firm's; what happens to such mail, and what the user can do about it: a page by its URL name, or none."""

    address: str
    text: str
    advice: str
    page: str = ""
    label: str = ""


def said_beforehand(facts: Facts, user: User) -> Beforehand | None:
    """What a Com customer's user must know where their mail would carry the firm's address; None where it would not."""
    decision = decide_sender(facts, client_possible=not facts.unattended)
    if not facts.tenant.is_com_customer or not decision.from_firm or decision.offer is None:
        return None
    address = decision.mailbox.address if decision.mailbox else decision.offer.address
    said = _("Without a sender address of your own, your mail carries the firm's address %(address)s.") % {"address": address}
    return Beforehand(address, f"{said} {_say_policy(facts.tenant.sends_as_firm)}".strip(), *_advice(facts, user))


def _say_policy(policy: SendsAsFirm) -> str:
    match policy:
        case SendsAsFirm.WARN:
            return _("Each such mail waits until you confirm it.")
        case SendsAsFirm.HOLD:
            return _("Each such mail waits until the firm releases it.")
        case SendsAsFirm.ALLOW:
            return ""


def _advice(facts: Facts, user: User) -> tuple[str, str, str]:
    """How to get an own address, and where; what is locked is somebody else's to do (T5)."""
    lockers = {layer.level for layer in facts.layers if _ADDRESS in locked_keys(layer.locked)}
    if ParameterLevel.FIRM in lockers:
        return _("The sender address is locked by the firm: ask it for an address of your own."), "", ""
    if may(user, Right.MANAGE_SETTINGS):
        advice = _(
            "To send with an address of your own, enter it as the sender address: for everybody in the general settings, or for "
            "yourself in your own settings. It is confirmed by a mail to it before it is used."
        )
        return advice, "settings", _("To the general settings")
    if ParameterLevel.COM in lockers or not may(user, Right.OWN_PARAMETERS):
        return _("Ask your administrator for an address of your own."), "", ""
    advice = _(
        "To send with an address of your own, enter it as the sender address in your own settings. It is confirmed by a mail to "
        "it before it is used."
    )
    return advice, "own_settings", _("To your own settings")


assert _ADDRESS in PARAMETERS  # noqa: S101 (the parameter that this is about)
