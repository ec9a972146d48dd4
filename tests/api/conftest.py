"""Programs with keys: the cast of the pages, each user with a client of the API."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from mailjobs.keys import Scope, make
from mailjobs.models import ApiKey
from mailsettings.configuration import import_document
from tests.pages.conftest import document, person


class Program:
    """A program with a key; answers are (status, document)."""

    def __init__(self, text: str, key: ApiKey) -> None:
        self.text, self.key = text, key
        self.last: HttpResponse | Any = None

    def get(self, path: str, **data: Any) -> tuple[int, Any]:
        return self._said(Client().get(f"/api/v1/{path}", data, headers=self.headers()))

    def post(self, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        text = "" if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return self._said(
            Client().post(f"/api/v1/{path}", text, content_type="application/json", headers={**self.headers(), **more})
        )

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}

    def _said(self, answer: Any) -> tuple[int, Any]:
        self.last = answer
        if answer.status_code >= 400:
            assert answer.headers["Content-Type"] == "application/problem+json", answer.content[:300]
            document = answer.json()
            assert {"type", "title", "status", "detail", "code"} <= set(document)
            assert document["status"] == answer.status_code
            return answer.status_code, document
        return answer.status_code, answer.json()


Programs = Callable[..., Program]


@pytest.fixture
def cast(db: None) -> None:
    """Everybody has moved in."""
    import_document(document(), actor="test")


@pytest.fixture
def program(cast: None) -> Programs:
    """Makes a program with a key of a user: `program("bernd", Scope.READ)`; without scopes it has all."""

    def made(login: str, *scopes: Scope, **more: Any) -> Program:
        actor = person("anna")
        key, text = make(actor, person(login), name="test", scopes=scopes or tuple(Scope), expires_at=more.get("expires_at"))
        return Program(text, key)

    return made


def invoice(number: int | str = 1, **more: Any) -> dict[str, Any]:
    """An invoice in the shape of the contract."""
    return {"print_model": "invoices", "to": [f"klient{number}@kunde.example"], "variables": {"number": str(number)}, **more}
