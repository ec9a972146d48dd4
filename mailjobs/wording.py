"""Words for what happens to mail: refusals, holds, hazards, reply causes, in the reader's language."""

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.core.message import MessageInvalid
from mailjobs.core.plan import Channel, Hazard, Hold, Refusal
from mailsettings.core.addresses import Fault
from mailsettings.core.sender import SenderLevel
from mailsettings.wording import ADDRESS_FAULTS, LEVEL_LABELS, say_address_fault

# The names in them come from `refusals.details_of`; each says the rule, what it is about, and what to do.
REFUSALS: Mapping[str, object] = {
    Refusal.USER_INACTIVE: gettext_lazy(
        "The user %(user)s is deactivated and sends nothing any more (rule T6). Their deputy or an administrator sends the mail, "
        "or an administrator activates the user again."
    ),
    Refusal.PRINT_MODEL_UNKNOWN: gettext_lazy(
        "There is no active print model %(print_model)s at %(user)s's tenant (rule M1). Choose another one, or an administrator "
        "makes or activates it."
    ),
    Refusal.ADDRESS_INVALID: gettext_lazy(
        "%(address)s is no valid sender address (rule P7; from: %(level)s). %(fault)s Correct it there."
    ),
    Refusal.FOREIGN_ADDRESS: gettext_lazy(
        "%(address)s belongs to another tenant, so %(user)s cannot send with it (rule P8; from: %(level)s). Use an address of "
        "your own."
    ),
    Refusal.ADDRESS_UNCONFIRMED: gettext_lazy(
        "%(address)s has not been confirmed yet, so %(user)s cannot send with it (rule T4; from: %(level)s). Open the link in "
        "the mail that was sent to this address, or let the firm confirm it under “Claimed addresses”."
    ),
    Refusal.CHECK_SENDER_NO_EMPLOYEE: gettext_lazy(
        "“Check sender” is on (rule C1), and no active employee is linked to the user %(user)s, so %(address)s cannot be used "
        "(from: %(level)s). An administrator links the employee to this user ID under “Employees”."
    ),
    Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE: gettext_lazy(
        "“Check sender” is on (rule C1), and %(address)s (from: %(level)s) is none of the addresses of the employee "
        "%(employee)s: %(employee_addresses)s. An administrator adds it to the further e-mail addresses of %(employee)s, or the "
        "mail is sent with one of these."
    ),
    Refusal.NO_SENDER: gettext_lazy(
        "No level yields a sender address for the user %(user)s (rule R5). An administrator sets a general sender address, or "
        "one for this user."
    ),
    Refusal.NO_CONNECTION: gettext_lazy(
        "No level names a mail server for the user %(user)s (rule P2). An administrator enters one in the settings."
    ),
    Refusal.SHARED_IDENTITY: gettext_lazy(
        "This send system lets everybody send as anybody, also as %(address)s (rule S3). Switch “Check sender” on, or an "
        "administrator confirms it; for Com customers it is not possible."
    ),
    Refusal.SECRET_NEEDED: gettext_lazy(
        "A password must be entered again, or a client key (rule P5; at: %(where)s): it is missing, or server, port, user, TLS "
        "or certificate have changed since it was entered."
    ),
    Refusal.HOST_NOT_ALLOWED: gettext_lazy(
        "This mail server may not be used (rule Z6). Enter a public server, or ask the administrator."
    ),
    Refusal.REDIRECT_UNREADABLE: gettext_lazy(
        "It cannot be read whether the redirect mode is on, so nothing is sent (rule U2). An administrator enters the redirect "
        "mode again."
    ),
    Refusal.VARIABLE_MISSING: gettext_lazy(
        "The print model %(print_model)s needs values that are missing: %(variables)s (rule M1). Hand them in with the mail."
    ),
}
HOLDS: Mapping[str, object] = {
    Hold.HELD_BY_FIRM: gettext_lazy("The mail would carry the firm's address and waits for the firm's release."),
    Hold.CONFIRM_SENDS_AS_FIRM: gettext_lazy("The mail would carry the firm's address. Confirm that this is meant."),
    Hold.STAGE_HELD: gettext_lazy("The print model is being introduced: each mail waits for approval."),
    Hold.BY_CLIENT: gettext_lazy("The mail goes through your own mail client. Download it, open it there and send it."),
    Hold.CAPTURED: gettext_lazy("The redirect mode captures mail only: nothing is sent."),
    Hold.RESTORED: gettext_lazy("The database was restored; the mail may have been sent since."),
    Hold.RUN_PAUSED: gettext_lazy("Its print run is paused. It goes on when the print run does, or when you release this mail."),
}
_HOLDS_OF_ADDRESS: Mapping[str, object] = {
    Hold.HELD_BY_FIRM: gettext_lazy("The mail would carry the firm's address %(address)s and waits for the firm's release."),
    Hold.CONFIRM_SENDS_AS_FIRM: gettext_lazy("This mail carries the firm's address %(address)s. Confirm that this is meant."),
}
HAZARDS: Mapping[str, object] = {
    Hazard.SENDS_AS_FIRM: gettext_lazy("The mail carries the firm's address instead of the Com customer's."),
    Hazard.SHARED_IDENTITY: gettext_lazy(
        "With this setting any employee can send with any sender address, the managing director's included."
    ),
    Hazard.PLAIN_AUTH: gettext_lazy("User and password would go over the network without TLS."),
    Hazard.NO_TLS: gettext_lazy("The mail goes over the network without TLS."),
    Hazard.BASIC_AUTH_RETIRED: gettext_lazy(
        "Microsoft 365 switches log-in with user and password off; change to OAuth (9 or 11)."
    ),
    Hazard.EWS_RETIRED: gettext_lazy("Exchange Online switches EWS off; change to OAuth (9 or 11)."),
    Hazard.REDIRECT_DUMMY: gettext_lazy("The redirect mode is on without an address: mail goes to a public dummy domain."),
    Hazard.DIRECT_FOR_COM: gettext_lazy("A direct send system makes Com users wait; an asynchronous one is recommended."),
    Hazard.NO_LOGGING: gettext_lazy("Mail in the background is sent without logging its body and dialogue."),
    Hazard.INACTIVE_NAMED: gettext_lazy("The settings name a deactivated user, employee or account."),
}
CHANNELS: Mapping[str, object] = {
    Channel.SMTP: gettext_lazy("SMTP"),
    Channel.EWS: gettext_lazy("EWS"),
    Channel.GRAPH: gettext_lazy("Microsoft Graph"),
    Channel.DRAFT: gettext_lazy("Draft in the mailbox"),
    Channel.CLIENT: gettext_lazy("Own mail client"),
    Channel.NONE: gettext_lazy("Not sent"),
}
MESSAGE_FAULTS: Mapping[str, object] = {
    "not_an_object": gettext_lazy("%(field)s must be an object."),
    "unknown_field": gettext_lazy("There is no field %(field)s."),
    "not_a_text": gettext_lazy("%(field)s must be a text."),
    "not_a_list": gettext_lazy("%(field)s must be a list of texts."),
    "too_long": gettext_lazy("%(field)s may have %(detail)s characters at most."),
    "not_a_choice": gettext_lazy("%(field)s must be one of: %(detail)s."),
    "no_recipient": gettext_lazy("The message has no recipient."),
    "too_many_recipients": gettext_lazy("A message may have %(detail)s recipients at most."),
    "not_a_time": gettext_lazy("%(field)s must be a time such as 2026-11-30T08:00:00+01:00."),
    "time_without_zone": gettext_lazy("%(field)s needs a time zone, as in 2026-11-30T08:00:00+01:00."),
    "too_many": gettext_lazy("A message may have %(detail)s attachments at most."),
    "too_large": gettext_lazy("The attachments are too large; together they may have %(detail)s bytes."),
    "required": gettext_lazy("%(field)s is needed."),
    "not_base64": gettext_lazy("%(field)s is not valid base64."),
    "control_character": gettext_lazy("%(field)s contains a line break or another control character."),
    "template_too_large": gettext_lazy("The filled-in template is too large."),
    "variable_type": gettext_lazy("The value of %(field)s must be a text or a number."),
    "empty_mail": gettext_lazy("The message has neither subject nor text."),
    "key_reused": gettext_lazy("The idempotency key %(detail)s was already used for another message."),
    "header_invalid": gettext_lazy("%(field)s cannot be written as a mail header."),
    "file_unreadable": gettext_lazy("The file of %(field)s cannot be read."),
}


