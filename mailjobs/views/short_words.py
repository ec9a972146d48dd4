"""What is in a mail's way, in the two or three words that fit into a cell of the sender matrix; whole sentences: `wording`."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.utils.translation import gettext_lazy, pgettext_lazy

from mailjobs.core.plan import Hazard, Hold, Refusal
from mailjobs.wording import HAZARDS

SHORT_REFUSALS: Mapping[str, object] = {
    Refusal.USER_INACTIVE: gettext_lazy("user deactivated"),
    Refusal.PRINT_MODEL_UNKNOWN: gettext_lazy("print model unknown"),
    Refusal.ADDRESS_INVALID: gettext_lazy("address not valid"),
    Refusal.FOREIGN_ADDRESS: gettext_lazy("address of another tenant"),
    Refusal.ADDRESS_UNCONFIRMED: gettext_lazy("address not confirmed"),
    Refusal.CHECK_SENDER_NO_EMPLOYEE: gettext_lazy("no employee linked"),
    Refusal.CHECK_SENDER_NOT_ON_EMPLOYEE: gettext_lazy("not the employee's address"),
    Refusal.NO_SENDER: gettext_lazy("no sender address"),
    Refusal.NO_CONNECTION: gettext_lazy("no mail server"),
    Refusal.SHARED_IDENTITY: gettext_lazy("shared identity not confirmed"),
    Refusal.SECRET_NEEDED: gettext_lazy("password must be entered again"),
    Refusal.HOST_NOT_ALLOWED: gettext_lazy("mail server not allowed"),
    Refusal.REDIRECT_UNREADABLE: gettext_lazy("redirect mode unreadable"),
    Refusal.VARIABLE_MISSING: gettext_lazy("values missing"),
}
SHORT_HOLDS: Mapping[str, object] = {
    Hold.HELD_BY_FIRM: gettext_lazy("until the firm releases it"),
    Hold.CONFIRM_SENDS_AS_FIRM: gettext_lazy("until the sender confirms it"),
    Hold.STAGE_HELD: gettext_lazy("until an administrator approves it"),
    Hold.BY_CLIENT: gettext_lazy("until it is sent from the own mail client"),
    Hold.CAPTURED: gettext_lazy("captured by the redirect mode"),
    Hold.RESTORED: gettext_lazy("until the operator goes on after a restore"),
    Hold.RUN_PAUSED: gettext_lazy("while its print run is paused"),
}
SHORT_HAZARDS: Mapping[str, object] = {
    Hazard.SENDS_AS_FIRM: pgettext_lazy("hazard", "sends as the firm"),
    Hazard.SHARED_IDENTITY: pgettext_lazy("hazard", "anybody can send as anybody"),
    Hazard.PLAIN_AUTH: pgettext_lazy("hazard", "password without TLS"),
    Hazard.NO_TLS: pgettext_lazy("hazard", "no TLS"),
    Hazard.BASIC_AUTH_RETIRED: pgettext_lazy("hazard", "log-in by password ends"),
    Hazard.EWS_RETIRED: pgettext_lazy("hazard", "EWS ends"),
    Hazard.REDIRECT_DUMMY: pgettext_lazy("hazard", "redirected to a dummy domain"),
    Hazard.DIRECT_FOR_COM: pgettext_lazy("hazard", "direct send system"),
    Hazard.NO_LOGGING: pgettext_lazy("hazard", "not logged"),
    Hazard.INACTIVE_NAMED: pgettext_lazy("hazard", "names what is deactivated"),
}
# Worth knowing, but no mail goes astray and nobody reads along.
_MILD = frozenset({Hazard.DIRECT_FOR_COM, Hazard.NO_LOGGING, Hazard.INACTIVE_NAMED})


@dataclass(frozen=True, slots=True)
class Danger:
    """A hazard as pages show it: in red, or in amber where it is not `severe`."""

    code: str
    severe: bool

    @property
    def word(self) -> str:
        return str(SHORT_HAZARDS.get(self.code) or self.text)

    @property
    def text(self) -> str:
        return str(HAZARDS.get(self.code, self.code))


def danger_of(code: str) -> Danger:
    """A hazard by its code."""
    return Danger(code, severe=code not in _MILD)
