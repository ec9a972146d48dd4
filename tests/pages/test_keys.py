"""The pages of keys: made and shown once, revoked, only for those whose they are; the documentation is the portal's own (Z15)."""

import re

import pytest
from django.test import Client

from mailjobs.models import ApiKey
from mailsettings.models import AuditEvent
from tests.pages.conftest import PASSWORD, LogIn, person, text_of

NEW = {"name": "Fakturierung", "scopes": ["submit"], "days": "365", "password": PASSWORD}


def test_a_key_is_shown_once_and_works(log_in: LogIn) -> None:
    bernd = log_in("bernd")
    answer = bernd.post("/settings/own/keys/", NEW)
    found = re.search(r"pa_[\w-]{43}", answer.content.decode())
    assert found is not None
    assert answer.headers["Cache-Control"] == "no-store"
    assert found[0] not in text_of(bernd, "/settings/own/keys/")
    assert found[0][:11] in text_of(bernd, "/settings/own/keys/")
    headers = {"Authorization": f"Bearer {found[0]}"}
    assert Client().get("/api/v1/jobs", headers=headers).status_code == 403, "it has the scope that was ticked only"
    assert Client().post("/api/v1/messages", "{}", "application/json", headers=headers).status_code == 422
    event = AuditEvent.objects.get(action="api_key_made")
    assert (event.actor, found[0] in str(event.after)) == ("bernd", False)


def test_a_revoked_key_opens_nothing(log_in: LogIn) -> None:
    bernd = log_in("bernd")
    text = re.search(r"pa_[\w-]{43}", bernd.post("/settings/own/keys/", {**NEW, "scopes": ["read"]}).content.decode())
    assert text is not None
    headers = {"Authorization": f"Bearer {text[0]}"}
    assert Client().get("/api/v1/jobs", headers=headers).status_code == 200
    bernd.post("/settings/own/keys/", {"revoke": str(ApiKey.objects.get().pk)})
    assert Client().get("/api/v1/jobs", headers=headers).status_code == 401


def test_administrators_make_keys_for_their_users_and_nobody_for_others(log_in: LogIn) -> None:
    anna = log_in("anna")
    for login in ("bernd", "max"):
        assert anna.post(f"/users/{person(login).pk}/keys/", NEW).status_code == 200
        assert ApiKey.objects.get(user__login=login).made_by == "anna"
    for reader, other in (("anna", "greta"), ("bernd", "anna"), ("max", "eva"), ("max", "anna"), ("mia", "max")):
        assert log_in(reader).get(f"/users/{person(other).pk}/keys/").status_code == 404
        assert log_in(reader).post(f"/users/{person(other).pk}/keys/", NEW).status_code == 404
    for nobody in (0, 10**30):
        assert anna.get(f"/users/{nobody}/keys/").status_code == 404
    key = ApiKey.objects.get(user__login="bernd")
    assert log_in("greta").post("/settings/own/keys/", {"revoke": str(key.pk)}).status_code == 404
    key.refresh_from_db()
    assert key.revoked_at is None
    assert log_in("root").get("/settings/own/keys/").status_code == 404


@pytest.mark.parametrize("wrong", [{"password": "x"}, {"name": ""}, {"scopes": []}, {"scopes": ["all"]}, {"days": "9999"}])
def test_a_key_needs_password_name_and_scopes(log_in: LogIn, wrong: dict[str, object]) -> None:
    answer = log_in("bernd").post("/settings/own/keys/", {**NEW, **wrong})
    assert answer.status_code == 200
    assert ApiKey.objects.count() == 0


def test_the_documentation_names_every_call_and_loads_nothing_from_elsewhere(log_in: LogIn) -> None:
    text = text_of(log_in("bernd"), "/settings/own/keys/documentation/")
    for call in ("POST /api/v1/messages/batch", "GET /api/v1/log", "POST /api/v1/explain", "Idempotency-Key", "content_base64"):
        assert call in text
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', text) == []
    assert "<script>" not in text