_NAMES = (
    "user",
    "address",
    "level",
    "fault",
    "employee",
    "employee_addresses",
    "print_model",
    "variables",
    "where",
    "where_id",
)


def say_refusal(code: str, details: Mapping[str, str] = MappingProxyType({})) -> str:
    """Why a mail may not go out: rule, address, employee, and what to do; `details` as `refusals.details_of` gives them."""
    if code not in REFUSALS:
        return code
    words = {**dict.fromkeys(_NAMES, "–"), **details}
    words["level"] = str(LEVEL_LABELS[SenderLevel(words["level"])]) if words["level"] in LEVEL_LABELS else words["level"]
    words["fault"] = say_address_fault(words["fault"]) if words["fault"] in ADDRESS_FAULTS else ""
    where = str(LEVEL_LABELS[SenderLevel(words["where"])]) if words["where"] in LEVEL_LABELS else ""
    words["where"] = " ".join(part for part in (where, words["where_id"]) if part not in ("", "–")) or "–"
    return " ".join((str(REFUSALS[code]) % words).split())


def say_message_fault(invalid: MessageInvalid) -> str:
    """What is wrong with a message."""
    if invalid.code == "address_invalid":
        return f"{invalid.field}: {ADDRESS_FAULTS[Fault(invalid.detail)]}"
    text = MESSAGE_FAULTS.get(invalid.code, gettext_lazy("%(field)s is not valid."))
    return str(text) % {"field": invalid.field, "detail": invalid.detail}


def say_hold(hold: str, address: str = "") -> str:
    """Why a mail is held, with the address that it would carry where that is the reason; empty for an unknown hold."""
    if address and hold in _HOLDS_OF_ADDRESS:
        return str(_HOLDS_OF_ADDRESS[hold]) % {"address": address}
    return str(HOLDS.get(hold, ""))


def say_held_for(who: str) -> str:
    """Whom a held mail waits for."""
    return {
        "firm": _("the firm"),
        "sender": _("the sender"),
        "approver": _("an administrator"),
        "operator": _("the operator"),
    }.get(who, who)


def say_queue_full(cap: int, minutes: int) -> str:
    """A tenant has as much waiting as it may (delivery contract 4)."""
    return _(
        "%(cap)s mails are waiting already, as many as this portal keeps for one tenant. Hand this one in again in about "
        "%(minutes)s minutes; with the same idempotency keys nothing is sent twice."
    ) % {"cap": cap, "minutes": minutes}
