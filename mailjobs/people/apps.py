from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class PeopleConfig(AppConfig):
    name = "mailjobs.people"
    label = "people"
    verbose_name = _("People and log-in")

    def ready(self) -> None:
        """The settings pages ask here whether a password is right (Z13), and invite whom a form has made."""
        from mailjobs.people.invitations import invite_all  # noqa: PLC0415 (the same)
        from mailjobs.people.limits import password_is_right  # noqa: PLC0415 (the same)
        from mailjobs.people.sessions import forget_ways_in  # noqa: PLC0415 (the same)
        from mailsettings import access, portal  # noqa: PLC0415 (models must be loaded first)
        from mailsettings.changes import shut_out  # noqa: PLC0415 (the same)

        access.password_checks.append(password_is_right)
        shut_out.append(forget_ways_in)
        portal.after_invitations.append(invite_all)
