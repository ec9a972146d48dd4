"""The first steps of a tenant: its mail server with guessed settings, and a test mail (ui 9)."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from mailjobs.core.plan import make_plan
from mailjobs.explanation import document_of
from mailjobs.models import LogOutcome
from mailjobs.people.guessing import ADVICE, guess_for
from mailjobs.people.limits import failed, minutes_to_wait, say_wait
from mailjobs.people.starting import AddressForm, OwnSenderForm, ServerForm, TestMailForm, filled_in, send_test_mail
from mailjobs.selectors import log_visible_to
from mailsettings.access import Right, may
from mailsettings.beforehand import said_beforehand
from mailsettings.changes import own_values
from mailsettings.core.addresses import key_of
from mailsettings.core.facts import Request
from mailsettings.foresight import concerned
from mailsettings.forms.sheet import locks_on
from mailsettings.models import ClaimedAddress
from mailsettings.portal import SettingsPage, write
from mailsettings.selectors import facts_of


class MailServer(SettingsPage):
    """The sender address first, then the server that its domain lets guess."""

    template_name = "people/mail_server.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=AddressForm(initial={"sender_address": own_values(self.chosen).get("sender_address", "")}), step=1)

    def post(self, request: HttpRequest) -> HttpResponse:
        tenant = self.chosen
        if "smtp_server" not in request.POST:
            return self._guess(AddressForm(request.POST))
        form = ServerForm(tenant, request.POST)
        begun = {"smtp_server", "sender_address"} & own_values(tenant).keys()
        if write(request, form, concerned=concerned(tenant) if begun else []):
            return HttpResponseRedirect(reverse("first_test_mail" if tenant.pk == self.reader.tenant_id else "dashboard"))
        return self.show(form=form, step=2)

    def _guess(self, form: AddressForm) -> HttpResponse:
        if not form.is_valid():
            return self.show(form=form, step=1)
        address = form.cleaned_data["sender_address"]
        guess = guess_for(address)
        advice = ADVICE.get(guess.provider.advice, "") if guess and guess.provider else ""
        filled = ServerForm(self.chosen, initial=filled_in(address, guess))
        return self.show(form=filled, step=2, guess=guess, asked=True, advice=advice)

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Where the server is locked there is nothing to set up (T5)."""
        manages = request.user.is_authenticated and may(self.reader, Right.MANAGE_SETTINGS)
        if manages and self.tenant is not None and {"smtp_server", "sender_address"} & set(locks_on(self.tenant, self.reader)):
            raise Http404
        answer = super().dispatch(request, *args, **kwargs)
        return answer  # type: ignore[return-value]


class OwnSender(SettingsPage):
    """A user's own sender address: enter it, confirm it by mail, test it (T4)."""

    template_name = "people/own_sender.html"
    right = Right.OWN_PARAMETERS

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(OwnSenderForm(self.reader))

    def post(self, request: HttpRequest) -> HttpResponse:
        if "sender_address" in locks_on(self.reader, self.reader):
            raise Http404
        form = OwnSenderForm(self.reader, request.POST)
        return HttpResponseRedirect(reverse("own_sender")) if write(request, form) else self._show(form)

    def _show(self, form: OwnSenderForm) -> HttpResponse:
        facts = facts_of(self.reader, Request())
        plan = make_plan(facts)
        document = document_of(plan)
        sender = document["sender"]
        claim = (
            ClaimedAddress.objects.filter(tenant=self.reader.tenant, key=key_of(sender["address"])).first() if sender else None
        )
        return self.show(
            form=form,
            sender=sender,
            claim=claim,
            refused=document["refused"],
            allowed=plan.allowed,
            beforehand=said_beforehand(facts, self.reader),
            locked=locks_on(self.reader, self.reader).get("sender_address", ""),
            tested=log_visible_to(self.reader).filter(user=self.reader, outcome=LogOutcome.HANDED_OVER).exists(),
        )


class FirstTestMail(SettingsPage):
    """A test mail the way this reader's mail goes."""

    template_name = "people/test_mail.html"
    right = Right.SUBMIT

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(TestMailForm(initial={"to": self.reader.email}))

    def post(self, request: HttpRequest) -> HttpResponse:
        form, place = TestMailForm(request.POST), f"test mail of {self.reader.pk}"
        if not form.is_valid():
            return self._show(form)
        to = form.cleaned_data["to"]
        if not may(self.reader, Right.MANAGE_SETTINGS) and to.lower() != self.reader.email.lower():
            form.add_error("to", _("Test mails go to your own address only: %(address)s") % {"address": self.reader.email or "–"})
            return self._show(form)
        if minutes := minutes_to_wait(request, place):
            form.add_error(None, say_wait(minutes))
            return self._show(form)
        failed(request, place)  # each counts, so that nobody is flooded (Z19)
        result = send_test_mail(self.reader, to)
        if result is None or result.id is None:
            form.add_error(None, result.message if result else _("This is no e-mail address."))
            return self._show(form)
        messages.info(
            request, _("The test mail is on its way. This page shows what becomes of it; load it again after a moment.")
        )
        return HttpResponseRedirect(reverse("job", args=[result.id]))

    def _show(self, form: TestMailForm) -> HttpResponse:
        plan = document_of(make_plan(facts_of(self.reader, Request())))
        return self.show(form=form, sender=plan["sender"], redirect=plan["redirect"], refused=plan["refused"])
