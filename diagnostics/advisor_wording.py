"""Words of the advisor that stand at no check."""

from collections.abc import Mapping

from django.utils.translation import gettext_lazy as _

SEVERITIES: Mapping[str, object] = {"error": _("Fault"), "warning": _("Warning"), "hint": _("Hint")}
