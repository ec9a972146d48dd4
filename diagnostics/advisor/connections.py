"""Checks of servers and logins: encryption, ways to log in, what ends, what stands still."""

import ipaddress
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from cryptography.x509 import load_pem_x509_certificates
from django.utils.translation import gettext_lazy as _

from diagnostics.advisor.ground import Ground, server_of
from diagnostics.advisor.registry import Place, Severity, check, of_account, of_sources, of_users
from mailjobs.core.plan import Hazard, Refusal
from mailjobs.core.retirements import CERTIFICATE_WARNING, Retiring
from mailjobs.retiring import endings_of
from mailsettings.changes import Book, save_parameters
from mailsettings.models import Consent

IDLE = timedelta(days=60)  # Microsoft forgets a consent that is not used for 90 days
_WIDE = {4: 12, 6: 32}  # networks with shorter prefixes hold more than one house


def _changed(book: Book, ground: Ground, **values: Any) -> None:
    save_parameters(book, ground.tenant, {**ground.general, **values})


@check(
    "no_connection",
    Severity.ERROR,
    _("Users without a mail server"),
    _("Their mail does not go out in the background. Enter server, port, TLS and login in the general settings."),
    "settings",
)
def no_connection(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.NO_CONNECTION))


@check(
    "secret_needed",
    Severity.ERROR,
    _("Logins that need their password again"),
    _("Server, port, TLS or user have changed since it was entered, or none was. Their mail waits; enter the password."),
    "settings",
)
def secret_needed(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_refused(Refusal.SECRET_NEEDED))


@check(
    "shared_identity",
    Severity.WARNING,
    _("A send system with the portal's own identity (2 to 5) is in use"),
    _("With it every user can send with any address, the managing director's included. Keep Check sender on, or use 0 or 1."),
    "settings",
)
def shared_identity(ground: Ground) -> Iterable[Place]:
    return of_sources(ground, ground.sources_with(Hazard.SHARED_IDENTITY))


@check(
    "direct_for_com",
    Severity.WARNING,
    _("Com users send directly"),
    _(
        "They wait for the mail server with every mail, and a fault loses it. Choose the asynchronous send system, 1 "
        "instead of 0."
    ),
    "settings",
)
def direct_for_com(ground: Ground) -> Iterable[Place]:
    return of_users(ground.users_with(Hazard.DIRECT_FOR_COM))


@check(
    "no_tls",
    Severity.ERROR,
    _("Connections without encryption"),
    _("Everybody on the way can read the mail. Choose STARTTLS (587) or implicit TLS (465)."),
    "settings",
)
def no_tls(ground: Ground) -> Iterable[Place]:
    return of_sources(ground, ground.sources_with(Hazard.NO_TLS))


@check(
    "plain_auth",
    Severity.ERROR,
    _("Passwords would go over the network without encryption"),
    _("Choose STARTTLS or implicit TLS at the connection, and change the password."),
    "settings",
)
def plain_auth(ground: Ground) -> Iterable[Place]:
    return of_sources(ground, ground.sources_with(Hazard.PLAIN_AUTH))


def _forbid_plain(book: Book, ground: Ground) -> None:
    if ground.general.get("smtp_tls") != "off":
        _changed(book, ground, allow_plain_auth=None)


@check(
    "plain_auth_allowed",
    Severity.HINT,
    _("Log-in without encryption is allowed, though the connection is encrypted"),
    _("The permission is not needed. Take it away, so that nobody switches TLS off unnoticed."),
    "settings",
    fix=_forbid_plain,
    fix_label=_("Take the permission away"),
)
def plain_auth_allowed(ground: Ground) -> Iterable[Place]:
    for name, values, account in ground.holders():
        if values.get("allow_plain_auth") is True and values.get("smtp_tls") != "off":
            yield of_account(name, account)


@check(
    "port_and_tls",
    Severity.WARNING,
    _("Port and TLS do not go together"),
    _("465 wants implicit TLS, 587 and 25 STARTTLS; otherwise the connection hangs or is refused."),
    "settings",
)
def port_and_tls(ground: Ground) -> Iterable[Place]:
    for name, values, account in ground.holders():
        pair = (values.get("smtp_port"), values.get("smtp_tls") or "starttls")
        if pair in {(465, "starttls"), (587, "implicit"), (25, "implicit"), (465, "off"), (587, "off")}:
            yield of_account(name, account)


def _ending(what: Retiring) -> Any:
    def find(ground: Ground) -> Iterable[Place]:
        for known in ground.known.values():
            for ending in endings_of([known.connection]):
                if ending.what is what:
                    name = " ".join((f"{server_of(ground, known)}:", ending.left)).rstrip(": ")
                    kind, pk = ending.place or ("", "")
                    yield Place(name, "move", int(pk), kind) if pk else Place(name, "connections")

    return find


