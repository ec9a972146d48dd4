"""Employees: a person's addresses and the linked user-ID (T3, P6, C2, T6)."""

from collections.abc import Sequence

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mailsettings import changes
from mailsettings.changes import Book, Objection, Refused
from mailsettings.forms.fields import LinesField, ObjectingForm, offer_users
from mailsettings.leavers import mentions_of
from mailsettings.models import Employee, Tenant, User

_FIELDS = ("number", "name", "email", "additional_emails", "user", "is_active")


class EmployeeForm(ObjectingForm):
    """One employee."""

    number = forms.CharField(
        label=gettext_lazy("ID"),
        max_length=64,
        help_text=gettext_lazy("Letters, digits, dots, hyphens and underscores; it cannot be changed later."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    name = forms.CharField(label=gettext_lazy("Name"), max_length=200, widget=forms.TextInput(attrs={"autocomplete": "off"}))
    email = forms.CharField(
        label=gettext_lazy("E-mail"),
        required=False,
        help_text=gettext_lazy(
            "With a linked user ID it becomes the user's own sender address, unless the settings say otherwise."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    additional_emails = LinesField(
        label=gettext_lazy("Further e-mail addresses"),
        required=False,
        help_text=gettext_lazy("One per line: other addresses this person may send with, such as office@ or invoices@."),
    )
    user = forms.ModelChoiceField(
        User.objects.none(),
        label=gettext_lazy("Linked user ID"),
        required=False,
        empty_label=gettext_lazy("Not linked"),
        help_text=gettext_lazy("“Check sender” needs this link: without it the user cannot send while it is on."),
    )
    is_active = forms.BooleanField(
        label=gettext_lazy("Active"),
        required=False,
        initial=True,
        help_text=gettext_lazy("A deactivated employee gives no addresses for “Check sender” any more."),
    )

    def __init__(self, tenant: Tenant, employee: Employee | None, data: QueryDict | None = None) -> None:
        self.tenant, self.employee = tenant, employee
        super().__init__(data, initial={name: getattr(employee, name) for name in _FIELDS} if employee else None)
        offer_users(self.fields["user"], tenant)
        self.fields["number"].disabled = employee is not None

    def save(self, book: Book) -> Employee:
        """Write the employee; inside a transaction. Raises Refused."""
        data = self.cleaned_data
        if self.employee is None and Employee.objects.filter(tenant=self.tenant, number=data["number"]).exists():
            raise Refused([Objection("number", "exists", _("There is an employee with this ID already."))])
        saved = changes.save_employee(
            book,
            tenant=self.tenant,
            number=data["number"],
            name=data["name"],
            email=data["email"],
            additional_emails=data["additional_emails"],
            user=data["user"],
            active=data["is_active"],
        )
        changes.refuse_vanishing_address(saved, self.employee)
        return saved

    def consequences(self, book: Book) -> Sequence[str]:
        """Whose mail check sender will refuse (C1, where C2 refuses nothing), and what still names who leaves (T6).

        Inside the transaction, when everything is saved.
        """
        if self.employee is None:
            return ()
        saved = Employee.objects.select_related("tenant__firm", "user__tenant__firm").get(pk=self.employee.pk)
        told = [f"{changes.say_lost(lost)} {_('Such mail is refused from then on (rule C1).')}" for lost in self._lost(saved)]
        if self.employee.is_active and not saved.is_active:
            told += [mention.text for mention in mentions_of(saved)]
        return told

    def _lost(self, saved: Employee) -> list[changes.Lost]:
        """What only check sender minds; an own sender address that it does not look at concerns nobody here."""
        return [lost for lost in changes.lost_senders(saved, self.employee) if lost.models]
