"""Who would send as whom: the what-if of one case, the matrix of users and print models, and its export (R4, P8)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.core.paginator import Page as NumberedPage
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from mailjobs.core.plan import Plan
from mailjobs.matrix import WITHOUT, plan_in
from mailjobs.views.file_answer import csv_answer
from mailjobs.views.sender_case import FIELDS, Case, answer_in_words, case_of
from mailjobs.views.sender_cells import AS_FIRM, HAZARDOUS, STOPPED, Line, answer_of, count, line_of
from mailjobs.views.sender_reading import SendersPage
from mailjobs.views.short_words import SHORT_HAZARDS, danger_of
from mailsettings.context_processors import url_of
from mailsettings.models import SendsAsFirmChoices, StageChoices, User
from mailsettings.portal import ROWS
from mailsettings.wording import LEVEL_LABELS

MOST_COUNTED = 20_000  # cells; a larger matrix is decided page by page and not counted


class Senders(SendersPage):
    """The page: what would happen, and the matrix below."""

    template_name = "mailjobs/senders.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if self.tenant is None:
            return self.show()
        case = case_of(request.GET)
        if not case.user and not self.manages:
            case = Case(self.reader.login, case.print_model, case.context_sender, crm=case.crm, unattended=case.unattended)
        asked = next((user for user in self.people if user.login == case.user), None)
        unknown = bool(case.user) and asked is None
        return self.show(
            404 if unknown else 200,
            case=case,
            asked=asked,
            unknown=unknown,
            answer=self._answer(case, asked) if asked else None,
            models=self._models(case),
            hidden=[(name, value) for name, value in self.base.items() if name not in FIELDS],
            close=self.link(**dict.fromkeys(FIELDS)) if self.manages else "",
            policy=SendsAsFirmChoices(self.chosen.sends_as_firm).label if self.chosen.is_com_customer else "",
            **self._matrix(case),
        )

    def _answer(self, case: Case, asked: User) -> dict[str, Any]:
        plan = plan_in(self.world, asked.login, case.request())
        return answer_in_words(plan, asked, self.chosen, self.reader, self.discretion)

    def _models(self, case: Case) -> list[str]:
        """The print models to choose from, with the one that is asked about even where there is none like it."""
        slugs = [slug for slug in self.columns if slug != WITHOUT]
        return slugs if case.print_model in {WITHOUT, *slugs} else [*slugs, case.print_model]

    def _matrix(self, case: Case) -> dict[str, Any]:
        counted = bool(self.only) or len(self.matching) * len(self.columns) <= MOST_COUNTED
        counts = count(self.plans, self.discretion) if counted else None
        users = [user for user in self.matching if user.login in self.narrowed] if counted else self.matching
        page = Paginator(users, ROWS).get_page(self.request.GET.get("page"))
        plans: Mapping[str, Any] = self.narrowed if counted else self.plans_of(list(page))
        return {
            "columns": [self._column(slug) for slug in self.columns],
            "lines": [self._line(user, plans[user.login], case) for user in page],
            "as_table": self.manages and not self.only,
            "page": page,
            "turn": self._turn(page),
            "shown": _shown(page),
            "tabs": self._tabs(counts),
            "chips": self._chips(),
            "keep": [(name, value) for name, value in self.base.items() if name not in {"q", "page"}],
            "legend": [self._entry(code, counts) for code in SHORT_HAZARDS if counts is None or counts[code]],
            "others": [danger_of(code) for code in SHORT_HAZARDS if counts is not None and not counts[code]],
            "all_url": self.link(only=None, page=None),
            "everybody_url": self.link(q=None, page=None),
            "no_models": len(self.columns) == 1,
            "models_url": self._models_url(),
            "csv_url": reverse("senders_csv") + self.link(**dict.fromkeys((*FIELDS, "page"))).removeprefix("."),
        }

    def _line(self, user: User, plans: Sequence[Plan | None], case: Case) -> Line:
        chosen = case.print_model if user.login == case.user else None
        return line_of(user, plans, self.columns, self.discretion, url=self._case_url, chosen=chosen)

    def _case_url(self, login: str, print_model: str) -> str:
        return self.link_to(Case(login, print_model))

    def _column(self, slug: str) -> dict[str, object]:
        model = self.world.print_models.get(slug)
        stage = StageChoices(model.stage) if model else StageChoices.LIVE
        return {"slug": slug, "stage": "" if stage is StageChoices.LIVE else stage.label}

    def _turn(self, page: "NumberedPage[User]") -> dict[str, str]:
        """The addresses of the pages before and after."""
        return {
            "before": self.link(page=str(page.previous_page_number())) if page.has_previous() else "",
            "after": self.link(page=str(page.next_page_number())) if page.has_next() else "",
        }

    def _tabs(self, counts: Mapping[str, int] | None) -> list[dict[str, object]]:
        labels = {"": _("All"), HAZARDOUS: _("With hazards"), STOPPED: _("Refused or held")}
        if self.chosen.is_com_customer:
            labels[AS_FIRM] = _("As the firm")
        return [
            {
                "label": label,
                "url": self.link(only=only or None, page=None),
                "count": None if counts is None else counts[only or "all"],
                "active": self.only == only,
                "alert": bool(only),
            }
            for only, label in labels.items()
        ]

    def _chips(self) -> list[dict[str, str]]:
        found = []
        if self.query:
            found.append({"label": _("Search: %(text)s") % {"text": self.query}, "remove_url": self.link(q=None, page=None)})
        if self.only in SHORT_HAZARDS:
            found.append({"label": danger_of(self.only).word, "remove_url": self.link(only=None, page=None)})
        return found

    def _entry(self, code: str, counts: Mapping[str, int] | None) -> dict[str, object]:
        return {
            "danger": danger_of(code),
            "count": None if counts is None else counts[code],
            "url": self.link(only=code, page=None),
        }

    def _models_url(self) -> str:
        url = url_of("print_models") if self.manages else ""
        return f"{url}{self.elsewhere}" if url else ""


class SendersExport(SendersPage):
    """The matrix as a file, one line for each cell, as searched and filtered."""

    def get(self, request: HttpRequest) -> HttpResponse:
        head = [
            _("User ID"), _("User"), _("Print model"), _("Way"), _("Sender address"), _("Name of the sender"), _("Level"),
            _("Mail server"), _("Send system"), _("Result"), _("Reason"), _("Redirect mode"), _("Hazards"),
        ]  # fmt: skip
        return csv_answer([head, *self._rows()], title=_("Sender matrix"), filename=f"senders-{self.chosen.slug}.csv")

    def _rows(self) -> Iterator[list[str]]:
        results = {"": pgettext("cell", "sent"), "refused": pgettext("cell", "refused"), "held": pgettext("cell", "held")}
        for user in self.matching:
            for slug, plan in zip(self.columns, self.narrowed.get(user.login, ()), strict=False):
                if plan is None:
                    continue
                answer = answer_of(plan, self.discretion)
                yield [
                    user.login, user.name, slug,
                    answer.channel, answer.address, answer.name,
                    str(LEVEL_LABELS[plan.sender.level]) if plan.sender.level else "",
                    answer.server, "" if answer.system is None else str(answer.system),
                    results[answer.stop], answer.stopped_by, answer.diverted,
                    "; ".join(danger.word for danger in answer.hazards),
                ]  # fmt: skip


def _shown(page: "NumberedPage[User]") -> str:
    words = {"page": page.number, "pages": page.paginator.num_pages}
    return _("Page %(page)s of %(pages)s") % words if page.paginator.num_pages > 1 else ""
