from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class DiagnosticsConfig(AppConfig):
    name = "diagnostics"
    verbose_name = _("Diagnosis")

    def ready(self) -> None:
        """The overview shows what the advisor has found."""
        from diagnostics.views.advisor import card  # noqa: PLC0415 (models are loaded only now)
        from mailjobs.views.dashboard import cards  # noqa: PLC0415

        if card not in cards:
            cards.append(card)
