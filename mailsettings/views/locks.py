"""What a tenant locks for everything below it (T5)."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from mailsettings.foresight import concerned
from mailsettings.forms.locks import LockForm
from mailsettings.portal import SettingsPage, write


class Locks(SettingsPage):
    """The page; saving shows first which cells of the matrix change, and which lower values are ignored (P9)."""

    template_name = "mailsettings/locks.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        form = LockForm(self.chosen, self.reader, request.POST if request.method == "POST" else None)
        if form.is_bound and write(request, form, concerned=concerned(self.chosen)):
            return redirect(reverse("locks") + self.elsewhere)
        return self.show(form=form, back=reverse("settings") + self.elsewhere)

    post = get
