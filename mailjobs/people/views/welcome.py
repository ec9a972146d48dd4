"""Links by mail: choosing a password after an invitation or a reset; asking for a reset."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from mailjobs.people import limits
from mailjobs.people.forms import NewPasswordForm, WhoForm
from mailjobs.people.invitations import ask_for_reset
from mailjobs.people.limits import failed, forgive, minutes_to_wait, remember_browser, say_wait
from mailjobs.people.links import link_of, use
from mailjobs.people.models import Link, SignIn
from mailjobs.people.second_factor import has_second_factor
from mailjobs.people.sessions import end as end_sign_in
from mailjobs.people.sessions import enter, sign_ins_of
from mailsettings.changes import Book, set_password
from mailsettings.models import User

KINDS = (Link.Kind.INVITATION, Link.Kind.RESET)


class Bare(TemplateResponseMixin, ContextMixin, View):
    """A page for who is not logged in; the address of a link must not travel on."""

    def show(self, status: int = 200, **shown: object) -> HttpResponse:
        answer = self.render_to_response(self.get_context_data(**shown), status=status)
        answer["Referrer-Policy"] = "no-referrer" if status == 404 else "same-origin"
        answer["Cache-Control"] = "no-store"
        return answer


class Welcome(Bare):
    """Where the link of an invitation or a reset leads. Opening it changes nothing: mail filters open links too."""

    template_name = "people/welcome.html"

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        link = link_of(token, *KINDS)
        return self._show(link, NewPasswordForm(link.user) if link else None)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        link = link_of(token, *KINDS)
        user: User | None = link.user if link else None
        if link is None or user is None or not user.is_active:
            return self._show(None, None)
        form = NewPasswordForm(user, request.POST)
        if not form.is_valid():
            return self._show(link, form)
        with transaction.atomic():
            if not use(link):
                return self._show(None, None)
            set_password(Book(user.login), user, form.cleaned_data["password"])
        forgive(user.login)
        for row in sign_ins_of(user):
            end_sign_in(row)
        if has_second_factor(user):
            messages.success(request, _("Your password is set. Log in with it now."))
            return HttpResponseRedirect(reverse("login"))
        fresh = User.objects.select_related("tenant").get(pk=user.pk)
        enter(request, fresh, SignIn.How.LINK)
        messages.success(request, _("Welcome, %(name)s. Your password is set.") % {"name": user.name})
        response = HttpResponseRedirect(reverse("dashboard"))
        remember_browser(request, response, fresh)
        return response

    def _show(self, link: Link | None, form: NewPasswordForm | None) -> HttpResponse:
        good = link is not None and link.user is not None and link.user.is_active
        shown = (
            {"link": link, "form": form, "person": link.user} if good and link else {"link": None, "form": None, "person": None}
        )
        return self.show(200 if good else 404, **shown)


class Forgotten(Bare):
    """Asking for a new password; the answer is the same whether somebody exists or not."""

    template_name = "people/forgotten.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=WhoForm(), asked=False)

    def post(self, request: HttpRequest) -> HttpResponse:
        form = WhoForm(request.POST)
        if not form.is_valid():
            return self.show(form=form, asked=False)
        place = f"reset from {limits.address_of(request)}"  # a mailbox must not be flooded from one place
        if minutes := minutes_to_wait(request, place):
            form.add_error(None, say_wait(minutes))
            return self.show(form=form, asked=False)
        failed(request, place)
        ask_for_reset(request, form.cleaned_data["who"])
        return self.show(form=form, asked=True)
