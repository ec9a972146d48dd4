"""Asking a mailbox whether a Com customer may send as it (T4): the mail with the link, and what becomes of it."""

from collections.abc import Iterable, Sequence

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs.system_mail import NotSent, send
from mailsettings.changes import Book
from mailsettings.changes.claims import LINK_HOLDS, mail_went_out, may_ask, new_token
from mailsettings.models import ClaimedAddress, User

NAMED = 5  # addresses that one message names


def ask_for_claims(request: HttpRequest, book: Book) -> None:
    """After a change through a page: ask each address it claims, and tell the reader."""
    ask(request, {row.pk: row for row in book.claims}.values())


def ask(request: HttpRequest, rows: Iterable[ClaimedAddress]) -> None:
    """Send a confirmation mail to each address, and tell the reader what that means; a relay that fails is tried once only."""
    asked, refused, limited, failed = list[str](), list[str](), list[str](), list[str]()
    error = ""
    for row in rows:
        if row.disowned_at is not None:
            refused.append(row.address)
        elif not may_ask(row):
            limited.append(row.address)
        elif error or (error := _send(request, row)):
            failed.append(row.address)
        else:
            asked.append(row.address)
    for addresses, level, text in (
        (
            asked,
            messages.WARNING,
            _("Mail was sent to %(addresses)s. Before somebody confirms it there, mail that would carry it is refused."),
        ),
        (refused, messages.ERROR, _("The mailbox of %(addresses)s has refused this use. Only your firm can allow it.")),
        (
            limited,
            messages.ERROR,
            _("Enough was asked today; %(addresses)s can be asked tomorrow, or your firm confirms it by hand."),
        ),
        (failed, messages.ERROR, _("No mail could be sent to %(addresses)s: %(error)s. Your firm can confirm it by hand.")),
    ):
        if addresses:
            messages.add_message(request, level, text % {"addresses": _few(addresses), "error": error})


def _few(addresses: Sequence[str]) -> str:
    named = ", ".join(addresses[:NAMED])
    more = len(addresses) - NAMED
    return named if more <= 0 else _("%(named)s and %(more)s more") % {"named": named, "more": more}


def _send(request: HttpRequest, row: ClaimedAddress) -> str:
    """Why it could not be sent, empty where it was handed over."""
    link = request.build_absolute_uri(reverse("address_confirm", args=[new_token(row)]))
    asker = User.objects.filter(login=row.asked_by).first()
    tenant, firm = row.tenant.name, row.tenant.firm.name if row.tenant.firm else ""
    words = {
        "tenant": tenant,
        "firm": firm,
        "who": f"{asker.name} ({asker.login})" if asker else row.asked_by,
        "address": row.address,
        "link": link,
        "days": LINK_HOLDS.days,
    }
    text = _(
        "Good day,\n\n"
        "%(who)s of %(tenant)s wants to send mail as %(address)s, through the mail portal of %(firm)s.\n\n"
        "If that is right, open this page and confirm it there (the link holds for %(days)s days):\n\n%(link)s\n\n"
        "If you know nothing of it, say so on the same page, or do nothing: no mail goes out as %(address)s before."
    )
    subject = _("Please confirm: %(tenant)s wants to send as %(address)s")
    try:
        send(row.address, subject % words, text % words)
    except NotSent as why:
        mail_went_out(row, str(why))
        return str(why)
    mail_went_out(row)
    return ""
