"""The words for steps, verdicts, causes and who must act."""

from collections.abc import Mapping

from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.timezone import localtime
from django.utils.translation import gettext_lazy as _

from diagnostics.core.findings import Cause, Step, Verdict, Who

STEPS: Mapping[str, Promise] = {
    Step.CONFIGURATION: _("Settings"),
    Step.SENDER: _("Sender"),
    Step.REDIRECT: _("Redirect"),
    Step.NAME_RESOLUTION: _("Name of the server"),
    Step.CONNECTION: _("Connection"),
    Step.GREETING: _("Greeting"),
    Step.EHLO: _("What the server can do"),
    Step.TLS: _("Encryption"),
    Step.AUTHENTICATION: _("Login"),
    Step.SENDER_ACCEPTED: _("Sender at the server"),
    Step.RECIPIENT_ACCEPTED: _("Recipient at the server"),
    Step.SIZE: _("Size"),
    Step.QUEUE: _("Queue and worker"),
    Step.TEST_MAIL: _("Test mail"),
    Step.DOMAIN: _("The sender's domain"),
}
VERDICTS: Mapping[str, Promise] = {
    Verdict.PASSED: _("In order"),
    Verdict.WARNED: _("With a note"),
    Verdict.FAILED: _("Not in order"),
    Verdict.NOT_REACHED: _("Not reached"),
}
WHO: Mapping[str, Promise] = {
    Who.YOU: _("You"),
    Who.ADMINISTRATOR: _("Your administrator"),
    Who.PROVIDER: _("The provider of the mail server"),
    Who.RECIPIENT: _("The recipient"),
    Who.OPERATOR: _("The operator of the portal"),
}
CAUSES: Mapping[str, Promise] = {
    Cause.NO_SERVER: _("No mail server"),
    Cause.SECRET_NEEDED: _("Password missing"),
    Cause.HOST_NOT_ALLOWED: _("Server not allowed"),
    Cause.LIBRARIES_MISSING: _("Not installed"),
    Cause.SHARED_IDENTITY: _("Shared identity not confirmed"),
    Cause.USER_INACTIVE: _("User deactivated"),
    Cause.PRINT_MODEL_UNKNOWN: _("No such print model"),
    Cause.BY_CLIENT: _("Goes through the mail client"),
    Cause.NO_SENDER: _("No sender address"),
    Cause.CHECK_SENDER: _("Check sender refuses"),
    Cause.ADDRESS_INVALID: _("Not a valid address"),
    Cause.FOREIGN_ADDRESS: _("Not the own address"),
    Cause.HELD: _("Waits for release"),
    Cause.REDIRECTED: _("Redirected"),
    Cause.CAPTURED: _("Captured only"),
    Cause.REDIRECT_UNREADABLE: _("Redirect cannot be read"),
    Cause.HOST_UNKNOWN: _("No server of this name"),
    Cause.DNS_FAILURE: _("Name service does not answer"),
    Cause.REFUSED: _("Connection refused"),
    Cause.TIMEOUT: _("No answer in time"),
    Cause.UNREACHABLE: _("Not reachable"),
    Cause.NOT_SMTP: _("Not a mail server"),
    Cause.GREETING_REFUSED: _("Turned away"),
    Cause.BAD_REPLY: _("Senseless answer"),
    Cause.STARTTLS_MISSING: _("No STARTTLS"),
    Cause.NO_TLS: _("Not encrypted"),
    Cause.TLS_VERSION: _("TLS does not fit"),
    Cause.CERTIFICATE_EXPIRED: _("Certificate expired"),
    Cause.CERTIFICATE_ENDS: _("Certificate ends soon"),
    Cause.CERTIFICATE_NAME: _("Certificate of another name"),
    Cause.CERTIFICATE_UNTRUSTED: _("Certificate not trusted"),
    Cause.AUTH_NEEDS_TLS: _("Login needs TLS"),
    Cause.AUTH_NEEDED: _("Login needed"),
    Cause.MECHANISM_MISSING: _("No way to log in"),
    Cause.WRONG_CREDENTIALS: _("Wrong user or password"),
    Cause.ACCOUNT_LOCKED: _("Account locked"),
    Cause.BASIC_AUTH_DISABLED: _("Password login switched off"),
    Cause.EWS_DISABLED: _("EWS switched off"),
    Cause.NO_TICKET: _("The portal has no identity"),
    Cause.CLOCK_SKEW: _("Clocks differ"),
    Cause.TOKEN_EXPIRED: _("Consent or token expired"),
    Cause.TOKEN_REFUSED: _("Token refused"),
    Cause.SENDER_REFUSED: _("Sender refused"),
    Cause.RECIPIENT_REFUSED: _("Recipient refused"),
    Cause.GREYLISTED: _("Greylisted"),
    Cause.RELAY_DENIED: _("No relaying"),
    Cause.MAILBOX_FULL: _("Mailbox full"),
    Cause.TOO_MANY_RECIPIENTS: _("Too many recipients"),
    Cause.TOO_LARGE: _("Too large"),
    Cause.NO_WORKER: _("No worker"),
    Cause.LOGIN_PAUSED: _("Login paused"),
    Cause.CONTENT_REFUSED: _("Content refused"),
    Cause.QUOTA: _("Allowance used up"),
    Cause.RATE_LIMITED: _("Slowed down"),
    Cause.NO_REPLY: _("No reply to the mail"),
    Cause.CLOSED_BY_SERVER: _("Connection closed"),
    Cause.OTHER: _("Another cause"),
}


def say_day(text: str) -> str:
    """The reader's day of a moment as ISO 8601; a dash for none."""
    moment = parse_datetime(text) if text else None
    return date_format(localtime(moment), "SHORT_DATE_FORMAT") if moment else "–"
