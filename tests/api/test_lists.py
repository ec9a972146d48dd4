"""Keyset cursors: every row once, whatever comes meanwhile."""

import pytest

from mailjobs.api import lists
from mailjobs.models import MailJob, MailLogEntry
from tests.api.conftest import Program, Programs, invoice
from tests.pages.conftest import mail


def walk(who: Program, path: str, name: str, **data: object) -> list[int]:
    """The ids of all pages."""
    found: list[int] = []
    cursor = ""
    for _page in range(100):
        status, document = who.get(path, cursor=cursor, **data)
        assert status == 200
        found += [row["id"] for row in document[name]]
        if not document["next"] or not document[name]:
            return found
        cursor = document["next"]
    raise AssertionError("no end")


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_each_job_is_on_one_page(program: Programs, order: str) -> None:
    anna = program("anna")
    anna.post("messages/batch", {"messages": [invoice(number) for number in range(23)]})
    ids = sorted(MailJob.objects.values_list("pk", flat=True), reverse=order == "newest")
    assert walk(anna, "jobs", "jobs", limit=5, order=order) == ids
    assert walk(anna, "jobs", "jobs", limit=500, order=order) == ids


def test_a_mail_that_comes_meanwhile_moves_no_page(program: Programs) -> None:
    anna = program("anna")
    ids = [mail("anna", number).pk for number in range(4)]
    page = anna.get("jobs", limit=2)[1]
    mail("anna", 9)
    assert [job["id"] for job in anna.get("jobs", limit=2, cursor=page["next"])[1]["jobs"]] == ids[1::-1]


def test_jobs_by_state_and_the_log_by_outcome(program: Programs) -> None:
    anna = program("anna")
    held = mail("anna", 1, state="failed").pk
    mail("anna", 2)
    assert [job["id"] for job in anna.get("jobs", state="failed")[1]["jobs"]] == [held]
    anna.post("messages", {"to": []})
    line = anna.get("log", outcome="refused")[1]["lines"][0]
    assert (line["error_code"], line["job"]) == ("no_recipient", None)
    assert anna.get("log", outcome="handed_over")[1]["lines"] == []


def test_who_follows_the_log_misses_no_line(program: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is shown only when no older one can still be committed before it."""
    anna = program("anna")
    anna.post("messages", {"to": []})
    document = anna.get("log", order="oldest")[1]
    assert (document["lines"], document["next"]) == ([], "0")
    monkeypatch.setattr(lists, "SETTLED", -lists.SETTLED)
    first = anna.get("log", order="oldest", cursor=document["next"])[1]
    assert [line["id"] for line in first["lines"]] == [MailLogEntry.objects.get().pk]
    assert anna.get("log", order="oldest", cursor=first["next"])[1] == {"lines": [], "next": first["next"]}
    anna.post("messages", {"to": []})
    assert len(anna.get("log", order="oldest", cursor=first["next"])[1]["lines"]) == 1


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=-1", "cursor=" + "9" * 30, "limit=0", "limit=501", "order=up", "state=sent"]
)
def test_what_makes_no_sense_is_a_problem(program: Programs, query: str) -> None:
    assert program("anna").get(f"jobs?{query}")[0] == 422
