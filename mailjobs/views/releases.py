"""The firm's release queue: mails of its Com customers that would carry its address (P8, T7)."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, Max, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.bulk import AT_A_TIME, Done
from mailjobs.contents import whole
from mailjobs.filters import address, page_of
from mailjobs.models import MailJob
from mailjobs.preview import read
from mailjobs.releasing import REASON_LENGTH, held_for_firm, reject
from mailjobs.tables import few, moment
from mailjobs.views.asking import ask, carry_out
from mailjobs.views.job import frozen_for
from mailjobs.views.jobs import chosen, tell
from mailjobs.views.page import job_for
from mailsettings.access import Right
from mailsettings.models import Tenant, User
from mailsettings.portal import SettingsPage

ACTIONS = ("release", "reject")
NAMED = 10  # mails that the question for the reason names


class ReleasePage(SettingsPage):
    """For administrators of a firm; the operator has no say in whose name a firm's mail goes, and reads no bodies (T7)."""

    right = Right.MANAGE_COM_CUSTOMERS

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and request.user.tenant_id is None:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def act(self, action: str, ids: Sequence[int], *, again: str) -> HttpResponse:
        """Release or reject; a rejection first asks for its reason. `again`: where the reader goes on."""
        if action not in ACTIONS:
            return HttpResponseBadRequest()
        if action == "release":
            newest = {"newest": self.request.POST["newest"]} if self.request.POST.get("newest") else {}
            if (question := ask(self, action, ids, back=again, beside=newest)) is not None:
                return question
            tell(self.request, carry_out(self, action, ids))
            return HttpResponseRedirect(again)
        typed = self.request.POST.get("reason", "")
        reason = " ".join("".join(char if char.isprintable() else " " for char in typed).split())
        if not reason or len(reason) > REASON_LENGTH:
            return self._ask_reason(ids, again)
        tell(self.request, _rejected(self.reader, ids, reason))
        return HttpResponseRedirect(again)

    def _ask_reason(self, ids: Sequence[int], again: str) -> HttpResponse:
        """The page that asks why; what was typed and is too long stays."""
        typed = self.request.POST.get("reason")
        jobs = held_for_firm(self.reader).filter(pk__in=ids).select_related("tenant", "user")
        self.template_name = "mailjobs/releases_reject.html"
        problem = ""
        if typed is not None:
            limit = _("The reason may have %(count)s characters at most.") % {"count": REASON_LENGTH}
            problem = limit if typed.strip() else _("Say why: the user reads it.")
        matching = bool(self.request.POST.get("all_matching"))
        return self.show(
            jobs=jobs[:NAMED],
            more=max(len(ids) - NAMED, 0),
            ids=[] if matching else ids,
            newest=self.request.POST.get("newest", "") if matching else "",
            total=len(ids),
            typed=typed or "",
            problem=problem,
            limit=REASON_LENGTH,
            again=again,
        )


