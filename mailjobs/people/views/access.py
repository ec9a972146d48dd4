"""One's own access: password, authenticator app, passkeys, recovery codes, connected identity, log-ins, notifications."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mailjobs.people import openid, passkeys
from mailjobs.people.forms import ChangePasswordForm, CodeForm, NewPasswordForm, PreferenceForm
from mailjobs.people.models import Authenticator, Identity, Passkey, Preference, RecoveryCode, SignIn
from mailjobs.people.second_factor import has_second_factor, new_recovery_codes, new_secret, picture_of, set_up, take_away
from mailjobs.people.sessions import end, end_others, keep_here, sign_ins_of
from mailjobs.people.views.log_in import json_of
from mailsettings.access import knows_password
from mailsettings.changes import Book, audit, set_password
from mailsettings.models import User
from mailsettings.portal import Page, ReaderMixin, confirm_now, confirmed_lately
from mailsettings.vault import SecretUnreadable, seal, unseal

APP = "authenticator"  # in the session: the sealed secret of an app that is being set up


class ConfirmedMixin(ReaderMixin):
    """For pages that change how somebody logs in: who proved long ago who they are proves it again first (Z13)."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated and not confirmed_lately(request):
            wanted = request.path if request.method == "GET" else reverse("access")
            where = f"{reverse('confirm')}?{urlencode({'next': wanted})}"
            if request.headers.get("Accept") == "application/json":
                return JsonResponse({"url": where})
            return HttpResponseRedirect(where)
        return super().dispatch(request, *args, **kwargs)


