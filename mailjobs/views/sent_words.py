"""What became of a mail's copy in the Sent folder, and of the look for an uncertain one there, in words (X3)."""

from django.utils.translation import gettext as _

from mailjobs import sent_items
from mailjobs.models import MailJob, SentErrand
from mailjobs.remedies import reason_of, say_error
from mailjobs.waiting import say_time

_State = SentErrand.State


def say_copy(job: MailJob) -> str:
    """Where the copy lies, or why not; empty where none is wanted. The mail itself was handed over, whatever it says."""
    errand = SentErrand.objects.filter(job=job, kind=SentErrand.Kind.COPY).first()
    if errand is None:
        return ""
    words = {"mailbox": errand.mailbox, "folder": errand.folder, "why": say_reason(errand.error)}
    match errand.state:
        case _State.DONE:
            return _("In the mailbox %(mailbox)s, folder %(folder)s") % words
        case _State.FAILED:
            return _("Could not be put into the mailbox. The mail was sent all the same. %(why)s") % words
        case _ if errand.error:
            return _("Not there yet. %(why)s The next try follows by itself.") % words
        case _:
            return _("Is being put into the mailbox")


def say_look(job: MailJob) -> str:
    """Whether an uncertain mail is looked for by the portal itself; empty where it cannot."""
    errand = SentErrand.objects.filter(job=job, kind=SentErrand.Kind.LOOK).first()
    if errand is None:
        return ""
    if errand.state == _State.FAILED:
        return _("The portal has looked for it there and not found it. That does not prove that it was not sent.")
    return _("The portal looks for it there by itself, next at %(time)s; found, it counts as sent.") % {
        "time": say_time(errand.due_at)
    }


def say_reason(error: str) -> str:
    """Why something was not done in a mailbox; `error` as it is stored."""
    if error in _CODES:
        return _CODES[error]()
    return f"{say_error(error).rstrip('.')}." if reason_of(error) is not None else error


_CODES = {
    sent_items.NO_MAILBOX: lambda: _("The settings name no mailbox that can be reached by IMAP."),
    sent_items.NEEDS_PASSWORD: lambda: _(
        "The password of the mailbox must be entered in the settings, or entered again; with OAuth, enter the client secret or "
        "connect the mailbox again."
    ),
    sent_items.LOGIN_PAUSED: lambda: _("The mailbox has refused the log-in before; correct it in the settings."),
    sent_items.ERASED: lambda: _("The content of the mail is no longer kept."),
    sent_items.INTERNAL: lambda: _("The portal met an error with it; tell the operator."),
}
