"""Mails with a link by which somebody sets their own password: invitations, and resets that tell nobody who exists."""

import threading

from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from mailjobs.people.links import HOLDS, may_send, new_token
from mailjobs.people.models import Link
from mailjobs.system_mail import NotSent, send
from mailsettings.changes import Book, audit
from mailsettings.core.addresses import AddressInvalid, parse_recipient
from mailsettings.models import User

MOST_OF_ADDRESS = 5  # user IDs with the same address that one request reaches


def invite_all(request: HttpRequest, book: Book) -> None:
    """After a change through a page: invite whom it has made, and tell the reader."""
    for user in book.invited:
        invite(request, user)


def invite(request: HttpRequest, user: User) -> None:
    """Send an invitation by mail and say so; where it cannot be sent, the inviter, who may set passwords anyway, gets it."""
    words = {"name": user.name, "address": user.email}
    if not user.is_active or not user.email:
        messages.error(request, _("%(name)s cannot be invited: enter an e-mail address, and activate the user.") % words)
        return
    if not may_send(Link.Kind.INVITATION, user):
        messages.error(request, _("%(name)s was invited often enough today. Try again tomorrow.") % words)
        return
    by = request.user if isinstance(request.user, User) else None
    token = new_token(Link.Kind.INVITATION, user, by=by.login if by else "")
    link = request.build_absolute_uri(reverse("welcome", args=[token]))
    try:
        with translation.override(user.language or translation.get_language()):
            send(_address(user), *_invitation(user, by, link))
    except NotSent as why:
        text = _(
            "The invitation to %(address)s could not be sent: %(why)s. Hand this link over yourself, it serves once: %(link)s"
        )
        messages.warning(request, text % {**words, "why": why, "link": link})
        error = str(why)
    else:
        messages.success(request, _("%(name)s was invited by mail to %(address)s.") % words)
        error = ""
    audit(by.login if by else "", user.tenant, "invitation", user.login, {"error": error} if error else {})


def ask_for_reset(request: HttpRequest, who: str) -> None:
    """Send a link to whoever has this user ID or address; what is answered, and when, is the same for everybody."""
    who = who.strip()[:254]
    found = User.objects.filter(is_active=True).exclude(email="").exclude(role="service_user").order_by("pk")
    users = list(found.filter(login=who.lower())) or list(found.filter(email__iexact=who)[:MOST_OF_ADDRESS])
    mails = []
    for user in users:
        if user.has_usable_password() and may_send(Link.Kind.RESET, user):  # one that was taken away comes back by invitation
            link = request.build_absolute_uri(reverse("welcome", args=[new_token(Link.Kind.RESET, user)]))
            with translation.override(user.language or translation.get_language()):
                mails.append((_address(user), *_reset(user, link)))
            audit(user.login, user.tenant, "password reset", user.login, {"asked": True})
    if mails:
        threading.Thread(target=_send_quietly, args=(mails,), name="password reset").start()


def _send_quietly(mails: list[tuple[str, str, str]]) -> None:
    """Beside the request, so that its length says nothing; who gets no mail asks again, or an administrator."""
    for to, subject, text in mails:
        try:
            send(to, subject, text)
        except NotSent:
            continue


def _invitation(user: User, by: User | None, link: str) -> tuple[str, str]:
    tenant = user.tenant.name if user.tenant else "Postausgang"
    words = {"name": user.name, "by": by.name if by else "Postausgang", "tenant": tenant, "login": user.login, "link": link}
    words["days"] = str(HOLDS[Link.Kind.INVITATION].days)
    text = _(
        "Good day %(name)s,\n\n"
        "%(by)s invites you to the mail portal of %(tenant)s. Your user ID there is: %(login)s\n\n"
        "Open this page and choose your password:\n\n%(link)s\n\n"
        "The link holds for %(days)s days and serves once."
    )
    return _("Your access to the mail portal of %(tenant)s") % words, text % words


def _reset(user: User, link: str) -> tuple[str, str]:
    hours = int(HOLDS[Link.Kind.RESET].total_seconds() // 3600)
    words = {"name": user.name, "login": user.login, "link": link, "hours": hours}
    text = _(
        "Good day %(name)s,\n\n"
        "somebody, probably you, wants a new password for the user ID %(login)s. Choose it here; the link holds for "
        "%(hours)s hours and serves once:\n\n%(link)s\n\n"
        "If you did not ask for it, do nothing: your password stays as it is."
    )
    return _("A new password for the mail portal"), text % words


def _address(user: User) -> str:
    try:
        return parse_recipient(user.email).address
    except AddressInvalid:
        return user.email
