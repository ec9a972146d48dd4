"""The audit log: who changed what, newest first (Z16)."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mailjobs.audited import ACTIONS, events_at, lines_of, say_action
from mailjobs.filters import address, chips_of, page_of, search_of
from mailsettings.portal import SettingsPage

INSTALLATION = "installation"  # what belongs to no tenant, for the operator


class Audit(SettingsPage):
    """The list of one tenant; to read, there is nothing to change."""

    template_name = "mailjobs/audit.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        search, action = search_of(request.GET), request.GET.get("action", "")
        action = action if action in ACTIONS else ""
        whole = request.GET.get("of") == INSTALLATION
        if whole and not self.reader.is_operator:
            raise Http404
        tenant = None if whole or self.tenant is None else self.tenant
        nobodys = tenant is None and not self.reader.is_operator
        rows = events_at(tenant, search, action)
        page = page_of(rows.none() if nobodys else rows, request.GET)
        return self.show(
            search=search,
            action=action,
            actions=sorted(((key, str(label)) for key, label in ACTIONS.items()), key=lambda pair: pair[1].casefold()),
            lines=lines_of(page.rows, self.reader),
            page=page,
            chips=_chips(request, search, action),
            keep=[(name, request.GET[name]) for name in ("tenant", "of") if name in request.GET],
            tabs=self._tabs(request, whole=whole),
        )

    def _tabs(self, request: HttpRequest, *, whole: bool) -> list[dict[str, Any]]:
        if not self.reader.is_operator:
            return []
        return [
            {"label": _("Firms and Com customers"), "url": address(request.GET, of=None), "active": not whole},
            {"label": _("Installation"), "url": address(request.GET, of=INSTALLATION), "active": whole},
        ]


def _chips(request: HttpRequest, search: Any, action: str) -> list[Any]:
    found = list(chips_of(search, request.GET))
    if action:
        found.append({"label": say_action(action), "remove_url": address(request.GET, action=None)})
    return found