check(
    "basic_auth_retired",
    Severity.WARNING,
    _("User and password at Exchange Online end"),
    _("After that day no mail goes out by it. Change to OAuth 2.0 (9) or Microsoft Graph (11) before."),
    "connections",
)(_ending(Retiring.SMTP_BASIC))
check(
    "ews_retired",
    Severity.WARNING,
    _("EWS at Exchange Online ends"),
    _("After that day no mail goes out by it. Change to Microsoft Graph (11) before."),
    "connections",
)(_ending(Retiring.EWS_ONLINE))
check(
    "ntlm_retired",
    Severity.HINT,
    _("NTLM is obsolete"),
    _("Microsoft takes it out of Windows step by step. Where the server offers Kerberos, change to send system 2 or 3."),
    "connections",
)(_ending(Retiring.NTLM))
check(
    "client_certificate_ends",
    Severity.WARNING,
    _("A client certificate ends"),
    _("After that day the mail server refuses the connection. Enter a new certificate with its key before."),
    "connections",
)(_ending(Retiring.CLIENT_CERTIFICATE))


@check(
    "ca_certificate_ends",
    Severity.WARNING,
    _("An own CA certificate ends or has ended"),
    _("Then the mail server is not trusted any more and nothing is sent. Enter the new one."),
    "settings",
)
def ca_certificate_ends(ground: Ground) -> Iterable[Place]:
    for name, values, account in ground.holders():
        pem = values.get("ca_certificate")
        try:
            ends = [each.not_valid_after_utc for each in load_pem_x509_certificates(str(pem).encode())] if pem else []
        except ValueError:
            continue
        if ends and min(ends) - ground.now <= CERTIFICATE_WARNING:
            yield of_account(name, account)


@check(
    "login_paused",
    Severity.ERROR,
    _("Logins that the mail server refuses"),
    _(
        "The password has probably changed. Their mails wait, so that the account is not locked: enter it, then release"
        " the connection."
    ),
    "connections",
)
def login_paused(ground: Ground) -> Iterable[Place]:
    for shared in ground.shared:
        if shared.paused_at:
            yield Place(server_of(ground, ground.known[shared.key]), "connections")


@check(
    "server_unreachable",
    Severity.ERROR,
    _("Mail servers that cannot be reached"),
    _("Mail waits and is tried again by itself. If it stays so, check server, port and firewall with the diagnosis."),
    "connections",
)
def server_unreachable(ground: Ground) -> Iterable[Place]:
    for shared in ground.shared:
        if shared.breaker_open:
            yield Place(server_of(ground, ground.known[shared.key]), "connections")


@check(
    "consent_refused",
    Severity.ERROR,
    _("Mailboxes whose consent was withdrawn or has expired"),
    _("The portal gets no access any more. Connect the mailbox again."),
    "settings",
)
def consent_refused(ground: Ground) -> Iterable[Place]:
    for consent in _consents(ground):
        if consent.refusal:
            yield Place(consent.mailbox, "settings")


@check(
    "consent_idle",
    Severity.WARNING,
    _("Mailboxes whose consent has not been used for long"),
    _("A consent that is not used for 90 days expires. Send a test mail over it, or connect the mailbox again."),
    "settings",
)
def consent_idle(ground: Ground) -> Iterable[Place]:
    for consent in _consents(ground):
        if not consent.refusal and ground.now - consent.renewed_at > IDLE:
            yield Place(consent.mailbox, "settings")


def _consents(ground: Ground) -> Iterable[Consent]:
    rows = Consent.objects.all()
    of_tenant = rows.filter(secret__account__tenant=ground.tenant, secret__account__is_active=True)
    own = rows.filter(secret__parameter_set__tenant=ground.tenant) | rows.filter(
        secret__parameter_set__user__tenant=ground.tenant, secret__parameter_set__user__is_active=True
    )
    return [*of_tenant, *own]


def _log(book: Book, ground: Ground) -> None:
    _changed(book, ground, log_background_sends=None)


@check(
    "no_logging",
    Severity.WARNING,
    _("Mail in the background is not logged"),
    _("Nobody can show later what was sent. Switch the log for mail in the background on."),
    "settings",
    fix=_log,
    fix_label=_("Switch the log on"),
)
def no_logging(ground: Ground) -> Iterable[Place]:
    if ground.general.get("log_background_sends") is False:
        yield Place(ground.tenant.name, "settings")
        return
    yield from of_users(ground.users_with(Hazard.NO_LOGGING))


def _ask(book: Book, ground: Ground) -> None:
    _changed(book, ground, unknown_policy=None)


@check(
    "unknown_policy",
    Severity.WARNING,
    _("Uncertain mails are decided without asking"),
    _("Sent again they may arrive twice, taken as sent they may be lost. Let the portal ask."),
    "settings",
    fix=_ask,
    fix_label=_("Let the portal ask"),
)
def unknown_policy(ground: Ground) -> Iterable[Place]:
    for name, values, account in ground.holders():
        if values.get("unknown_policy") in {"resend", "assume_sent"}:
            yield of_account(name, account)


@check(
    "networks_wide",
    Severity.WARNING,
    _("Very wide private networks are allowed for mail servers"),
    _("Whoever enters a server could reach much of the house with it. Name the mail server's own network only."),
    "settings",
)
def networks_wide(ground: Ground) -> Iterable[Place]:
    for text in ground.general.get("allowed_networks") or ():
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            continue
        if network.prefixlen < _WIDE[network.version]:
            yield Place(str(network), "settings")
