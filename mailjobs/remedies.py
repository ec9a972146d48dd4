"""What a last error means, what to do about it and who must do it, in the reader's words (ui 5)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.catalogue import read_reply, said_by
from mailjobs.core.envelope import Phase, Reply, Trouble
from mailjobs.core.incidents import beginning_of
from mailjobs.core.reply import ReplyClass, classify

ADMINISTRATOR = gettext_lazy("Your administrator")
YOU = gettext_lazy("You")
NOBODY = gettext_lazy("Nobody: the portal goes on trying by itself.")
OPERATOR = gettext_lazy("The operator of the portal")
PROVIDER = gettext_lazy("Your administrator, together with the provider of the mail server")

RECIPIENT = gettext_lazy("The recipient; you tell them")
WHO = {"you": YOU, "administrator": ADMINISTRATOR, "provider": PROVIDER, "recipient": RECIPIENT, "operator": OPERATOR}


@dataclass(frozen=True, slots=True)
class Remedy:
    """The cause in plain words, what to do, who must do it; `settings` says that the answer lies in the settings."""

    title: object
    text: object
    who: object
    settings: bool = False


_NOT_REACHED = Remedy(
    gettext_lazy("The mail server could not be reached"),
    gettext_lazy("It did not answer, or the connection broke off before the mail was handed over. Nothing was sent."),
    PROVIDER,
    settings=True,
)
_LIMIT = Remedy(
    gettext_lazy("The mail server takes no more mail for now"),
    gettext_lazy("A limit of the provider is reached. Wait until it lets mail through again, then reset the send status."),
    PROVIDER,
)
_LATER = Remedy(
    gettext_lazy("The server asks to try again later"),
    gettext_lazy("The refusal is temporary. If it went on for too long, reset the send status and the mail is tried again."),
    NOBODY,
)
REMEDIES: Mapping[ReplyClass, Remedy] = {
    ReplyClass.LOGIN_REFUSED: Remedy(
        gettext_lazy("The mail server does not accept user or password"),
        gettext_lazy(
            "So that the account is not locked, the other mails of this login wait. Correct user or password, then reset the "
            "send status: one mail goes first, and the others follow when it has gone through."
        ),
        ADMINISTRATOR,
        settings=True,
    ),
    ReplyClass.SENDER_REFUSED: Remedy(
        gettext_lazy("The mail server does not let this login send with this sender address"),
        gettext_lazy(
            "Either the login gets the right to send as this address, or the mail is sent with an address it may use. "
            "The recipients are in order."
        ),
        PROVIDER,
        settings=True,
    ),
    ReplyClass.RECIPIENT_REFUSED: Remedy(
        gettext_lazy("A recipient's address was refused"),
        gettext_lazy(
            "Check the address with the recipient and correct it where it comes from. Resetting tries the same address again."
        ),
        YOU,
    ),
    ReplyClass.TOO_MANY_RECIPIENTS: Remedy(
        gettext_lazy("The server takes fewer recipients at a time"),
        gettext_lazy("The rest goes in a mail of its own. Reset the send status to try those who are still open."),
        YOU,
    ),
    ReplyClass.CONTENT_REFUSED: Remedy(
        gettext_lazy("The server refuses the content of the mail"),
        gettext_lazy("The mail is too large, or a filter objects to it. Send it with smaller or other attachments."),
        YOU,
    ),
    ReplyClass.QUOTA: _LIMIT,
    ReplyClass.THROTTLED: _LIMIT,
    ReplyClass.GREYLISTED: _LATER,
    ReplyClass.TEMPORARY: _LATER,
    ReplyClass.RETRY: _NOT_REACHED,
    ReplyClass.LOST_BEFORE_BODY: _NOT_REACHED,
    ReplyClass.HOST_UNKNOWN: Remedy(
        gettext_lazy("There is no mail server with this name"),
        gettext_lazy("Check the name of the server in the settings, then reset the send status."),
        ADMINISTRATOR,
        settings=True,
    ),
    ReplyClass.IDENTITY_MISSING: Remedy(
        gettext_lazy("The portal has no valid Kerberos ticket of its own"),
        gettext_lazy(
            "With this send system the portal itself logs in to the mail server. The operator sees to its keytab, ticket cache, "
            "clock or domain controller; waiting mails then go out by themselves, of failed ones reset the send status."
        ),
        OPERATOR,
    ),
    ReplyClass.TLS_RETRY: Remedy(
        gettext_lazy("No secure connection to the mail server came about"),
        gettext_lazy(
            "Certificate, name or TLS version do not fit. The mail never goes over an unprotected connection instead. "
            "Check server name, port and TLS in the settings."
        ),
        PROVIDER,
        settings=True,
    ),
    ReplyClass.CONFIGURATION: Remedy(
        gettext_lazy("The settings of the connection do not fit the mail server"),
        gettext_lazy("Trying again is useless until a setting is changed. Check server, TLS and send system."),
        ADMINISTRATOR,
        settings=True,
    ),
    ReplyClass.LOST_IN_BODY: Remedy(
        gettext_lazy("It is uncertain whether the mail arrived"),
        gettext_lazy(
            "The connection broke off while the mail was being handed over. Ask the recipient or look into the sent items of the "
            "mailbox before you reset the send status: the mail could arrive twice."
        ),
        YOU,
    ),
    ReplyClass.PERMANENT: Remedy(
        gettext_lazy("The mail server refuses the mail for good"),
        gettext_lazy("Its answer below says why. Remove the cause, then reset the send status."),
        ADMINISTRATOR,
    ),
}

# What a web service or an authority says in a word of its own, before the class that it has.
_BY_WORDS: tuple[tuple[re.Pattern[str], Remedy], ...] = (
    (
        re.compile(r"HTTP (invalid_grant|interaction_required|consent_required|login_required)\b"),
        Remedy(
            gettext_lazy("The mailbox's consent has expired or was withdrawn"),
            gettext_lazy(
                "The authority issues no access for it any more. Connect the mailbox again in the settings; the waiting mails "
                "then go by themselves, and this one after its send status is reset."
            ),
            ADMINISTRATOR,
            settings=True,
        ),
    ),
    (
        re.compile(r"HTTP (invalid_client|unauthorized_client|invalid_scope|invalid_request|invalid_resource)\b"),
        Remedy(
            gettext_lazy("The authority does not accept the portal's registration"),
            gettext_lazy(
                "OAuth tenant, client ID or client secret are not right, or the secret has ended. Make a new secret in the app "
                "registration and enter it in the settings."
            ),
            ADMINISTRATOR,
            settings=True,
        ),
    ),
    (
        re.compile(r"HTTP EWS Error(AccessDenied|Impersonat\w+|NonExistentMailbox)"),
        Remedy(
            gettext_lazy("The login may not use this mailbox"),
            gettext_lazy(
                "Exchange's administrator gives it the right: full access to the mailbox, or for a program with OAuth the role "
                "ApplicationImpersonation or the permission full_access_as_app. Then reset the send status."
            ),
            PROVIDER,
            settings=True,
        ),
    ),
    (
        re.compile(r"^403 HTTP EWS is switched off in Exchange Online"),
        Remedy(
            gettext_lazy("Exchange Online has switched EWS off"),
            gettext_lazy(
                "User and password are not to blame, and the other mails of this login wait. Microsoft ends EWS in Exchange "
                "Online: change the send system to Microsoft Graph (10 or 11) or to SMTP with OAuth (8 or 9), then reset the "
                "send status."
            ),
            ADMINISTRATOR,
            settings=True,
        ),
    ),
    (
        re.compile(r"^403 HTTP EWS is switched off"),
        Remedy(
            gettext_lazy("Exchange does not let this login use EWS"),
            gettext_lazy(
                "User and password are not to blame, and the other mails of this login wait. Exchange's administrator switches "
                "EWS on for the mailbox or allows the portal, or another send system is chosen; then reset the send status."
            ),
            PROVIDER,
            settings=True,
        ),
    ),
    (
        re.compile(r"HTTP (ErrorAccessDenied|Authorization_\w+)\b"),
        Remedy(
            gettext_lazy("The portal's registration lacks a permission"),
            gettext_lazy(
                "In the app registration Mail.Send is needed, for mails of more than about 3 MB Mail.ReadWrite too, granted by "
                "an administrator. A policy may also keep the app from this mailbox."
            ),
            ADMINISTRATOR,
            settings=True,
        ),
    ),
    (
        re.compile(r"^535\b.*\(status \w+"),
        Remedy(
            gettext_lazy("The mail server does not accept the access token"),
            gettext_lazy(
                "The mailbox is not the one that has consented, or the app registration lacks SMTP.Send or SMTP.SendAsApp, or "
                "SMTP is switched off for this mailbox. Correct that, or connect the mailbox again in the settings."
            ),
            ADMINISTRATOR,
            settings=True,
        ),
    ),
)

TROUBLES: Mapping[str, object] = {
    Trouble.HOST_UNKNOWN: gettext_lazy("The name of the mail server does not exist"),
    Trouble.DNS_FAILURE: gettext_lazy("The name service did not answer"),
    Trouble.HOST_NOT_ALLOWED: gettext_lazy("This mail server may not be used"),
    Trouble.REFUSED: gettext_lazy("The connection was refused"),
    Trouble.UNREACHABLE: gettext_lazy("The mail server is unreachable"),
    Trouble.TIMEOUT: gettext_lazy("The mail server did not answer in time"),
    Trouble.NOT_SMTP: gettext_lazy("What answered is no mail server"),
    Trouble.STARTTLS_MISSING: gettext_lazy("The mail server offers no STARTTLS"),
    Trouble.TLS_VERSION: gettext_lazy("The mail server's TLS version is too old"),
    Trouble.CERTIFICATE_EXPIRED: gettext_lazy("The mail server's certificate has expired"),
    Trouble.CERTIFICATE_NAME: gettext_lazy("The mail server's certificate is made out to another name"),
    Trouble.CERTIFICATE_UNTRUSTED: gettext_lazy("The mail server's certificate is not trusted"),
    Trouble.AUTH_NEEDS_TLS: gettext_lazy("The password would go over the network without TLS"),
    Trouble.MECHANISM_MISSING: gettext_lazy("The mail server offers no suitable way to log in"),
    Trouble.MAILBOX_MISSING: gettext_lazy("No mailbox is named to log in to: enter it as the SMTP user"),
    Trouble.BAD_REPLY: gettext_lazy("What answered is not the service that was meant"),
    Trouble.LIBRARIES_MISSING: gettext_lazy("The operator of the portal has not installed what this send system needs"),
    Trouble.NO_TICKET: gettext_lazy("The portal has no Kerberos ticket"),
    Trouble.TICKET_EXPIRED: gettext_lazy("The portal's Kerberos ticket has expired"),
    Trouble.TICKET_REFUSED: gettext_lazy("The domain does not accept the portal's own account"),
    Trouble.CLOCK_SKEW: gettext_lazy("The portal's clock and the domain's clock differ too much"),
    Trouble.KDC_UNREACHABLE: gettext_lazy("No domain controller (KDC) answers the portal"),
    Trouble.SERVICE_UNKNOWN: gettext_lazy("The domain knows no mail server of this name"),
    Trouble.NO_IDENTITY: gettext_lazy("No user is entered, and the portal has no NTLM login of its own"),
    Trouble.NOT_IMAP: gettext_lazy("What answered is no IMAP server"),
    Trouble.PASSWORD_REFUSED: gettext_lazy("The mailbox does not accept user or password"),
    Trouble.TOKEN_REFUSED: gettext_lazy("The mailbox does not accept the access token"),
    Trouble.NO_SENT_FOLDER: gettext_lazy("The mailbox has no folder for sent mails"),
    Trouble.NO_BOUNCE_FOLDER: gettext_lazy("The mailbox has no such folder for bounces"),
    Trouble.NO_DRAFTS_FOLDER: gettext_lazy("The mailbox has no folder for drafts"),
    Trouble.DRAFT_REFUSED: gettext_lazy("The mailbox does not take the mail"),
    Trouble.MAILBOX_BUSY: gettext_lazy("The mailbox takes nothing right now"),
    Trouble.CLOSED_BY_SERVER: gettext_lazy("The mail server closed the connection"),
    Trouble.SMTPUTF8_MISSING: gettext_lazy("The mail server does not take international addresses"),
    Trouble.SIZE: gettext_lazy("The mail is larger than the mail server takes"),
    Trouble.UNSUPPORTED: gettext_lazy("The portal cannot use this send system"),
    Trouble.OTHER: gettext_lazy("The hand-over broke off"),
}
_LOST = {
    "found in Sent Items": gettext_lazy("found in the mailbox's Sent Items"),
    "The worker was lost while the mail was on the wire": gettext_lazy("The worker was lost while the mail was on the wire"),
    "The worker was lost three times with this mail; it was set aside": gettext_lazy(
        "The worker was lost three times with this mail; it was set aside"
    ),
}
# How `lost.leave_unknown` and `answering` write it.
_TAKEN = re.compile(r"(?P<error>.*?)(?:; )?taken as sent(?:, as the account says| by (?P<who>\S.*))", re.DOTALL)
_RECIPIENT = re.compile(r"\s*<[^<>\s]*@[^<>\s]*>:?")
_ERROR = re.compile(r"(?P<code>[2-5]\d\d)(?: (?P<enhanced>\d\.\d{1,3}\.\d{1,3}))?(?: (?P<text>.*))?", re.DOTALL)
_NAMES_RECIPIENT = re.compile(r" <[^<>]+>$")


def remedy_for(error: str, *, state: str, sender: str = "") -> Remedy | None:
    """What to do about a job's last error; None where there is nothing to say."""
    if state == "unknown":
        return REMEDIES[ReplyClass.LOST_IN_BODY]
    if not error:
        return None
    if (said := next((remedy for words, remedy in _BY_WORDS if words.search(error)), None)) is not None:
        return said
    if (reason := reason_of(error, sender=sender)) is not None:
        return _with_saying(REMEDIES.get(reason), error)
    if error.startswith("Internal error"):
        return Remedy(
            _("The portal met an error with this mail"),
            _("The mail was set aside. Tell the operator the reference in the error; afterwards reset the send status."),
            OPERATOR,
        )
    return Remedy(_("The mail may not go out like this"), error, ADMINISTRATOR, settings=True)


