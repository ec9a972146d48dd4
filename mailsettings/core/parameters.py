"""One typed value of all parameters; own over Com customer over firm, with the origin of each (rules P, T5)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from types import MappingProxyType

from mailsettings.core.addresses import AddressInvalid, parse_recipient, parse_sender
from mailsettings.core.send_systems import DEFAULT_SEND_SYSTEM, SEND_SYSTEMS

Value = str | int | bool | tuple[str, ...]
MAX_TEXT = 2_000
MAX_CERTIFICATE = 100_000


class Kind(StrEnum):
    """What a parameter's value is."""

    TEXT = "text"
    HOST = "host"
    NUMBER = "number"
    SWITCH = "switch"
    CHOICE = "choice"
    SENDER = "sender"
    ADDRESSES = "addresses"
    NETWORKS = "networks"
    CERTIFICATE = "certificate"
    SECRET = "secret"  # noqa: S105 (a kind, no secret)
    DATE = "date"  # as ISO 8601 writes it
    KEY = "key"  # a secret of several lines: a private key in PEM form


class Group(StrEnum):
    """Under which heading a parameter stands."""

    CONNECTION = "connection"
    SENDER = "sender"
    REDIRECT = "redirect"
    EXCHANGE = "exchange"
    OAUTH = "oauth"
    LIMITS = "limits"
    KEEPING = "keeping"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its kind, what holds where nobody sets it, and the values it can have."""

    key: str
    kind: Kind
    group: Group
    default: Value | None = None
    choices: tuple[str, ...] = ()
    minimum: int = 0
    maximum: int = 0
    firm_only: bool = False

    @property
    def of_connection(self) -> bool:
        """Whether an account takes it too, and a lock of `smtp_server` locks it (T5)."""
        return self.group in {Group.CONNECTION, Group.EXCHANGE, Group.OAUTH, Group.LIMITS}


def _row(key: str, kind: Kind, group: Group, **more: object) -> Parameter:
    return Parameter(key, kind, group, **more)  # type: ignore[arg-type]


_C, _S, _R, _E, _O, _L, _K = (
    Group.CONNECTION,
    Group.SENDER,
    Group.REDIRECT,
    Group.EXCHANGE,
    Group.OAUTH,
    Group.LIMITS,
    Group.KEEPING,
)
PARAMETERS: Mapping[str, Parameter] = MappingProxyType(
    {
        row.key: row
        for row in (
            _row("smtp_server", Kind.HOST, _C),
            _row("smtp_port", Kind.NUMBER, _C, minimum=1, maximum=65_535),
            _row("smtp_tls", Kind.CHOICE, _C, default="starttls", choices=("off", "starttls", "implicit")),
            _row("smtp_tls_min", Kind.CHOICE, _C, default="1.2", choices=("1.2", "1.3")),
            _row("smtp_user", Kind.TEXT, _C),
            _row("smtp_password", Kind.SECRET, _C),
            _row("allow_plain_auth", Kind.SWITCH, _C, default=False),
            _row("ca_certificate", Kind.CERTIFICATE, _C),
            _row("client_certificate", Kind.CERTIFICATE, _C),
            _row("client_key", Kind.KEY, _C),
            _row("send_system", Kind.NUMBER, _C, default=DEFAULT_SEND_SYSTEM, maximum=max(SEND_SYSTEMS)),
            _row("confirm_shared_identity", Kind.SWITCH, _C, default=False),
            _row("imap_server", Kind.HOST, _C),
            _row("imap_port", Kind.NUMBER, _C, minimum=1, maximum=65_535),
            _row("imap_tls", Kind.CHOICE, _C, default="implicit", choices=("implicit", "starttls", "off")),
            _row("imap_user", Kind.TEXT, _C),
            _row("imap_password", Kind.SECRET, _C),
            _row("read_bounces", Kind.SWITCH, _C, default=False),
            _row("bounce_folder", Kind.TEXT, _C, default="INBOX"),
            _row("sent_copy", Kind.SWITCH, _C, default=False),
            _row("send_option", Kind.CHOICE, _S, default="smtp", choices=("smtp", "client")),
            _row("sender_address", Kind.SENDER, _S),
            _row("always_use_sender_address", Kind.SWITCH, _S, default=False),
            _row("check_sender", Kind.SWITCH, _S, default=False),
            _row("update_sender_from_employee", Kind.SWITCH, _S, default=True),
            _row("redirect_enabled", Kind.SWITCH, _R, default=False),
            _row("redirect_addresses", Kind.ADDRESSES, _R),
            _row("redirect_capture_only", Kind.SWITCH, _R, default=False),
            _row("ews_url", Kind.TEXT, _E),
            _row("ews_auth", Kind.CHOICE, _E, choices=("basic", "ntlm", "oauth2")),
            _row("ews_version", Kind.TEXT, _E),
            _row("ntlm_domain", Kind.TEXT, _E),
            _row("oauth_authority", Kind.TEXT, _O),
            _row("oauth_tenant", Kind.TEXT, _O),
            _row("oauth_client_id", Kind.TEXT, _O),
            _row("oauth_client_secret", Kind.SECRET, _O),
            _row("oauth_secret_expires", Kind.DATE, _O),
            _row("graph_url", Kind.TEXT, _O),
            _row("max_connections", Kind.NUMBER, _L, minimum=1, maximum=100),
            _row("per_minute", Kind.NUMBER, _L, minimum=1, maximum=1_000_000),
            _row("per_day", Kind.NUMBER, _L, minimum=1, maximum=100_000_000),
            _row("unknown_policy", Kind.CHOICE, _L, default="ask", choices=("ask", "resend", "assume_sent")),
            _row("give_up_hours", Kind.NUMBER, _L, default=24, minimum=1, maximum=120),
            _row("log_background_sends", Kind.SWITCH, _K, default=True),
            _row("retention_days", Kind.NUMBER, _K, default=30, minimum=1, maximum=36_500),
            _row("allowed_networks", Kind.NETWORKS, _K, firm_only=True),
        )
    }
)
SECRET_KEYS = tuple(key for key, row in PARAMETERS.items() if row.kind in {Kind.SECRET, Kind.KEY})
CONNECTION_KEYS = frozenset(key for key, row in PARAMETERS.items() if row.of_connection)
DEFAULT_PORTS = MappingProxyType({"starttls": 587, "implicit": 465, "off": 25})


class ParameterInvalid(ValueError):
    """A value that a parameter cannot have; `code` says why, `key` which parameter, `detail` what would do."""

    def __init__(self, key: str, code: str, detail: str = "") -> None:
        self.key, self.code, self.detail = key, code, detail
        super().__init__(f"{key}: {code} {detail}".rstrip())


_HOST_LABELS = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_IP_LITERAL = re.compile(r"[0-9A-Fa-f:.]+")


def parse_value(key: str, raw: object) -> Value | None:
    """The typed value of a parameter, None for "not set" (an empty text or list is none). Raises ParameterInvalid."""
    row = PARAMETERS.get(key)
    if row is None:
        raise ParameterInvalid(key, "unknown_parameter")
    if raw is None:
        return None
    match row.kind:
        case Kind.SWITCH:
            if not isinstance(raw, bool):
                raise ParameterInvalid(key, "not_a_switch")
            return raw
        case Kind.NUMBER:
            return _number(row, raw)
        case Kind.ADDRESSES | Kind.NETWORKS:
            return _list(row, raw)
        case Kind.DATE if type(raw) is date:  # as YAML reads it
            return raw.isoformat()
        case _:
            return _text(row, raw)


def _number(row: Parameter, raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise ParameterInvalid(row.key, "not_a_number")
    if not row.minimum <= raw <= row.maximum:
        raise ParameterInvalid(row.key, "out_of_range", f"{row.minimum}-{row.maximum}")
    return raw


def _list(row: Parameter, raw: object) -> tuple[str, ...] | None:
    items = [raw] if isinstance(raw, str) else raw
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, str) for item in items):
        raise ParameterInvalid(row.key, "not_a_list")
    cleaned = tuple(item.strip() for item in items if item.strip())
    for item in cleaned:
        if row.kind is Kind.ADDRESSES:
            _checked_address(row.key, item, recipient=True)
    return cleaned or None


def _text(row: Parameter, raw: object) -> str | None:
    if isinstance(raw, bool) or not isinstance(raw, (str, int, float)):
        raise ParameterInvalid(row.key, "not_a_text")
    text = str(raw)
    if row.kind in {Kind.SECRET, Kind.KEY}:
        return text or None
    text = text.strip()
    if not text:
        return None
    if len(text) > (MAX_CERTIFICATE if row.kind is Kind.CERTIFICATE else MAX_TEXT):
        raise ParameterInvalid(row.key, "too_long")
    if row.kind is Kind.SENDER:  # before the rest: the parser knows better what may stand in a name, and says why not
        _checked_address(row.key, text, recipient=False)
        return text
    if row.kind is not Kind.CERTIFICATE and not text.isprintable():
        raise ParameterInvalid(row.key, "control_character")
    _check_form(row, text)
    return text


def _check_form(row: Parameter, text: str) -> None:
    match row.kind:
        case Kind.CHOICE if text not in row.choices:
            raise ParameterInvalid(row.key, "not_a_choice", ", ".join(row.choices))
        case Kind.HOST if not (_HOST_LABELS.fullmatch(text) or _IP_LITERAL.fullmatch(text)):
            raise ParameterInvalid(row.key, "not_a_host")
        case Kind.DATE if not _is_date(text):
            raise ParameterInvalid(row.key, "not_a_date")
        case Kind.CERTIFICATE if "-----BEGIN CERTIFICATE-----" not in text:
            raise ParameterInvalid(row.key, "not_a_certificate")
        case _:
            return


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text  # no other way of ISO 8601 to write it
    except ValueError:
        return False


def _checked_address(key: str, text: str, *, recipient: bool) -> None:
    try:
        parse_recipient(text) if recipient else parse_sender(text)
    except AddressInvalid as invalid:
        raise ParameterInvalid(key, "address_invalid", invalid.code) from invalid


class ParameterLevel(StrEnum):
    """Where a value stands; the names that `explain` gives them."""

    USER = "user_parameters"
    COM = "com_parameters"
    FIRM = "firm_parameters"


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody's stored values: `owner` names the row (`user:7`), `secrets` the sealed ones and what each is bound to (P5)."""

    owner: str
    values: Mapping[str, Value] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def text(self, key: str) -> str:
        value = self.values.get(key)
        return value if isinstance(value, str) else ""

    def number(self, key: str) -> int | None:
        value = self.values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def switch(self, key: str) -> bool | None:
        value = self.values.get(key)
        return value if isinstance(value, bool) else None

    def items(self, key: str) -> tuple[str, ...]:
        value = self.values.get(key)
        return tuple(value) if isinstance(value, (tuple, list)) else ()

    def without(self, keys: frozenset[str]) -> "Holder":
        """The same holder as if it did not set these keys."""
        if keys.isdisjoint(self.values) and keys.isdisjoint(self.secrets):
            return self
        return Holder(
            self.owner,
            {key: value for key, value in self.values.items() if key not in keys},
            {key: value for key, value in self.secrets.items() if key not in keys},
        )


