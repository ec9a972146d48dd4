"""The description of the API, ready to be shown on a page of the portal."""

from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from mailjobs.api.portal import api

_SHOWN_FIRST = ("Message", "Attachment", "Batch", "Case", "Result", "Results", "Job", "Problem")


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter or a member of a document."""

    name: str
    kind: str
    needed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    method: str
    path: str
    title: str
    text: str
    parameters: tuple[Field, ...]
    body: str
    answers: tuple[tuple[str, str, str], ...]  # status, meaning, document


def operations() -> list[Operation]:
    """All calls, in the order in which they are described."""
    paths = api.get_openapi_schema()["paths"]
    return [_operation(path, method, said) for path, methods in paths.items() for method, said in methods.items()]


def schemas() -> list[tuple[str, list[Field]]]:
    """All documents with their members, what is sent first."""
    found = api.get_openapi_schema()["components"]["schemas"]
    order = [*(name for name in _SHOWN_FIRST if name in found), *(name for name in found if name not in _SHOWN_FIRST)]
    return [(name, list(_members(found[name]))) for name in order if found[name].get("properties")]


def _operation(path: str, method: str, said: dict[str, Any]) -> Operation:
    lines = said.get("description", "").split("\n\n")
    return Operation(
        method=method.upper(),
        path=path,
        title=lines[0],
        text=" ".join(lines[1:]),
        parameters=tuple(
            Field(
                each["name"],
                _kind(each["schema"]),
                bool(each.get("required")),
                each.get("description") or each["schema"].get("description", ""),
            )
            for each in said.get("parameters", [])
        ),
        body=_document(said.get("requestBody", {})),
        answers=tuple(
            (str(status), HTTPStatus(int(status)).phrase if int(status) < 400 else each["description"], _document(each))
            for status, each in sorted(said["responses"].items(), key=lambda pair: int(pair[0]))
        ),
    )


def _members(schema: dict[str, Any]) -> Iterator[Field]:
    needed = schema.get("required", [])
    for name, each in schema["properties"].items():
        yield Field(name, _kind(each), name in needed, each.get("description", ""))


def _document(said: dict[str, Any]) -> str:
    return next((_kind(each["schema"]) for each in said.get("content", {}).values()), "")


def _kind(schema: dict[str, Any]) -> str:
    """A type in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if several := schema.get("anyOf") or schema.get("allOf"):
        return ", ".join(dict.fromkeys(_kind(each) for each in several))
    if values := schema.get("enum"):
        return " | ".join(str(value) for value in values)
    if schema.get("type") == "array":
        return f"[{_kind(schema.get('items', {}))}]"
    return str(schema.get("format") or schema.get("type") or "any")
