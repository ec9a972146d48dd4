from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailjobsConfig(AppConfig):
    name = "mailjobs"
    verbose_name = _("Mail jobs")

    def ready(self) -> None:
        """A stricter policy returns only when nothing decided before it is on the wire (U2); a change foresees its cells (P9)."""
        from mailjobs.confirmation import ask_for_claims  # noqa: PLC0415 (the same)
        from mailjobs.delivery import wait_until_off_the_wire  # noqa: PLC0415 (models must be loaded first)
        from mailjobs.foreseeing import cells_of, open_mails_of  # noqa: PLC0415 (the same)
        from mailjobs.notices import pass_on  # noqa: PLC0415 (the same)
        from mailsettings.changes import after_tightening, departures  # noqa: PLC0415 (the same)
        from mailsettings.foresight import matrices  # noqa: PLC0415 (the same)
        from mailsettings.leavers import pending  # noqa: PLC0415 (the same)
        from mailsettings.portal import after_claims  # noqa: PLC0415 (the same)

        matrices.append(cells_of)
        pending.append(open_mails_of)
        departures.append(pass_on)
        after_claims.append(ask_for_claims)
        after_tightening.append(wait_until_off_the_wire)
