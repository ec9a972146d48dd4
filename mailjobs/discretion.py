"""What a Com customer's user reads instead of the firm's mail server, login and dialogue (T4)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from mailsettings.core.parameters import ParameterLevel
from mailsettings.models import User
from mailsettings.selectors import general_layers


@dataclass(frozen=True, slots=True)
class Discretion:
    """`applies` to Com customers' users; `own` are servers their Com customer names itself, `firms` those of its firm."""

    applies: bool
    own: frozenset[str] = frozenset()
    firms: frozenset[str] = frozenset()

    def hides(self, plan: Mapping[str, Any], server: str = "") -> bool:
        """Whether a mail's server is the firm's: its connection was the firm's, or it is the firm's server under an own login."""
        if not self.applies:
            return False
        connection = plan.get("connection") or {}
        hosts = {_host(server), _host(connection.get("server") or "")} - {""}
        if connection.get("level") == ParameterLevel.FIRM or not hosts.isdisjoint(self.firms - self.own):
            return True
        return not connection and not hosts <= self.own  # nobody knows whose it was

    def server(self, plan: Mapping[str, Any], server: str) -> str:
        """The name of a server as this reader sees it."""
        return _("mail server of the firm") if server and self.hides(plan, server) else server

    def text(self, plan: Mapping[str, Any], text: str, server: str = "") -> str:
        """A server's reply without the names of the firm's server and login."""
        if not text or not self.hides(plan, server):
            return text
        connection = plan.get("connection") or {}
        for host in {_host(server), _host(connection.get("server") or ""), *self.firms} - {""}:
            text = re.sub(rf"{re.escape(host)}(:\d+)?", _("mail server of the firm"), text, flags=re.IGNORECASE)
        if login := connection.get("username"):
            text = re.sub(rf"(?<![\w.@-]){re.escape(login)}(?![\w@-])", "…", text, flags=re.IGNORECASE)
        return text


def discretion_for(user: User) -> Discretion:
    """The discretion that holds towards this user."""
    if user.tenant is None or not user.tenant.is_com_customer:
        return Discretion(applies=False)
    own, *firms = general_layers(user.tenant)
    return Discretion(
        applies=True,
        own=_servers(own.holder.values),
        firms=frozenset[str]().union(*(_servers(layer.holder.values) for layer in firms)),
    )


def _servers(values: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(_host(str(values[key])) for key in ("smtp_server", "ews_url", "imap_server") if values.get(key))


def _host(server: str) -> str:
    """The bare name in `host`, `host:port` or an address of the web."""
    name = re.sub(r"^https?://", "", server).partition("/")[0]
    return re.sub(r":\d+$", "", name).lower().rstrip(".")
