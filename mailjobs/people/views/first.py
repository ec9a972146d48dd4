"""The first visit of an empty installation: the token of the console opens it."""

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailjobs.people.first import nobody_yet
from mailjobs.people.forms import NewPasswordForm
from mailjobs.people.limits import failed, minutes_to_wait, remember_browser, say_wait
from mailjobs.people.links import link_of, use
from mailjobs.people.models import Link, SignIn
from mailjobs.people.sessions import enter
from mailjobs.people.views.welcome import Bare
from mailsettings.changes import Book, Refused, save_user
from mailsettings.core.send_systems import Role
from mailsettings.forms.fields import contact_field, login_field
from mailsettings.models import User

FIRST = "first operator"  # whose failed tries count


class FirstForm(NewPasswordForm):
    """The token, and who the first operator is."""

    token = forms.CharField(
        label=gettext_lazy("Token from the console"),
        max_length=200,
        help_text=gettext_lazy("The portal printed it when it started; “manage.py first_token” prints a new one."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    login = login_field()
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    email = contact_field()
    field_order = ("token", "login", "name", "email", "password", "again")

    def about(self) -> User:
        data = self.cleaned_data
        return User(login=data.get("login", ""), name=data.get("name", ""), email=data.get("email", ""))


class First(Bare):
    """The page; once there is a user it leads to the log-in."""

    template_name = "people/first.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        if not nobody_yet():
            return HttpResponseRedirect(reverse("login"))
        return self.show(form=FirstForm(None, initial={"token": request.GET.get("token", "")[:200]}))

    def post(self, request: HttpRequest) -> HttpResponse:
        if not nobody_yet():
            return HttpResponseRedirect(reverse("login"))
        form = FirstForm(None, request.POST)
        if not form.is_valid():
            return self.show(form=form)
        if minutes := minutes_to_wait(request, FIRST):
            form.add_error(None, say_wait(minutes))
            return self.show(form=form)
        link = link_of(form.cleaned_data["token"].strip(), Link.Kind.FIRST)
        if link is None:
            failed(request, FIRST)
            form.add_error("token", _("This token does not hold. Look at the console again, or print a new one."))
            return self.show(form=form)
        try:
            user = self._make(form, link)
        except Refused as refused:
            form.show_objections(refused)
            return self.show(form=form)
        if user is None:
            return HttpResponseRedirect(reverse("login"))
        enter(request, user, SignIn.How.LINK)
        messages.success(request, _("You are the operator of this installation. Next: the first firm."))
        response = HttpResponseRedirect(reverse("firm_new"))
        remember_browser(request, response, user)
        return response

    def _make(self, form: FirstForm, link: Link) -> User | None:
        data = form.cleaned_data
        with transaction.atomic():
            if not use(link) or not nobody_yet():
                return None
            return save_user(
                Book(data["login"]),
                login=data["login"],
                name=data["name"],
                role=Role.OPERATOR,
                tenant=None,
                email=data["email"],
                password=data["password"],
            )
