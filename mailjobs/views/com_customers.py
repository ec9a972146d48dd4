"""A firm's Com customers: what their mail may carry, what waits for the firm, and as whom they would send (P4, P8)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Page as NumberedPage
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from mailjobs.filters import address
from mailjobs.leaks import Leak, Report, report_on
from mailjobs.matrix import WITHOUT
from mailjobs.models import MailJob, StateChoices
from mailjobs.views.file_answer import csv_answer
from mailjobs.views.short_words import SHORT_HOLDS, SHORT_REFUSALS
from mailsettings.access import Right
from mailsettings.changes import Book
from mailsettings.context_processors import url_of
from mailsettings.core.send_systems import TenantKind
from mailsettings.models import SendsAsFirmChoices, Tenant, User
from mailsettings.portal import ROWS, SettingsPage
from mailsettings.selectors import addresses_in_use
from mailsettings.views.tenants import TenantEdit
from mailsettings.wording import LEVEL_LABELS

AS_FIRM = "firm"  # the filter
MOST_COUNTED = 100  # Com customers; of more, those who would send as the firm are counted only where the filter asks


@dataclass(frozen=True, slots=True)
class PartShown:
    """One identity in words."""

    models: str
    address: str
    level: str
    as_firm: bool
    stop: str  # refused, held or empty
    stopped_by: str


@dataclass(frozen=True, slots=True)
class LeakShown:
    """One user with the identities of the next mail, and where the case is explained."""

    user: User
    parts: tuple[PartShown, ...]
    as_firm: bool
    url: str


@dataclass(frozen=True, slots=True)
class CustomerShown:
    """One Com customer of the list."""

    tenant: Tenant
    policy: str
    sender: str
    users: int
    as_firm: int
    held: int
    leaks: tuple[LeakShown, ...]


class CustomersPage(SettingsPage):
    """What the list and its file have in common: the Com customers of one firm, searched and filtered."""

    right = Right.MANAGE_COM_CUSTOMERS

    @cached_property
    def tenants(self) -> list[Tenant]:
        """Of whom the Com customers are shown: firms only."""
        return [row for row in super().tenants if row.kind == TenantKind.FIRM]

    @cached_property
    def query(self) -> str:
        return self.request.GET.get("q", "").strip()[:200]

    @cached_property
    def only(self) -> str:
        return AS_FIRM if self.request.GET.get("only") == AS_FIRM else ""

    @cached_property
    def customers(self) -> list[Tenant]:
        """By name."""
        rows = Tenant.objects.filter(firm=self.tenant).select_related("firm") if self.tenant else ()
        return sorted(rows, key=lambda row: (row.name.casefold(), row.pk))

    @cached_property
    def users(self) -> dict[int, list[User]]:
        """The active users of the Com customers, by name."""
        found: dict[int, list[User]] = defaultdict(list)
        rows = User.objects.filter(tenant__in=self.customers, is_active=True)
        for user in sorted(rows, key=lambda row: (row.name.casefold(), row.login)):
            found[user.tenant_id or 0].append(user)
        return found

    @cached_property
    def matching(self) -> list[Tenant]:
        """The Com customers that the search finds by name, ID or one of their users."""
        words = self.query.casefold().split()
        return [row for row in self.customers if all(word in self._text_of(row) for word in words)]

    def reports(self, customers: Sequence[Tenant]) -> Iterator[Report]:
        """The leak reports of these Com customers; with the filter, only users who would send as the firm."""
        in_use = addresses_in_use()
        for customer in customers:
            report = report_on(customer, self.users[customer.pk], in_use)
            if not self.only:
                yield report
            elif report.as_firm:
                yield Report(report.tenant, report.sender, tuple(leak for leak in report.leaks if leak.as_firm))

    def _text_of(self, customer: Tenant) -> str:
        people = " ".join(f"{user.login} {user.name}" for user in self.users[customer.pk])
        return f"{customer.slug} {customer.name} {people}".casefold()


class ComCustomers(CustomersPage):
    """The list with the leak report."""

    template_name = "mailjobs/com_customers.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.tenant is None:
            return self.show(customers=(), total=0)
        counted = bool(self.only) or len(self.matching) <= MOST_COUNTED
        reports = list(self.reports(self.matching)) if counted else []
        customers = [report.tenant for report in reports] if counted else self.matching
        page = Paginator(customers, ROWS).get_page(request.GET.get("page"))
        known = {report.tenant.pk: report for report in reports}
        of_page = [known[row.pk] for row in page] if counted else list(self.reports(list(page)))
        held = held_of([report.tenant for report in of_page])
        return self.show(
            customers=[self._shown(report, held.get(report.tenant.pk, 0)) for report in of_page],
            total=len(self.customers),
            found=len(customers),
            tabs=self._tabs(sum(report.as_firm for report in reports) if counted else None),
            page=page,
            turn=self._turn(page),
            keep=[(name, value) for name, value in self.base.items() if name not in {"q", "page"}],
            all_url=self.link(q=None, only=None, page=None),
            csv_url=reverse("com_customers_csv") + self.link(page=None).removeprefix("."),
        )

    @cached_property
    def base(self) -> QueryDict:
        """The address without what means nothing here, and always about the same firm."""
        base = QueryDict(mutable=True)
        given = {"q": self.query, "only": self.only, "page": self.request.GET.get("page", "")}
        base.update({name: value for name, value in given.items() if value})
        if self.chosen.pk != self.reader.tenant_id:
            base["tenant"] = self.chosen.slug
        return base

    def link(self, **changes: str | None) -> str:
        """The same page with other values."""
        return address(self.base, **changes)

    def _shown(self, report: Report, held: int) -> CustomerShown:
        return CustomerShown(
            report.tenant,
            str(SendsAsFirmChoices(report.tenant.sends_as_firm).label),
            report.sender,
            len(self.users[report.tenant.pk]),
            report.as_firm,
            held,
            tuple(shown(leak) for leak in report.leaks),
        )

    def _tabs(self, as_firm: int | None) -> list[dict[str, object]]:
        return [
            {"label": _("All users"), "url": self.link(only=None, page=None), "active": not self.only, "count": None},
            {
                "label": _("Only those who would send as the firm"),
                "url": self.link(only=AS_FIRM, page=None),
                "active": bool(self.only),
                "count": as_firm,
                "alert": True,
            },
        ]

    def _turn(self, page: "NumberedPage[Any]") -> dict[str, str]:
        """The addresses of the pages before and after."""
        return {
            "before": self.link(page=str(page.previous_page_number())) if page.has_previous() else "",
            "after": self.link(page=str(page.next_page_number())) if page.has_next() else "",
        }


class ComCustomersExport(CustomersPage):
    """The leak report as a file, one line for each user and print model that differs, as searched and filtered."""

    def get(self, request: HttpRequest) -> HttpResponse:
        head = [
            _("Com customer"), _("Name"), _("User ID"), _("User"), _("Print models"), _("Sender address"), _("Level"),
            _("As the firm"), _("Result"), _("Reason"), _("Mail that carries the firm's address"),
        ]  # fmt: skip
        return csv_answer([head, *self._rows()], title=_("Leak report"), filename=f"leaks-{self.chosen.slug}.csv")

    def _rows(self) -> Iterator[list[str]]:
        results = {"": pgettext("cell", "sent"), "refused": pgettext("cell", "refused"), "held": pgettext("cell", "held")}
        for report in self.reports(self.matching):
            policy = str(SendsAsFirmChoices(report.tenant.sends_as_firm).label)
            for leak in report.leaks:
                for part in shown(leak).parts:
                    yield [
                        report.tenant.slug, report.tenant.name, leak.user.login, leak.user.name, part.models,
                        part.address, part.level, _("Yes") if part.as_firm else _("No"),
                        results[part.stop], part.stopped_by, policy,
                    ]  # fmt: skip


class ComCustomer(TenantEdit):
    """One Com customer, for the operator a firm too: the form, the ways to its other pages, its leaks and claimed addresses."""

    template_name = "mailjobs/com_customer.html"

    def more(self, tenant: Tenant) -> dict[str, Any]:
        report = report_on(tenant, sorted(tenant.users.filter(is_active=True), key=lambda row: row.name.casefold()))
        return {
            "links": _links(tenant),
            "leaks": [shown(leak) for leak in report.leaks] if tenant.is_com_customer else (),
            "as_firm": report.as_firm,
            "sender": report.sender,
            "claims": list(tenant.claimed_addresses.all()),
            "addresses_url": url_of("addresses"),
            "held": held_of([tenant]).get(tenant.pk, 0),
            "releases_url": f"{reverse('releases')}?customer={tenant.slug}" if not self.reader.is_operator else "",
        }

    def saved(self, tenant: Tenant, book: Book) -> None:
        """What waits for the firm goes on waiting, whatever the policy is now."""
        changed = any("sends_as_firm" in record.after for record in book.records)
        if changed and (count := held_of([tenant]).get(tenant.pk, 0)):
            text = ngettext(
                "%(count)s mail goes on waiting in the release queue until the firm releases or rejects it.",
                "%(count)s mails go on waiting in the release queue until the firm releases or rejects them.",
                count,
            )
            messages.info(self.request, text % {"count": count})


def held_of(customers: Sequence[Tenant]) -> Mapping[int, int]:
    """How many mails of these Com customers wait for the firm, by primary key."""
    rows = MailJob.objects.filter(tenant__in=customers, state=StateChoices.HELD, held_for="firm")
    return dict(rows.order_by().values_list("tenant").annotate(Count("pk")))


def shown(leak: Leak) -> LeakShown:
    """A user of the leak report in words."""
    parts = []
    for part in [*leak.parts[1:], *leak.parts[:1]]:  # print models that differ, then all the others
        identity = part.identity
        stop, stopped_by = "", ""
        if identity.refused:
            stop, stopped_by = "refused", str(SHORT_REFUSALS.get(identity.refused, identity.refused))
        elif identity.held:
            stop, stopped_by = "held", str(SHORT_HOLDS.get(identity.held, identity.held))
        level = str(LEVEL_LABELS[identity.level]) if identity.level else ""
        models = "" if part.models == (WITHOUT,) else ", ".join(part.models)
        parts.append(PartShown(models, identity.address, level, identity.as_firm, stop, stopped_by))
    return LeakShown(leak.user, tuple(parts), leak.as_firm, f"{reverse('senders')}?user={leak.user.login}")


def _links(tenant: Tenant) -> list[dict[str, object]]:
    """The pages about this tenant that this installation has."""
    pages = [
        ("settings", _("General settings"), "settings"),
        ("locks", _("Locks"), "lock"),
        ("accounts", _("E-mail accounts"), "account"),
        ("print_models", _("Print models"), "print-model"),
        ("users", _("Users"), "users"),
        ("employees", _("Employees"), "employee"),
        ("senders", _("Senders"), "senders"),
    ]
    return [
        {"url": f"{url}?tenant={tenant.slug}", "label": label, "icon": icon}
        for name, label, icon in pages
        if (url := url_of(name))
    ]
