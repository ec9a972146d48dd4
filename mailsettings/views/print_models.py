"""Print models: the list, the page with form, ladder, users and preview of one, and a move on its ladder."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django_tables2 import RequestConfig

from mailsettings.changes import Book
from mailsettings.core.placeholders import TemplateTooLarge, VariableMissing, render, samples_for
from mailsettings.core.send_systems import Stage
from mailsettings.foresight import Foresight
from mailsettings.forms.print_models import PrintModelForm, StageForm
from mailsettings.ladder import diversion_of, earlier_moves, history_of, rungs_of
from mailsettings.models import PrintModel, StageChoices, Tenant
from mailsettings.portal import ROWS, SettingsPage, list_url, write
from mailsettings.tables import PrintModelTable
from mailsettings.usage import active_world, senders_of


class PrintModels(SettingsPage):
    """The print models of a tenant."""

    template_name = "mailsettings/print_models.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = PrintModel.objects.filter(tenant=self.tenant).select_related("account").defer("subject", "text", "html")
        table = PrintModelTable(rows)
        RequestConfig(request, paginate={"per_page": ROWS}).configure(table)
        return self.show(table=table if rows else None)


class PrintModelPage(SettingsPage):
    """One print model and the form over it."""

    template_name = "mailsettings/print_model.html"

    def answer(self, tenant: Tenant, model: PrintModel | None) -> HttpResponse:
        form = PrintModelForm(tenant, model, self.request.POST if self.request.method == "POST" else None)
        if form.is_bound and not form.only_rows and write(self.request, form, concerned=[tenant]):
            saved = model or PrintModel.objects.get(tenant=tenant, slug=form.cleaned_data["slug"])
            return redirect(reverse("print_model", args=[saved.pk]))
        shown = self._about(model) if model else {}
        return self.show(form=form, tenant=tenant, model=model, back=list_url("print_models", tenant, self), **shown)

    def _about(self, model: PrintModel) -> dict[str, Any]:
        """What the page tells of an existing print model besides its form."""
        world = active_world(model.tenant)
        return {
            "rungs": rungs_of(model),
            "diversion": diversion_of(world),
            "history": history_of(model, self.reader),
            "earlier": earlier_moves(model),
            "uses": senders_of(model, world),
            "preview": _preview_of(model),
        }


class PrintModelNew(PrintModelPage):
    """A new print model."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.answer(self.chosen, None)

    post = get


class PrintModelEdit(PrintModelPage):
    """An existing print model."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        model = _model_for(self, pk)
        return self.answer(model.tenant, model)

    post = get


class PrintModelStage(SettingsPage):
    """A move on the ladder: down at once, up after a yes to what follows (P9)."""

    template_name = "mailsettings/print_model_stage.html"

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Where the question was, when it is asked for once more."""
        return redirect(reverse("print_model", args=[_model_for(self, pk).pk]))

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        model = _model_for(self, pk)
        form, back = StageForm(model, self.reader, request.POST), reverse("print_model", args=[model.pk])
        if self._write(model, form):
            return redirect(back)
        if form.asked and form.errors:
            form.foresight = self._question_again(model)
        if form.foresight is None:  # no such move, so there is nothing to ask
            for error in (error for errors in form.errors.values() for error in errors):
                messages.error(request, str(error))
            return redirect(back)
        return self.show(form=form, model=model, here=StageChoices(model.stage).label, back=back)

    def _write(self, model: PrintModel, form: StageForm) -> Book | None:
        climbs = form.target is not None and Stage(model.stage).rung < form.target.rung
        return write(self.request, form, concerned=[model.tenant] if climbs else [])

    def _question_again(self, model: PrintModel) -> Foresight | None:
        """What is asked, where the yes came with a wrong password."""
        posted = self.request.POST.copy()
        del posted["foreseen"]
        self.request.POST = posted  # type: ignore[assignment]
        form = StageForm(model, self.reader, posted)
        self._write(model, form)
        return form.foresight


def _model_for(page: SettingsPage, pk: int) -> PrintModel:
    """A print model that the reader may see, else 404."""
    return page.one_of(PrintModel.objects.select_related("tenant__firm", "account"), pk)


def _preview_of(model: PrintModel) -> dict[str, object]:
    """Subject and text with sample values; None where they cannot be filled in. The HTML has an address of its own."""
    samples = samples_for(model.subject, model.text, model.html)
    try:
        subject, text = (render(template, samples, html=False) for template in (model.subject, model.text))
    except (VariableMissing, TemplateTooLarge):
        return {"samples": samples, "broken": True}
    return {"samples": samples, "subject": subject, "text": text, "html": bool(model.html)}