class Access(Page):
    """The page; a post saves how somebody wants to be told."""

    template_name = "people/access.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        user = self.reader
        preference = Preference.objects.filter(user=user).first()
        return self.show(
            has_password=user.has_usable_password(),
            authenticator=Authenticator.objects.filter(user=user).first(),
            passkeys=list(Passkey.objects.filter(user=user)),
            second_factor=has_second_factor(user),
            codes_left=RecoveryCode.objects.filter(user=user).count(),
            openid=settings.OIDC_NAME if openid.is_on() else "",
            identities=list(Identity.objects.filter(user=user)),
            sign_ins=sign_ins_of(user),
            here=request.session.session_key,
            form=PreferenceForm(initial={"digest": preference.digest if preference else Preference.Digest.NEVER}),
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        form = PreferenceForm(request.POST)
        if not form.is_valid():
            return HttpResponse(status=400)
        if form.cleaned_data["digest"] != Preference.Digest.NEVER and not self.reader.email:
            messages.error(request, _("No e-mail address of yours is known. Your administrator enters it under “Users”."))
            return HttpResponseRedirect(reverse("access"))
        Preference.objects.update_or_create(user=self.reader, defaults={"digest": form.cleaned_data["digest"]})
        messages.success(request, _("Saved."))
        return HttpResponseRedirect(reverse("access"))


class ChangePassword(Page):
    """A new password; every other browser is logged out."""

    template_name = "people/password.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(form=self._form(None))

    def post(self, request: HttpRequest) -> HttpResponse:
        form, user = self._form(request.POST), self.reader
        if not form.is_valid():
            return self.show(form=form)
        if user.has_usable_password():
            if not knows_password(user, form.cleaned_data["old"]):
                form.add_error("old", _("The password is not right, or it was tried too often."))
                return self.show(form=form)
        elif not confirmed_lately(request):
            return HttpResponseRedirect(f"{reverse('confirm')}?{urlencode({'next': request.path})}")
        with transaction.atomic():
            set_password(Book(user.login), user, form.cleaned_data["password"])
        keep_here(request, user)
        confirm_now(request)
        messages.success(request, _("Your password is changed. You are logged out in all other browsers."))
        return HttpResponseRedirect(reverse("access"))

    def _form(self, data: Any) -> NewPasswordForm:
        kind = ChangePasswordForm if self.reader.has_usable_password() else NewPasswordForm
        return kind(self.reader, data)


class AuthenticatorApp(ConfirmedMixin, Page):
    """Setting an authenticator app up: the QR code, then a first code that proves it."""

    template_name = "people/authenticator.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self._show(CodeForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = CodeForm(request.POST)
        if not form.is_valid():
            return self._show(form)
        if not set_up(self.reader, self._secret(), form.cleaned_data["code"]):
            form.add_error("code", _("This code does not fit. Check the clock of the device, and enter the code it shows now."))
            return self._show(form)
        request.session.pop(APP, None)
        messages.success(request, _("The authenticator app is set up: log-ins ask for its code from now on."))
        return _codes_if_none(self.reader)

    def _show(self, form: CodeForm) -> HttpResponse:
        form.fields["code"].help_text = _("The six digits that the app shows now.")
        secret = self._secret()
        grouped = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
        return self.show(form=form, picture=picture_of(self.reader, secret), secret=grouped)

    def _secret(self) -> str:
        """The secret that this browser sets up; the session holds it sealed."""
        kept, owner = self.request.session.get(APP), f"user {self.reader.login}"
        if isinstance(kept, str):
            try:
                return unseal(bytes.fromhex(kept), owner=owner, key="totp being set up", binding="")
            except (SecretUnreadable, ValueError):
                pass
        secret = new_secret()
        self.request.session[APP] = seal(secret, owner=owner, key="totp being set up", binding="").hex()
        return secret


class RecoveryCodes(ConfirmedMixin, Page):
    """New recovery codes, shown once."""

    template_name = "people/recovery_codes.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.show(codes=[])

    def post(self, request: HttpRequest) -> HttpResponse:
        if not has_second_factor(self.reader):
            return HttpResponseRedirect(reverse("access"))
        answer = self.show(codes=new_recovery_codes(self.reader))
        answer["Cache-Control"] = "no-store"
        return answer


class PasskeyAddAsk(ConfirmedMixin):
    """What a browser needs to make a passkey."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse(passkeys.ask_to_add(request, self.reader))


class PasskeyAdd(ConfirmedMixin):
    """The passkey it has made."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        answer = json_of(request)
        try:
            passkeys.add(request, self.reader, answer, str(answer.pop("name", "")))
        except passkeys.NotTaken:
            return JsonResponse({"error": _("The passkey could not be added. Please try again.")})
        messages.success(request, _("The passkey is added. You can log in with it, without a password."))
        return JsonResponse({"url": _codes_if_none(self.reader).url})


class Change(ConfirmedMixin):
    """What one button of the page does: taking a factor away, ending a log-in."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest, what: str) -> HttpResponse:
        user, pk = self.reader, _number(request.POST.get("pk", ""))
        match what:
            case "authenticator":
                take_away(user, by=user.login)
                messages.success(request, _("The authenticator app is removed."))
            case "passkey":
                row = Passkey.objects.filter(user=user, pk=pk).first()
                if row is None:
                    raise Http404
                passkeys.remove(user, row)
                messages.success(request, _("The passkey is removed."))
            case "identity":
                gone, _rows = Identity.objects.filter(user=user, pk=pk).delete()
                if not gone:
                    raise Http404
                audit(user.login, user.tenant, "identity", user.login, {"disconnected": True})
                messages.success(request, _("The connection is removed."))
            case _:
                raise Http404
        return HttpResponseRedirect(reverse("access"))


class EndSignIns(ReaderMixin):
    """Logging out elsewhere: one browser, or all others. Needs no confirmation: who is worried should be quick."""

    http_method_names = ["post"]

    def post(self, request: HttpRequest) -> HttpResponse:
        if pk := _number(request.POST.get("pk", "")):
            row = SignIn.objects.filter(user=self.reader, pk=pk).first()
            if row is None:
                raise Http404
            end(row)
            messages.success(request, _("That browser is logged out."))
        else:
            count = end_others(request, self.reader)
            text = ngettext("%(count)s other browser is logged out.", "%(count)s other browsers are logged out.", count)
            messages.success(request, text % {"count": count})
        return HttpResponseRedirect(reverse("access"))


def _codes_if_none(user: User) -> HttpResponseRedirect:
    """Who has no recovery codes yet makes them next."""
    missing = not RecoveryCode.objects.filter(user=user).exists()
    return HttpResponseRedirect(reverse("recovery_codes" if missing else "access"))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
