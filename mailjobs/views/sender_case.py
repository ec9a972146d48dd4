"""One case of the what-if: what the address asks, and the answer in words (R4, T4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs.core.plan import Channel, Hold, Plan, Refusal
from mailjobs.discretion import Discretion
from mailjobs.explanation import document_of
from mailjobs.views.explained import facts_of_plan, hazards_of, ladder_of
from mailjobs.wording import HOLDS, say_held_for
from mailsettings.access import Right, may
from mailsettings.context_processors import url_of
from mailsettings.core.facts import Request
from mailsettings.core.parameters import ParameterLevel
from mailsettings.core.sender import CRM_METHOD, SenderLevel
from mailsettings.models import DeliveryModeChoices, Tenant, User

# What a case is made of, as in `manage.py explain`; all of it stands in the address.
FIELDS = ("user", "print_model", "context_sender", "sender_method", "unattended")

_BY_ADDRESS = frozenset({Refusal.ADDRESS_INVALID, Refusal.FOREIGN_ADDRESS, Refusal.ADDRESS_UNCONFIRMED})
_BY_CONNECTION = frozenset({Refusal.SECRET_NEEDED, Refusal.SHARED_IDENTITY, Refusal.HOST_NOT_ALLOWED})
_ACCOUNT_LEVELS = frozenset({SenderLevel.PRINT_MODEL_USER_ACCOUNT, SenderLevel.PRINT_MODEL_ACCOUNT, SenderLevel.USER_ACCOUNT})


@dataclass(frozen=True, slots=True)
class Case:
    """What somebody asks about; empty texts ask for nothing."""

    user: str = ""
    print_model: str = ""
    context_sender: str = ""
    crm: bool = False
    unattended: bool = False

    def request(self) -> Request:
        """The same for a decision."""
        return Request(
            self.print_model or None,
            self.context_sender or None,
            CRM_METHOD if self.crm else None,
            unattended=self.unattended,
        )


@dataclass(frozen=True, slots=True)
class Mending:
    """Where a refusal can be put right by this reader."""

    url: str
    label: str


def case_of(data: QueryDict) -> Case:
    """The case in an address; what makes no sense there is passed over."""
    user, print_model, context_sender = (data.get(name, "").replace("\0", "") for name in FIELDS[:3])
    return Case(
        user=user.strip(),
        print_model=print_model.strip(),
        context_sender=context_sender,
        crm=data.get("sender_method") == CRM_METHOD,
        unattended=data.get("unattended", "") not in {"", "0", "false"},
    )


def answer_in_words(plan: Plan, user: User, tenant: Tenant, reader: User, discretion: Discretion) -> dict[str, Any]:
    """Everything the page says about one plan: a sentence, what is in the way, the ladder, the facts."""
    document = document_of(plan)
    refused, held, redirect = document["refused"], document["held"], document["redirect"]
    return {
        **facts_of_plan(document, discretion),
        "sentence": _sentence(document, user, discretion),
        "kind": "refused" if refused else "held" if held else "ready",
        "text": discretion.text(document, refused["message"]) if refused else _say_hold(held),
        "mending": _mending(plan, tenant, reader) if plan.refused else None,
        "sender": document["sender"],
        "offered": plan.sender.offer.address if plan.sender.offer else "",
        "by_server": plan.channel.by_server,
        "hazards": hazards_of(document, discretion),
        "ladder": ladder_of(document, reader),
        "mode": DeliveryModeChoices(document["delivery_mode"]).label,
        "diverted": ", ".join(redirect["to"]) if redirect["active"] else "",
        "captured": redirect["active"] and redirect["capture_only"],
    }


def _sentence(document: Mapping[str, Any], user: User, discretion: Discretion) -> str:
    """What would happen, in one sentence."""
    if document["refused"]:
        return _("A mail of %(user)s would be refused.") % {"user": user.name}
    clauses = [_goes(document, user, discretion)]
    if held := document["held"]:
        clauses.append(_("held for %(who)s") % {"who": say_held_for(held["held_for"])})
    redirect = document["redirect"]
    if redirect["active"] and redirect["capture_only"]:
        clauses.append(_("captured by the redirect mode, not sent"))
    elif redirect["active"]:
        clauses.append(_("redirected to %(addresses)s") % {"addresses": ", ".join(redirect["to"])})
    return "; ".join(clauses) + "."


def _goes(document: Mapping[str, Any], user: User, discretion: Discretion) -> str:
    """Over what and as whom, without the full stop."""
    sender, connection = document["sender"], document["connection"] or {}
    server, port = connection.get("server") or "", connection.get("port")
    words = {"user": user.name, "sender": _mailbox(sender), "server": f"{server}:{port}" if port else server}
    match Channel(document["channel"]):
        case Channel.SMTP if discretion.hides(document):
            return _("%(user)s would send by SMTP over the mail server of the firm as %(sender)s") % words
        case Channel.SMTP:
            return _("%(user)s would send by SMTP over %(server)s as %(sender)s") % words
        case Channel.EWS:
            return _("%(user)s would send over Exchange (EWS) as %(sender)s") % words
        case Channel.GRAPH:
            return _("%(user)s would send over Microsoft Graph as %(sender)s") % words
        case Channel.DRAFT if sender:
            return _("The mail of %(user)s would become a draft in the mailbox, as %(sender)s") % words
        case Channel.DRAFT:
            return _("The mail of %(user)s would become a draft in the mailbox") % words
        case Channel.CLIENT if sender:
            return _("%(user)s would send through the own mail client as %(sender)s") % words
        case Channel.CLIENT:
            return _("%(user)s would send through the own mail client, which chooses the sender") % words
        case Channel.NONE:
            return _("A mail of %(user)s would not be sent") % words


def _mailbox(sender: Mapping[str, Any] | None) -> str:
    if not sender:
        return ""
    return f"{sender['name']} <{sender['address']}>" if sender["name"] else str(sender["address"])


def _say_hold(held: Mapping[str, Any] | None) -> str:
    return str(HOLDS[Hold(held["code"])]) if held and held["code"] in HOLDS else ""


def _mending(plan: Plan, tenant: Tenant, reader: User) -> Mending | None:
    """The page on which this reader can put a refusal right; None where it is somebody else's to do."""
    level = ""
    if plan.refused in _BY_ADDRESS and plan.sender.level:
        level = plan.sender.level.value
    elif plan.refused in _BY_CONNECTION and plan.connection:
        level = str(plan.connection.level)
    if level == ParameterLevel.USER and plan.facts.user.id == reader.login and may(reader, Right.OWN_PARAMETERS):
        return Mending(reverse("own_settings"), _("To your own settings"))
    if not may(reader, Right.MANAGE_SETTINGS):
        return None
    owner = (tenant.firm or tenant) if level == ParameterLevel.FIRM else tenant
    name, label = _page_for(plan.refused, level)
    if not name or not url_of(name) or (reader.tenant_id != owner.pk and not _manages(reader, owner)):
        return None
    return Mending(url_of(name) + (f"?tenant={owner.slug}" if owner.pk != reader.tenant_id else ""), label)


def _page_for(refused: Refusal | None, level: str) -> tuple[str, str]:
    """URL name and label."""
    if level in _ACCOUNT_LEVELS:
        return "accounts", _("To the e-mail accounts")
    match refused:
        case Refusal.USER_INACTIVE:
            return "users", _("To the users")
        case _ if level == ParameterLevel.USER:
            return "users", _("To the users")
        case Refusal.PRINT_MODEL_UNKNOWN:
            return "print_models", _("To the print models")
        case Refusal.CHECK_SENDER_NO_EMPLOYEE | Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE:
            return "employees", _("To the employees")
        case Refusal.NO_SENDER | Refusal.NO_CONNECTION:
            return "settings", _("To the settings")
        case _ if level in {ParameterLevel.COM, ParameterLevel.FIRM}:
            return "settings", _("To the settings")
        case _:
            return "", ""


def _manages(reader: User, owner: Tenant) -> bool:
    return reader.is_operator or owner.firm_id == reader.tenant_id
