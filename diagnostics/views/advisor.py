"""The advisor's page, and its card on the overview (D5)."""

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from diagnostics.advisor import CHECKS, advise, counted, mend
from diagnostics.advisor_wording import SEVERITIES
from mailsettings.access import Right, may
from mailsettings.changes import Refused
from mailsettings.models import User
from mailsettings.portal import SettingsPage, book_of

STAMPS = {"error": "failed", "warning": "deferred", "hint": "new"}


class Advisor(SettingsPage):
    """What is wrong at one tenant; a post does the one click of a check."""

    template_name = "diagnostics/advisor.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        found = advise(self.tenant) if self.tenant else []
        rows = [
            {"advice": advice, "stamp": STAMPS[advice.check.severity], "label": SEVERITIES[advice.check.severity]}
            for advice in found
        ]
        return self.show(rows=rows, checks=len(CHECKS))

    def post(self, request: HttpRequest) -> HttpResponse:
        code = request.POST.get("fix", "")
        if code not in CHECKS:
            return HttpResponseBadRequest()
        try:
            done = mend(book_of(self.reader), self.chosen, code)
        except Refused as refused:
            messages.error(request, str(refused))
        else:
            if done:
                messages.success(request, _("Saved."))
            else:
                messages.info(request, _("Nothing to save: everything stays as it was."))
        return HttpResponseRedirect(reverse("advisor") + self.elsewhere)


def card(reader: User) -> Mapping[str, object] | None:
    """How many faults and warnings the reader's tenant has; None for those who cannot change them, and where there is nothing."""
    if reader.tenant is None or not may(reader, Right.MANAGE_SETTINGS):
        return None
    counts = counted(reader.tenant)
    errors, warnings = counts["error"], counts["warning"]
    if not errors and not warnings:
        return None
    parts = []
    if errors:
        parts.append(ngettext("%(count)s fault", "%(count)s faults", errors) % {"count": errors})
    if warnings:
        parts.append(ngettext("%(count)s warning", "%(count)s warnings", warnings) % {"count": warnings})
    return {
        "title": _("Configuration advisor"),
        "text": _("Found in your configuration: %(found)s.") % {"found": ", ".join(parts)},
        "url": reverse("advisor"),
        "label": _("Look at them"),
        "broken": True,
    }
