"""What a template says once its placeholders have their values: `{{ name }}` and nothing else (M1, security Z9)."""

import math
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from html import escape
from types import MappingProxyType

MAX_OUTPUT = 5_000_000  # octets of UTF-8
# What a preview shows for the names that print models use most.
SAMPLES: Mapping[str, str] = MappingProxyType(
    {
        "amount": "1.234,50",
        "betrag": "1.234,50",
        "date": "24.11.2026",
        "datum": "24.11.2026",
        "due": "08.12.2026",
        "faellig": "08.12.2026",
        "monat": "November 2026",
        "month": "November 2026",
        "name": "Max Muster",
        "number": "2026-000123",
        "nummer": "2026-000123",
        "year": "2026",
        "jahr": "2026",
    }
)

_PLACEHOLDER = re.compile(r"\{\{([^{}\r\n]{0,200})\}\}")
_STRAY = re.compile(r"\{\{[^{}\r\n]{0,40}|[^{}\r\n]{0,40}\}\}")


class VariableMissing(LookupError):
    """Placeholders without a value; `names` are all of them, sorted, malformed ones (`{{ 7*7 }}`) as they stand."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(sorted(names))
        super().__init__(", ".join(self.names))


class VariableInvalid(TypeError):
    """A value that is no text and no number: `name` and the name of its type, or `not_finite`, or `too_long`."""

    def __init__(self, name: str, kind: str) -> None:
        self.name, self.kind = name, kind
        super().__init__(f"{name}: {kind}")


class TemplateTooLarge(ValueError):
    """The result would exceed 5 MB."""


def names(template: str) -> frozenset[str]:
    """The names of all placeholders, malformed ones as they stand: no value can be given to those."""
    return frozenset(name.strip() for name in _PLACEHOLDER.findall(template))


def bad_places(template: str, *, html: bool = False) -> tuple[str, ...]:
    """What looks like a placeholder and can never have a value, as it stands; in HTML a style may end with two braces."""
    malformed = [f"{{{{{name}}}}}" for name in _PLACEHOLDER.findall(template) if not _usable(name.strip())]
    strays = [stray.strip() for stray in _STRAY.findall(_PLACEHOLDER.sub("", template))]
    return tuple(dict.fromkeys([*malformed, *(stray for stray in strays if not html or stray.startswith("{{"))]))


def samples_for(*templates: str) -> dict[str, str]:
    """A value to look at for each placeholder that can have one: of the usual names an example, else the name itself."""
    wanted = sorted(name for template in templates for name in names(template) if _usable(name))
    return {name: SAMPLES.get(name.lower(), f"[{name}]") for name in wanted}


def render(template: str, values: Mapping[str, object], *, html: bool) -> str:
    """Put each value in its place, escaped for HTML where `html`; a value is never expanded again.

    Names are plain keys, dots included. None is no value. Raises VariableMissing, VariableInvalid, TemplateTooLarge.
    """
    texts = _texts(template, values, html=html)
    pieces, size, end = [], 0, 0
    for place in _PLACEHOLDER.finditer(template):
        for piece in (template[end : place.start()], texts[place[1].strip()]):
            pieces.append(piece)
            size += _octets(piece)
        end = place.end()
        if size > MAX_OUTPUT:
            raise TemplateTooLarge
    pieces.append(template[end:])
    if size + _octets(pieces[-1]) > MAX_OUTPUT:
        raise TemplateTooLarge
    return "".join(pieces)


def _texts(template: str, values: Mapping[str, object], *, html: bool) -> dict[str, str]:
    wanted = names(template)
    missing = [name for name in wanted if not _usable(name) or values.get(name) is None]
    if missing:
        raise VariableMissing(missing)
    texts = {name: _text(name, values[name]) for name in wanted}
    return {name: escape(text) for name, text in texts.items()} if html else texts


def _usable(name: str) -> bool:
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) is not None


def _text(name: str, value: object) -> str:
    """Text and numbers only: the type must be one of these itself, so that no subclass brings a `__str__` of its own."""
    if type(value) not in {str, int, float, Decimal}:
        raise VariableInvalid(name, type(value).__name__)
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        raise VariableInvalid(name, "not_finite")
    try:
        return str(value)
    except ValueError as error:  # an int of more than 4,300 digits
        raise VariableInvalid(name, "too_long") from error


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