class Releases(ReleasePage):
    """The queue, narrowed to one Com customer by `?customer=ID`."""

    template_name = "mailjobs/releases.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = self._narrowed()
        page = page_of(
            rows.select_related("tenant", "user", "print_model", "decision").prefetch_related("recipients"), request.GET
        )
        counts = dict(self._all().order_by().values_list("tenant__slug").annotate(Count("pk")))
        total = counts.get(self.customer.slug, 0) if self.customer else sum(counts.values())
        return self.show(
            mails=[_shown(job) for job in page.rows],
            page=page,
            total=total,
            tabs=self._tabs(counts),
            customer=self.customer or self._only(counts),
            newest=rows.aggregate(newest=Max("pk"))["newest"] or 0,
            actions=_bulk_actions(),
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        for action in ACTIONS:
            if request.POST.get(f"{action}_one"):
                return self.act(action, _ids([request.POST[f"{action}_one"]]), again=request.get_full_path())
        return self.act(request.POST.get("action", ""), self._chosen(), again=request.get_full_path())

    @cached_property
    def customer(self) -> Tenant | None:
        """The Com customer that the address names; one that is not there is nobody's."""
        wanted = self.request.GET.get("customer", "")
        if not wanted:
            return None
        found = [row for row in self.tenants if row.slug == wanted and row.is_com_customer]
        if not found:
            raise Http404
        return found[0]

    def _all(self) -> QuerySet[MailJob]:
        return held_for_firm(self.reader)

    def _narrowed(self) -> QuerySet[MailJob]:
        return self._all().filter(tenant=self.customer) if self.customer else self._all()

    def _chosen(self) -> list[int]:
        """The ticked mails, or all that match the address; what came after the page was made is not among them."""
        if not self.request.POST.get("all_matching"):
            return chosen(self.request)
        newest = _ids([self.request.POST.get("newest", "")])
        rows = self._narrowed().filter(pk__lte=newest[0]) if newest else self._narrowed()
        return list(rows.order_by("pk").values_list("pk", flat=True))

    def _only(self, counts: dict[str, int]) -> Tenant | None:
        """The Com customer, where all mails are of one."""
        return next((row for row in self.tenants if row.slug in counts), None) if len(counts) == 1 else None

    def _tabs(self, counts: dict[str, int]) -> list[dict[str, object]]:
        if len(counts) < 2 and self.customer is None:
            return []
        data = self.request.GET
        everything = {
            "label": _("All"),
            "url": address(data, customer=None),
            "count": sum(counts.values()),
            "active": self.customer is None,
        }
        return [everything] + [
            {
                "label": row.name,
                "url": address(data, customer=row.slug),
                "count": counts.get(row.slug, 0),
                "active": row == self.customer,
            }
            for row in self.tenants
            if row.slug in counts or row == self.customer
        ]


class Release(ReleasePage):
    """One mail of the queue, with body and attachments (T7); in the list, only that part of it."""

    template_name = "mailjobs/release.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = job_for(self.reader, pk)
        if not held_for_firm(self.reader).filter(pk=pk).exists():
            return HttpResponseRedirect(reverse("job", args=[job.pk]))
        frozen = frozen_for(self, job)
        if getattr(request, "htmx", False):
            self.template_name = "mailjobs/release_mail.html"
        return self.show(mail=_shown(job), preview=read(whole(frozen)) if frozen is not None else None)

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        job = job_for(self.reader, pk)
        return self.act(request.POST.get("action", ""), [job.pk], again=reverse("releases"))


def _shown(job: MailJob) -> dict[str, Any]:
    """A mail of the queue in words."""
    recipients = [recipient.address for recipient in job.recipients.all()]
    return {
        "job": job,
        "recipients": few(recipients),
        "all_recipients": recipients,
        "since": moment(job.created_at),
        "name": ((job.plan.get("sender") or {}).get("name")) or "",
    }


def _rejected(reader: User, ids: Sequence[int], reason: str) -> Done:
    count = sum(reject(reader, ids[start : start + AT_A_TIME], reason) for start in range(0, len(ids), AT_A_TIME))
    said = ngettext(
        "%(count)s mail was rejected, and its user was told why.",
        "%(count)s mails were rejected, and their users were told why.",
        count,
    )
    left = len(ids) - count
    skipped = ngettext(
        "%(count)s mail was left out: it no longer waits for the firm.",
        "%(count)s mails were left out: they no longer wait for the firm.",
        left,
    )
    return Done(count, said % {"count": count}, skipped % {"count": left} if left else "")


def _ids(texts: Sequence[str]) -> list[int]:
    return [int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19]


def _bulk_actions() -> list[dict[str, Any]]:
    return [
        {"name": "action", "value": "release", "label": _("Release"), "icon": "play", "primary": True},
        {"name": "action", "value": "reject", "label": _("Reject …"), "icon": "x"},
    ]
