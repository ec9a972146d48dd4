"""One sentence of help for each parameter, and the recommendations behind “More” (S3, S4)."""

from collections.abc import Mapping
from datetime import date

from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings.core.parameters import PARAMETERS, Kind, Value
from mailsettings.wording import CHOICE_LABELS, SEND_SYSTEM_LABELS

HELP: Mapping[str, Promise] = {
    "smtp_server": gettext_lazy(
        "The name of the mail server, without port; without a server, mail goes through the mail client."
    ),
    "smtp_port": gettext_lazy("Empty takes the usual one: 587 with STARTTLS, 465 with implicit TLS, 25 without TLS."),
    "smtp_tls": gettext_lazy("How the connection is encrypted; mail never falls back to an unencrypted one."),
    "smtp_tls_min": gettext_lazy("Older versions than this are refused."),
    "smtp_user": gettext_lazy("The user name for the mail server, often an e-mail address; empty sends without log-in."),
    "smtp_password": gettext_lazy("It is stored encrypted, for exactly this server, port, user and TLS, and never shown again."),
    "allow_plain_auth": gettext_lazy("Sends user and password over the network in readable form, where TLS is off."),
    "ca_certificate": gettext_lazy("In PEM form, where the mail server's certificate comes from an authority of your own."),
    "client_certificate": gettext_lazy("In PEM form, where the mail server asks for one of its clients."),
    "client_key": gettext_lazy(
        "In PEM form, without a passphrase. It is stored encrypted, for exactly this server, port, TLS and certificate."
    ),
    "send_system": gettext_lazy("Direct systems send while you wait; asynchronous ones store the mail, and a worker sends it."),
    "confirm_shared_identity": gettext_lazy(
        "Allows send systems 2 to 5 without “Check sender”, although everybody can send as anybody."
    ),
    "imap_server": gettext_lazy("For drafts, copies in the Sent folder and bounces."),
    "imap_port": gettext_lazy("Empty takes the usual one: 993 with implicit TLS, 143 otherwise."),
    "imap_tls": gettext_lazy("How the connection to the mailbox is encrypted; it never falls back to an unencrypted one."),
    "imap_user": gettext_lazy(
        "Whose mailbox gets the drafts; empty takes the user for SMTP, in the general settings only where it is the sender."
    ),
    "imap_password": gettext_lazy(
        "Stored encrypted, for exactly this IMAP server, port, TLS and user. Without a user for IMAP, entering the SMTP password "
        "stores it here too."
    ),
    "read_bounces": gettext_lazy(
        "In the general settings or at an account: the portal looks in the IMAP mailbox named there for mails that came back, "
        "and says so at the mail. Nothing is deleted, moved or marked as read."
    ),
    "bounce_folder": gettext_lazy("Where they arrive; empty takes INBOX."),
    "sent_copy": gettext_lazy(
        "Each mail that was sent is also put into the mailbox's Sent folder: by Exchange over EWS, else over IMAP. Over Graph it "
        "is there anyway."
    ),
    "send_option": gettext_lazy("Whether mail goes out over the mail server or opens in the user's own mail client."),
    "sender_address": gettext_lazy("user@domain or Name <user@domain>; it counts where no account gives an address."),
    "always_use_sender_address": gettext_lazy(
        "The sender address goes before the one the program passes, but not before the accounts."
    ),
    "check_sender": gettext_lazy(
        "Users send only with addresses of the employee linked to their user ID; on at any level means on."
    ),
    "update_sender_from_employee": gettext_lazy("A linked employee's e-mail is written into the user's own sender address."),
    "redirect_enabled": gettext_lazy(
        "All mail goes to the redirect addresses only, never to its recipients; on at any level means on."
    ),
    "redirect_addresses": gettext_lazy("One address per line; they get all mail while the redirect mode is on."),
    "redirect_capture_only": gettext_lazy("While the redirect mode is on, nothing is sent at all; the mail is kept to look at."),
    "ews_url": gettext_lazy("The address of Exchange Web Services; empty lets autodiscover find it."),
    "ews_auth": gettext_lazy("How the log-in to Exchange works."),
    "ews_version": gettext_lazy("Only where Exchange does not tell its version itself."),
    "ntlm_domain": gettext_lazy("The Windows domain of the user, also for send systems 4 and 5; empty where the user names it."),
    "oauth_authority": gettext_lazy("The address that issues tokens; empty takes the provider's usual one."),
    "oauth_tenant": gettext_lazy("The directory (tenant) ID from the Microsoft 365 app registration."),
    "oauth_client_id": gettext_lazy("The application (client) ID from the app registration."),
    "oauth_client_secret": gettext_lazy(
        "It is stored encrypted, for exactly this server, user, authority and client, and never shown again."
    ),
    "oauth_secret_expires": gettext_lazy(
        "As the app registration says it, at Microsoft two years after it was made at most. The overview warns from 30 days "
        "before."
    ),
    "graph_url": gettext_lazy("Only where Microsoft Graph is not at its usual address, as in a national cloud."),
    "max_connections": gettext_lazy("How many connections to this server may be open at the same time."),
    "per_minute": gettext_lazy("The most mails a minute that this server takes."),
    "per_day": gettext_lazy("The most recipients a day that this server takes."),
    "unknown_policy": gettext_lazy("What happens to a mail when the server's last answer was lost."),
    "give_up_hours": gettext_lazy("A mail that is delayed for longer than this has failed."),
    "log_background_sends": gettext_lazy("Keeps the body and the dialogue with the server of mail sent in the background."),
    "retention_days": gettext_lazy("After this time, bodies and dialogues are erased; the lines of the log stay."),
    "allowed_networks": gettext_lazy(
        "One network per line, such as 10.1.0.0/16, where mail servers inside your own network are."
    ),
}
_ADVICE: Mapping[str, tuple[Promise, ...]] = {
    "smtp_tls": (gettext_lazy("Recommended is STARTTLS, unless your provider names port 465: then implicit TLS."),),
    "allow_plain_auth": (
        gettext_lazy("Recommended is no: switch TLS on instead. It is meant for old servers in the same building."),
    ),
    "send_system": (
        gettext_lazy("Exchange in the house: 2. Otherwise: 0."),
        gettext_lazy("Com and web users, mass mail and performance problems: 1."),
        gettext_lazy("Microsoft 365: 9 or 11, because Microsoft ends log-in to SMTP with user and password."),
        gettext_lazy("2 and 3, and 4 and 5 without a user, log in with the identity of the server's own process."),
        gettext_lazy("With this setting any employee can send with any sender address, the managing director's included."),
    ),
    "sender_address": (
        gettext_lazy("A general sender address is recommended: it is the last fallback for everybody who has none of their own."),
        gettext_lazy('A name with a comma needs quotes: "Huber, Anna" <anna@example.com>.'),
    ),
    "check_sender": (
        gettext_lazy("Recommended wherever users may choose their sender address; link every employee to a user ID first."),
    ),
    "update_sender_from_employee": (
        gettext_lazy("Recommended is yes: then each change of an employee's e-mail also reaches the settings."),
    ),
    "redirect_enabled": (
        gettext_lazy("Meant for tests. Mail queued while it is on never goes to its real recipients later."),
        gettext_lazy("Without a redirect address, mail goes to a dummy address at a public domain: enter one."),
    ),
    "max_connections": (gettext_lazy("Two to five suit most servers; more often leads to delays there."),),
    "unknown_policy": (
        gettext_lazy("Recommended is to ask: sending again may deliver an invoice twice, taking it as sent may lose it."),
    ),
    "log_background_sends": (gettext_lazy("Recommended is yes: without it, a failed mail can hardly be explained."),),
}


def advice_on(key: str) -> SafeString | None:
    """The recommendation for a parameter, in paragraphs."""
    sentences = _ADVICE.get(key)
    return format_html_join("", "<p>{}</p>", ((sentence,) for sentence in sentences)) if sentences else None


def say_value(key: str, value: Value) -> str:
    """A parameter's value in the reader's language."""
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    if key == "send_system" and isinstance(value, int):
        return str(SEND_SYSTEM_LABELS[value])
    if isinstance(value, (tuple, list)):
        return ", ".join(value)
    if PARAMETERS[key].kind is Kind.DATE and isinstance(value, str):
        return date_format(date.fromisoformat(value), "SHORT_DATE_FORMAT")
    return str(CHOICE_LABELS.get((key, str(value)), value))


assert set(HELP) == set(PARAMETERS)  # noqa: S101 (a new parameter needs its sentence)