def _with_saying(remedy: Remedy | None, error: str) -> Remedy | None:
    """The remedy in the words of the catalogue, where a provider is known to say just this."""
    reply = read_reply(error)
    saying = said_by(reply) if reply is not None else None
    if saying is None or remedy is None:
        return remedy
    text = format_lazy("{} {}", saying.meaning, saying.remedy)
    return Remedy(remedy.title, text, WHO[saying.who], settings=remedy.settings or saying.who == "administrator")


def say_error(error: str) -> str:
    """A stored error as a line for people: words for what no server said, and no address that stands beside it anyway."""
    if (taken := _TAKEN.fullmatch(error)) is not None:
        said, who = say_error(taken["error"]), taken["who"]
        return " – ".join(part for part in (said, say_taken(who or "")) if part)
    trouble, _colon, detail = error.partition(":")
    if trouble in TROUBLES:
        return f"{TROUBLES[trouble]}:{detail}" if detail else str(TROUBLES[trouble])
    return str(_LOST.get(error, "")) or _RECIPIENT.sub("", error)


def taken_as_sent(error: str) -> str | None:
    """Of a mail that is sent with an error: who took it as sent, empty for the account's policy; None for all other errors."""
    taken = _TAKEN.fullmatch(error)
    return None if taken is None else taken["who"] or ""


def say_taken(who: str) -> str:
    """That nobody knows whether a mail arrived, and who said so; empty for the account's policy."""
    return _("taken as sent by %(who)s") % {"who": who} if who else _("taken as sent, as the account says")


def reason_of(error: str, *, sender: str = "") -> ReplyClass | None:
    """The class of a last error as it was stored; None where no server and no network said it."""
    trouble = error.partition(":")[0]
    if trouble in TROUBLES:
        return classify(Phase.CONNECT, None, Trouble(trouble), sender)
    if (found := _ERROR.match(error)) is None:
        return None
    reply = Reply(int(found["code"]), found["enhanced"] or "", found["text"] or "")
    return classify(_phase(reply), reply, None, sender)


def _phase(reply: Reply) -> Phase:
    """Where it was most likely said; a reply about a recipient has the address at its end."""
    if reply.code in {523, 524, 525, 530, 534, 535, 538}:
        return Phase.AUTH
    return Phase.RCPT if _NAMES_RECIPIENT.search(reply.text) else Phase.BODY


def cause_of(error: str) -> str:
    """What errors of one cause begin with, to look for them among the mail jobs (J8)."""
    return beginning_of(error)
