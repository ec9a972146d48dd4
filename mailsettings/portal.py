"""What pages have in common, and the settings pages among them: who may open them, whose rows they show (T4)."""

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext as _
from django.views.generic.base import ContextMixin, TemplateResponseMixin, View

from mailsettings.access import Right, knows_password, may, tenants_visible_to, visible_to
from mailsettings.changes import Book, Refused, Trust, is_sensitive
from mailsettings.foresight import compare, matrix_of
from mailsettings.models import Tenant, User

Row = TypeVar("Row", bound=Model)
ROWS = 25  # of a list

# Called after a change was saved through a page: whoever sends confirmation mails asks for the book's claims (T4).
after_claims: list[Callable[[HttpRequest, Book], None]] = []
# Likewise: whoever sends mail invites the users that the book names.
after_invitations: list[Callable[[HttpRequest, Book], None]] = []
_CONFIRMED = "confirmed_at"  # in the session: when its user proved last who they are


class ReaderMixin(LoginRequiredMixin, View):
    """A view for logged-in users."""

    @property
    def reader(self) -> User:
        user = self.request.user
        if not isinstance(user, User):
            raise Http404
        return user


class Page(ReaderMixin, TemplateResponseMixin, ContextMixin):
    """A page: a template and what it shows."""

    def show(self, status: int = 200, **shown: object) -> HttpResponse:
        return self.render_to_response(self.get_context_data(**shown), status=status)


class SettingsPage(Page):
    """A page for those who have its right, None: for everybody; for all others it does not exist."""

    right: ClassVar[Right | None] = Right.MANAGE_SETTINGS

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if isinstance(request.user, User) and self.right is not None and not may(request.user, self.right):
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    @cached_property
    def tenants(self) -> list[Tenant]:
        """The tenants this reader may choose from, each firm before its Com customers."""
        rows = tenants_visible_to(self.reader).select_related("firm")
        return sorted(rows, key=lambda row: (*_place(row.firm or row), row.is_com_customer, *_place(row)))

    @cached_property
    def tenant(self) -> Tenant | None:
        """The tenant that `?tenant=ID` names, else the reader's own, for an operator the first."""
        wanted = self.request.GET.get("tenant")
        if wanted:
            found = [row for row in self.tenants if row.slug == wanted]
            if not found:
                raise Http404
            return found[0]
        own = [row for row in self.tenants if row.pk == self.reader.tenant_id]
        return next(iter(own or self.tenants), None)

    @property
    def chosen(self) -> Tenant:
        """The tenant of a page that cannot be without one."""
        if self.tenant is None:
            raise Http404
        return self.tenant

    @property
    def elsewhere(self) -> str:
        """What an address needs so that the next page is about the same tenant."""
        return f"?tenant={self.chosen.slug}" if self.chosen.pk != self.reader.tenant_id else ""

    def one_of(self, rows: QuerySet[Row], pk: int) -> Row:
        """A row that this reader may see, else 404."""
        found = visible_to(rows, self.reader).filter(pk=pk).first()
        if found is None:
            raise Http404
        return found


def list_url(name: str, tenant: Tenant, page: SettingsPage) -> str:
    """The address of the list that a row of this tenant stands in."""
    return reverse(name) + (f"?tenant={tenant.slug}" if tenant.pk != page.reader.tenant_id else "")


def confirm_now(request: HttpRequest) -> None:
    """The session's user has just proved who they are."""
    request.session[_CONFIRMED] = time.time()


def confirmed_lately(request: HttpRequest) -> bool:
    """Whether the session's user proved who they are within the last CONFIRM_MINUTES (Z13)."""
    return bool(0 <= time.time() - float(request.session.get(_CONFIRMED, 0)) < settings.CONFIRM_MINUTES * 60)


def confirms(request: HttpRequest) -> bool:
    """Whether a post may change what is sensitive: confirmed lately, or with the right password just now."""
    if confirmed_lately(request):
        return True
    if isinstance(request.user, User) and knows_password(request.user, request.POST.get("confirm_password", "")):
        confirm_now(request)
        return True
    return False


def book_of(reader: User) -> Book:
    """The book of a change through a page: a Com customer's people vouch for no address (T4)."""
    claims = reader.tenant is not None and reader.tenant.is_com_customer
    return Book(reader.login, trust=Trust.CLAIMANT if claims else Trust.ADMINISTRATOR)


def write(request: HttpRequest, form: Any, *, concerned: Sequence[Tenant] = ()) -> Book | None:
    """Save a valid form in one transaction and say what happened.

    None where the page must show the form again: `changes` refuses, and why stands at the fields; or the reader must first say
    yes to `form.foresight`: the cells of the matrix of the `concerned` tenants that change (P9), and what the form's own
    `consequences(book)`, if it has that method, tells (T6). The yes is the foresight's digest, posted as `foreseen`. What was
    saved is said by the form's own `tell(book)`, if it has that method. A sensitive change asks for the password first
    (`form.unconfirmed`), unless it was typed lately.
    """
    if not form.is_valid():
        return None
    reader = request.user
    if not isinstance(reader, User):
        raise Http404
    book, stopped = book_of(reader), False
    try:
        with transaction.atomic():
            before = matrix_of(concerned, reader) if concerned else {}
            form.save(book)
            after = matrix_of(concerned, reader) if concerned else {}
            told = form.consequences(book) if hasattr(form, "consequences") else ()
            foresight = compare(before, after, told)
            unseen = bool(foresight) and request.POST.get("foreseen") != foresight.digest
            unconfirmed = is_sensitive(book) and not confirms(request)
            if unseen or unconfirmed:
                form.foresight, form.unconfirmed = foresight or None, unconfirmed
                form.wrong_password = unconfirmed and bool(request.POST.get("confirm_password"))
                stopped = True
                transaction.set_rollback(True)
    except Refused as refused:
        form.show_objections(refused)
        return None
    if stopped:
        return None
    for ask in after_claims:
        ask(request, book)
    if hasattr(form, "tell"):
        messages.success(request, form.tell(book))
    else:
        _say(request, book)
    for ask in after_invitations:
        ask(request, book)
    return book


def _say(request: HttpRequest, book: Book) -> None:
    messages.success(request, _("Saved.") if book.records else _("Nothing to save: everything stays as it was."))
    for record in book.records:
        sender = record.after.get("sender_address")
        if record.action == "parameters" and sender and record.subject != book.actor and _is_user(record.subject):
            words = {"user": record.subject, "sender": sender}
            messages.info(request, _("The own sender address of the user %(user)s is now %(sender)s.") % words)
    for warning in dict.fromkeys(book.warnings):
        messages.warning(request, warning)


def _is_user(subject: str) -> bool:
    return User.objects.filter(login=subject).exists()


def _place(tenant: Tenant) -> tuple[str, int]:
    return tenant.name.casefold(), tenant.pk
