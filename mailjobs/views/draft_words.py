"""What became of a mail's draft in words: where it lies, or what to do so that it gets there; never that it was sent (X1)."""

import re
from typing import Any

from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailjobs import drafting
from mailjobs.core.envelope import Trouble
from mailjobs.core.reply import ReplyClass
from mailjobs.models import MailDraft
from mailjobs.remedies import reason_of, say_error

_State = MailDraft.State
_NO_PERMISSION = re.compile(r"HTTP (ErrorAccessDenied|Authorization_\w+)\b")


def say_draft(draft: MailDraft | None) -> dict[str, Any] | None:
    """Title, text and what the server said; None where no draft was ever wanted."""
    if draft is None:
        return None
    match draft.state:
        case _State.PLACED:
            return {"title": _placed(draft), "text": _then(draft), "reply": ""}
        case _State.FAILED:
            title = _("The mail could not be put as a draft into the mailbox. It has not been sent.")
            if draft.uncertain:
                title = _("Nobody knows whether the draft lies in the mailbox. It has not been sent.")
            return {"title": title, "text": say_failure(draft.error, uncertain=draft.uncertain), "reply": _heard(draft)}
        case _:
            title = _("The mail is being put as a draft into the mailbox; from there you send it yourself.")
            return {"title": title, "text": _waits(draft), "reply": _heard(draft)}


def say_failure(error: str, *, uncertain: bool = False) -> str:
    """Why a draft is not there and what to do; `error` as it is stored."""
    if uncertain:
        return _("The connection broke off. Put it there again: the portal first looks whether it lies there already.")
    return _CODES[error]() if error in _CODES else _of_server(error)


def _of_server(error: str) -> str:
    reason = reason_of(error)
    if reason is ReplyClass.LOGIN_REFUSED and not error.startswith(Trouble.TOKEN_REFUSED):
        return _("The mailbox does not accept the log-in. Correct user and password in the settings, then put it there again.")
    if error.startswith(Trouble.TOKEN_REFUSED):
        return _(
            "The mailbox does not accept the portal's access token. In the app registration the permission for IMAP is needed."
        )
    if _NO_PERMISSION.search(error):
        return _("In the app registration the permission Mail.ReadWrite is needed for drafts. Download the mail meanwhile.")
    if error.startswith(Trouble.DRAFT_REFUSED):
        return _("The mailbox does not take it; its answer below says why. Perhaps it is full. Download the mail instead.")
    if reason is None:
        return error
    return _("%(error)s. Check the settings of the mailbox, or download the mail instead.") % {"error": say_error(error)}


_CODES = {
    drafting.NO_MAILBOX: lambda: _(
        "The settings name no mailbox for it. Enter IMAP server, user and password, or download the mail instead."
    ),
    drafting.NEEDS_PASSWORD: lambda: _(
        "The password of the mailbox must be entered in the settings, or entered again; with OAuth, enter the client secret or "
        "connect the mailbox again."
    ),
    drafting.LOGIN_PAUSED: lambda: _(
        "The mailbox has refused the log-in before. So that it is not locked, nothing tries again until user or password are "
        "corrected in the settings."
    ),
    drafting.NOT_WAITING: lambda: _("The mail no longer waits for the mail client."),
    drafting.INTERNAL: lambda: _("The portal met an error with this mail. Download it instead, and tell the operator."),
}


def _placed(draft: MailDraft) -> str:
    words = {"mailbox": draft.mailbox, "folder": draft.folder or _("Drafts"), "time": _moment(draft)}
    lies = _("The mail lies as a draft in the mailbox %(mailbox)s, folder %(folder)s, since %(time)s. It has not been sent.")
    return lies % words


def _then(draft: MailDraft) -> str:
    then = _("Send it from there. When it has gone out, withdraw it here, and it leaves the list.")
    if draft.redirected_to is None:
        return then
    redirected = _("Because of the redirect mode it names %(addresses)s in place of its recipients.")
    return f"{redirected % {'addresses': ', '.join(draft.redirected_to)}} {then}"


def _waits(draft: MailDraft) -> str:
    if not draft.error:
        return ""
    return _("The last try did not succeed: %(error)s The next follows by itself.") % {"error": say_failure(draft.error)}


def _heard(draft: MailDraft) -> str:
    return "" if draft.error in _CODES else draft.error


def _moment(draft: MailDraft) -> str:
    return date_format(localtime(draft.changed_at), "SHORT_DATETIME_FORMAT")
