"""The lists of jobs and of the log: read part by part through indexes, they show just what a plain query would (ui 1, T4)."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from mailjobs import listing, notices
from mailjobs.filters import ROWS, narrow_jobs, narrow_log, search_of
from mailjobs.listing import Listed, list_jobs, list_log
from mailjobs.models import OPEN_STATES, LogOutcome, MailJob, MailLogEntry, StateChoices
from mailjobs.selectors import jobs_visible_to, log_visible_to
from mailsettings.models import User
from tests.pages.conftest import LogIn, mail, person

EVERYBODY = ("anna", "bernd", "max", "mia", "eva", "greta", "root")
FAILED = StateChoices.FAILED
ERROR = "550 5.1.1 Recipient address rejected: User unknown"
SEARCHES = (
    "",
    "state=failed",
    "state=new",
    "state=cancelled",
    "q=Rechnung",
    "q=klient7@",
    "q=nothing-like-it",
    "error=550",
    "run=lauf",
    "user=mia",
    "user=nobody",
    "document=invoice/3",
    "state=failed&q=1",
    "from={yesterday}",
    "to={yesterday}",
    "from={yesterday}&to={yesterday}",
    "from={tomorrow}",
    "from={yesterday}&q=Rechnung&state=failed&user=mia",
)
LISTS: dict[str, tuple[Callable[..., Listed[Any]], Callable[[User], Any], Callable[..., Any], str]] = {
    "jobs": (
        list_jobs,
        lambda user: jobs_visible_to(user).filter(state__in=OPEN_STATES),
        narrow_jobs,
        "state",
    ),
    "log": (list_log, log_visible_to, narrow_log, "outcome"),
}


@pytest.fixture
def mails(cast: None) -> None:
    """Sixty mails of three tenants in all states, some of yesterday, each with a line in the log."""
    states = [*OPEN_STATES, StateChoices.SENT, StateChoices.CANCELLED]
    for number in range(60):
        login = ("anna", "bernd", "mia", "mia", "greta", "eva")[number % 6]
        state = states[number % len(states)] if login != "eva" else StateChoices.HELD
        when = timezone.now() - timedelta(days=1 if number < 25 else 0, seconds=60 - number)
        changes: dict[str, Any] = {"state": state, "created_at": when, "run": "lauf" if number % 4 == 0 else ""}
        changes["document_key"] = f"invoice/{number % 5}"
        changes["last_error"] = ERROR if state == FAILED else ""
        if state == StateChoices.SENDING:
            changes["lease_until"] = timezone.now() + timedelta(hours=1)
        if state == StateChoices.HELD:
            changes |= {"held_for": "firm" if login == "eva" else "approver", "held_reason": "stage_held"}
        job = mail(login, number, **changes)
        settled = state if state in {FAILED, StateChoices.UNKNOWN, StateChoices.CANCELLED} else StateChoices.SENT
        notices.record([notices.Settled(job, settled, changes["last_error"], "mail.kanzlei-huber.example:587")])
        MailLogEntry.objects.filter(job=job).update(at=when)


def data_of(query: str) -> QueryDict:
    today = timezone.localdate()
    return QueryDict(query.format(yesterday=today - timedelta(days=1), tomorrow=today + timedelta(days=1)))


def expected(name: str, login: str, query: str) -> list[int]:
    """By one plain query."""
    _listed, visible, narrow, column = LISTS[name]
    search = search_of(data_of(query))
    rows = narrow(visible(person(login)), search)
    if name == "log" and search.document:
        rows = rows.filter(job__document_key=search.document)
    if search.state:
        rows = rows.filter(**{column: search.state})
    return list(rows.order_by("-pk").values_list("pk", flat=True))


def leafed(name: str, login: str, query: str, way: str) -> list[list[int]]:
    """The pages that one sees by following the links, from the newest down or from the oldest up."""
    pages: list[list[int]] = []
    data = data_of(query)
    if way == "newer":
        data = QueryDict(f"{data.urlencode()}&after=0")
    for _turn in range(80):
        page = LISTS[name][0](person(login), search_of(data), data).page
        pages.append([row.pk for row in page.rows])
        link = getattr(page, way)
        if not link or (way == "newer" and not page.rows):
            return pages
        data = QueryDict(link.removeprefix("?"))
    pytest.fail("the list has no end")


@pytest.mark.parametrize("name", LISTS)
def test_every_row_is_shown_once_and_none_of_others(mails: None, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "ROWS", 7)
    for login in EVERYBODY:
        for query in SEARCHES if login in {"anna", "mia", "root"} else SEARCHES[:6]:
            wanted = expected(name, login, query)
            down, up = leafed(name, login, query, "older"), leafed(name, login, query, "newer")
            if not search_of(data_of(query)).by_index:
                assert max(map(len, down)) <= 7
            assert [pk for page in down for pk in page] == wanted, (login, query)
            assert [pk for page in reversed(up) for pk in page] == wanted, (login, query, "upwards")


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("looked_at", [1, 5, 16])
def test_a_search_goes_further_back_until_everything_was_looked_at(
    mails: None, name: str, looked_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", looked_at)
    monkeypatch.setattr(listing, "FURTHER_AT_ONCE", looked_at)
    for query in ("q=Rechnung", "q=klient7@", "error=550&state=failed", "q=nothing-like-it", "run=lauf&from={yesterday}"):
        found = [pk for page in leafed(name, "anna", query, "older") for pk in page]
        assert found == expected(name, "anna", query), query


def test_the_page_says_how_far_back_it_looked(mails: None, log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "LOOKED_AT", 5)
    client = log_in("anna")
    for path in ("/jobs/?q=nothing-like-it", "/log/?q=nothing-like-it"):
        page = _text(client, path)
        assert "Searched back to" in page
        link = re.search(r'href="(\?[^"]*further=1[^"]*)"', page)
        assert link is not None
        after = _text(client, f"{path.partition('?')[0]}{link[1]}")
        assert "Searched back to" not in after
        assert "matches these filters" in after


def test_tabs_count_to_a_limit_and_say_so(mails: None, log_in: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    of_state = {state: expected("jobs", "anna", f"state={state}") for state in OPEN_STATES}
    listed = list_jobs(person("anna"), search_of(QueryDict("")), QueryDict(""))
    assert {state: count.number for state, count in listed.counts.items()} == {
        state.value: len(found) for state, found in of_state.items() if found
    }
    assert not listed.total.more
    monkeypatch.setattr(listing, "MOST", 2)
    capped = list_jobs(person("anna"), search_of(QueryDict("")), QueryDict(""))
    assert {str(count) for state, count in capped.counts.items() if len(of_state[StateChoices(state)]) > 2} == {"2+"}
    page = _text(log_in("anna"), "/jobs/?state=held")
    assert re.search(r'Held <span class="tab-count">2\+</span>', page)


@pytest.mark.parametrize("query", ["from={yesterday}&to={yesterday}", "user=mia", "q=Rechnung", "document=invoice/3"])
def test_tabs_count_what_the_filters_leave(mails: None, query: str) -> None:
    data = data_of(query)
    listed = list_jobs(person("anna"), search_of(data), data)
    counts = {state.value: len(expected("jobs", "anna", f"{query}&state={state}")) for state in OPEN_STATES}
    assert {state: count.number for state, count in listed.counts.items() if count} == {
        state: number for state, number in counts.items() if number
    }


def test_j10_lists_narrow_to_a_document(mails: None, log_in: LogIn) -> None:
    client = log_in("anna")
    page = _text(client, "/log/?document=invoice/3")
    assert "Document: invoice/3" in page
    assert page.count('class="row-link"') == len(expected("log", "anna", "document=invoice/3")) > 0
    assert page.count('name="document" value="invoice/3"') == 1  # kept by the search box
    assert "Document: invoice/3" in _text(client, "/jobs/?document=invoice/3")
    assert "row-link" not in _text(client, "/log/?document=invoice/none")


def test_outcomes_and_states_are_all_read(cast: None) -> None:
    """A state that the list does not know would be missing in it."""
    assert {*OPEN_STATES, StateChoices.SENT, StateChoices.CANCELLED} == set(StateChoices)
    job = mail("anna")
    MailJob.objects.filter(pk=job.pk).update(run="")
    for outcome in LogOutcome:
        MailLogEntry.objects.create(tenant=job.tenant, user=job.user, outcome=outcome)
    listed = list_log(person("anna"), search_of(QueryDict("")), QueryDict(""))
    assert [row.outcome for row in listed.page.rows] == list(reversed(LogOutcome))
    assert len(listed.page.rows) <= ROWS


def _text(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return unescape(answer.content.decode())
