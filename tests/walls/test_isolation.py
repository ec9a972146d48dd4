"""No page leaks: every address of the portal, every method, every role, with the ids and names of others (Z1, T4, T7).

The addresses come from the URL resolver, so that a new page is asked as well.
"""

import os
from collections.abc import Iterator

import pytest
from django.test import Client, override_settings

from mailjobs.keys import Scope, make
from mailsettings.models import User
from tests.pages.test_hostile_input import addresses, fields_of
from tests.walls.world import BEISPIEL, BODY, GRUBER, HUBER, OPERATOR, House, ids_of, move_in, rows_of

FOREIGN: dict[str, tuple[House, ...]] = {  # whose rows each of the six roles must never meet
    OPERATOR: (),
    "anna": (GRUBER,),
    "bernd": (GRUBER, BEISPIEL),
    "stapel": (GRUBER, BEISPIEL),
    "max": (GRUBER, BEISPIEL, HUBER),
    "mia": (GRUBER, BEISPIEL, HUBER),
}
# Half a minute each: here one house a role, all where STORM_SIZE=1 (`make storm ARGS=tests/walls/test_isolation.py`).
ONE_EACH = {"anna": GRUBER, "bernd": BEISPIEL, "stapel": GRUBER, "max": HUBER, "mia": BEISPIEL}
PAIRS = (
    [(login, house) for login, houses in FOREIGN.items() for house in houses]
    if os.environ.get("STORM_SIZE") == "1"
    else list(ONE_EACH.items())
)
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")
ACTIONS = ("cancel", "release", "reject", "requeue", "take_as_sent", "read", "forget", "confirm", "start", "stop", "draft")
FIELDS = {
    "pk",
    "ids",
    "id",
    "selected",
    "all_matching",
    "confirm",
    "user",
    "tenant",
    "account",
    "print_model",
    "document",
    "run",
    "q",
}
NOT_THERE = {404, 405, 410}
KINDS = ("account", "user", "tenant")  # of owners, where an address has a place for a word


def paths(house: House, *, rows: int = 2) -> Iterator[tuple[str, bool]]:
    """Each address with the ids and names of a house, the first of each kind, and whether it names a row of it."""
    ids = ids_of(house)
    for pattern in addresses():
        words = KINDS if "{text}/{pk}" in pattern else (house.slug, house.people[0][0]) if "{text}" in pattern else ("",)
        for word in words:
            for pk in ids[:rows] if "{pk}" in pattern else ids[:1]:
                yield "/" + pattern.replace("{pk}", str(pk)).replace("{text}", word), "{pk}" in pattern


def leaks(client: Client, house: House, url: str, *, names_a_row: bool) -> Iterator[str]:
    """What is wrong with the answers to one address."""
    first, login, tenant = str(ids_of(house)[0]), house.people[0][0], house.slug
    fields = sorted(FIELDS | fields_of(client, url))
    for method in METHODS:
        asked: list[dict[str, str]] = [{}]
        if names_a_row and not url.count(first) and method not in ("get", "post"):
            continue  # the second row of a kind is asked for in the two usual ways
        if method in ("get", "post") and not names_a_row:
            asked += [dict.fromkeys(fields, value) for value in (first, login)]
            asked += [{"tenant": tenant}, {"tenant": tenant, "user": login, "print_model": f"model-{tenant}"}]
        if method == "post":
            actions = ACTIONS[:2] if names_a_row else ACTIONS  # where a row is named, whose it is comes first
            asked += [{**dict.fromkeys(fields, first), "action": action} for action in actions]
        for data in asked:
            answer = getattr(client, method)(url, data)
            said = b"".join(answer).lower() if answer.streaming else answer.content.lower()
            shown = said + str(answer.headers).lower().encode()
            what = f"{method} {url} {data}: {answer.status_code}"
            if house.canary.encode() in shown.replace(url.lower().encode(), b""):
                yield f"{what} says what it must not"
            if names_a_row and answer.status_code not in NOT_THERE and not (method == "options" and not said):
                yield f"{what} instead of 404"


def log_in(login: str) -> Client:
    client = Client(raise_request_exception=False)
    user = User.objects.get(login=login)
    client.force_login(user)
    if user.tenant is not None:  # the addresses of the API know who asks by a key
        client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {make(user, user, name='walls', scopes=list(Scope), expires_at=None)[1]}"
    return client


@pytest.mark.django_db
@override_settings(API_KEY_PER_MINUTE=10**9, API_TENANT_PER_MINUTE=10**9)
@pytest.mark.parametrize(
    ("login", "house"),
    PAIRS,
    ids=lambda value: str(value)[:20],
)
def test_nobody_meets_the_rows_of_others(login: str, house: House) -> None:
    move_in()
    client, before = log_in(login), rows_of(house)
    found = [leak for url, named in paths(house) for leak in leaks(client, house, url, names_a_row=named)]
    assert not found, "\n".join(found[:30])
    assert rows_of(house) == before
    assert sum(map(len, before.values())) > 20


@pytest.mark.django_db
@pytest.mark.parametrize(("login", "house"), [(OPERATOR, GRUBER), (OPERATOR, HUBER), ("anna", BEISPIEL)])
def test_who_administers_others_reads_no_body_of_theirs(login: str, house: House) -> None:
    """T7: list, recipients, error, but neither body nor attachment."""
    move_in()
    client = log_in(login)
    found = []
    for url, _named in paths(house):
        if "print-models" not in url:  # a print model's texts are settings, which a firm manages for its Com customers
            answer = client.get(url)
            said = b"".join(answer) if answer.streaming else answer.content
            found += [url] if f"{house.canary} {BODY}".encode() in said else []
    assert not found, "\n".join(found)


@pytest.mark.django_db
def test_the_canaries_sing_where_they_may() -> None:
    """The tests above would be worth nothing if nobody saw the words: their owners do, body and attachment too."""
    move_in()
    client = log_in("greta")
    said = b"".join(
        b"".join(answer) if answer.streaming else answer.content for answer in (client.get(url) for url, _n in paths(GRUBER))
    )
    assert said.count(GRUBER.canary.encode()) > 100
    assert BODY.encode() in said