@dataclass(frozen=True, slots=True)
class Layer:
    """One level of parameters; `source` is the id of the user or tenant, `locked` what it locks for everything below (T5)."""

    level: ParameterLevel
    source: str
    holder: Holder
    locked: frozenset[str] = frozenset()
    ignored: frozenset[str] = frozenset()  # what it sets but a higher level locks


def locked_keys(listed: frozenset[str]) -> frozenset[str]:
    """What a list of locks means: `smtp_server` locks the whole connection (T5)."""
    return listed | CONNECTION_KEYS if "smtp_server" in listed else listed


def in_force(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layers, nearest first, without the values that a level above has locked."""
    result: list[Layer] = []
    locked: frozenset[str] = frozenset()
    for layer in reversed(layers):
        ignored = frozenset(key for key in locked if key in layer.holder.values or key in layer.holder.secrets)
        result.append(Layer(layer.level, layer.source, layer.holder.without(locked), layer.locked, ignored))
        locked |= locked_keys(layer.locked)
    return tuple(reversed(result))


@dataclass(frozen=True, slots=True)
class Origin:
    """A resolved value and the layer that set it; None: nobody did, the default holds."""

    value: Value | None
    layer: Layer | None


def resolve(layers: Sequence[Layer], key: str) -> Origin:
    """The nearest level that sets a parameter (rules P); `layers` as `in_force` gives them."""
    for layer in layers:
        value = layer.holder.values.get(key)
        if value is not None and value not in ("", ()):
            return Origin(value, layer)
    return Origin(PARAMETERS[key].default, None)


def switched_on(layers: Sequence[Layer], key: str) -> bool:
    """Whether a switch is resolved to yes."""
    return resolve(layers, key).value is True


def on_anywhere(layers: Sequence[Layer], key: str) -> bool:
    """Whether any level in force switches it on (C1, U2: on anywhere means on)."""
    return any(layer.holder.switch(key) is True for layer in layers)
