"""The forms of the guided move: what the provider's registration gave, and the switch itself; saved by `changes` alone."""

from typing import Any

from django.http import QueryDict

from diagnostics.moving import Move, save_values, stored_values, take
from diagnostics.prospects import Prospect
from mailjobs.core.authorities import GOOGLE
from mailsettings import changes
from mailsettings.changes import Book, Refused
from mailsettings.core.relay import OAUTH_SECRET
from mailsettings.forms.fields import ObjectingForm, initial_of, parameter_field
from mailsettings.forms.sheet import Entry, secrets_with_fit
from mailsettings.models import EmailAccount

_OF_GOOGLE = ("oauth_client_id", OAUTH_SECRET)
_OF_MICROSOFT = ("oauth_tenant", "oauth_client_id", OAUTH_SECRET, "oauth_secret_expires", "oauth_authority")


class RegistrationForm(ObjectingForm):
    """Directory, client ID and secret, and the authority of national clouds. An empty secret stays as it is."""

    def __init__(self, move: Move, data: QueryDict | None = None, *, graph: bool = False) -> None:
        self.move = move
        keys = _OF_GOOGLE if move.google else (*_OF_MICROSOFT, *(("graph_url",) if graph else ()))
        values, secrets = stored_values(move.owner), secrets_with_fit(move.owner)
        entries = [_entry(key, values, secrets) for key in keys]
        super().__init__(data, initial={entry.key: initial_of(entry) for entry in entries})
        for entry in entries:
            self.fields[entry.key] = parameter_field(entry, shared_identity=False, inherits=False)

    def clean(self) -> None:
        try:
            changes.clean_values(self._typed(), of_firm=False, of_account=isinstance(self.move.owner, EmailAccount))
        except Refused as refused:
            self.show_objections(refused)

    def save(self, book: Book) -> None:
        """Inside a transaction. Raises Refused."""
        owner, before = self.move.owner, stored_values(self.move.owner)
        fixed = {"oauth_authority": GOOGLE} if self.move.google else {}
        values = {key: value for key, value in {**before, **self._typed(), **fixed}.items() if value not in (None, "", [])}
        save_values(book, owner, values)
        if self.cleaned_data.get(OAUTH_SECRET):
            changes.save_secret(book, owner, OAUTH_SECRET, self.cleaned_data[OAUTH_SECRET])
        changes.warn_of_stale_secrets(book, owner)

    def _typed(self) -> dict[str, Any]:
        return {key: value for key, value in self.cleaned_data.items() if key != OAUTH_SECRET}


class SwitchForm(ObjectingForm):
    """Nothing to type: mail goes the way of `to` from now on."""

    def __init__(self, move: Move, to: Prospect, data: QueryDict | None = None) -> None:
        self.move, self.to = move, to
        super().__init__(data)

    def save(self, book: Book) -> None:
        """Inside a transaction. Raises Refused."""
        take(book, self.to, self.move.owner)


def _entry(key: str, values: dict[str, Any], secrets: dict[str, Any]) -> Entry:
    secret, fits = secrets.get(key, (None, True))
    return Entry(key, own=values.get(key), secret=secret, secret_fits=fits)
