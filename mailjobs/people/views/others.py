"""A user's access as their administrator sees it: inviting, taking a lost second factor away, logging out everywhere."""

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _

from mailjobs.people.invitations import invite
from mailjobs.people.models import Authenticator, Link, Passkey, RecoveryCode
from mailjobs.people.second_factor import has_second_factor
from mailjobs.people.sessions import end, sign_ins_of
from mailsettings.changes import audit
from mailsettings.models import User
from mailsettings.portal import SettingsPage, confirmed_lately


class UserAccess(SettingsPage):
    """The page."""

    template_name = "people/user_access.html"

    def _user(self, pk: int) -> User:
        user = self.one_of(User.objects.select_related("tenant__firm"), pk)
        if user.tenant is None or user.role == "service_user":
            raise Http404
        return user

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        user = self._user(pk)
        return self.show(
            person=user,
            tenant=user.tenant,
            has_password=user.has_usable_password(),
            second_factor=has_second_factor(user),
            invitation=Link.objects.filter(user=user, kind=Link.Kind.INVITATION).first(),
            sign_ins=sign_ins_of(user),
            back=reverse("user", args=[user.pk]),
        )

    def post(self, request: HttpRequest, pk: int) -> HttpResponse:
        user, action = self._user(pk), request.POST.get("action", "")
        here = HttpResponseRedirect(reverse("user_access", args=[user.pk]))
        if action == "invite":
            invite(request, user)
            return here
        if action == "log_out":
            for row in sign_ins_of(user):
                end(row)
            audit(self.reader.login, user.tenant, "log-out elsewhere", user.login, {"by": self.reader.login})
            messages.success(request, _("%(name)s is logged out everywhere.") % {"name": user.name})
            return here
        if action != "forget" or user.pk == self.reader.pk:
            raise Http404
        if not confirmed_lately(request):
            return HttpResponseRedirect(f"{reverse('confirm')}?{urlencode({'next': here.url})}")
        with transaction.atomic():
            for rows in (Authenticator, Passkey, RecoveryCode):
                rows.objects.filter(user=user).delete()
            audit(self.reader.login, user.tenant, "second factor", user.login, {"taken away by": self.reader.login})
        messages.success(
            request, _("%(name)s logs in with the password alone until a new second step is set up.") % {"name": user.name}
        )
        return here
