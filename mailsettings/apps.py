from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class MailsettingsConfig(AppConfig):
    name = "mailsettings"
    verbose_name = _("Mail settings")

    def ready(self) -> None:
        """Deployment checks register themselves."""
        from mailsettings import checks  # noqa: F401, PLC0415 (the settings must be loaded first)
