"""Pictures of how mail has gone: the numbers are those of the rows, each reader's own, each with its table."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from mailjobs import notices
from mailjobs.figures import Period, figures_of
from mailjobs.models import MailJob, MailLogEntry, StateChoices
from mailjobs.views.charts import Line, bars, columns
from tests.pages.conftest import LogIn, mail, person, text_of

pytestmark = pytest.mark.django_db
ERROR = "550 5.1.1 Recipient address rejected: User unknown"
SERVER = "mail.kanzlei-huber.example:587"


def settle(login: str, state: StateChoices, *, days: float = 0, error: str = "") -> MailJob:
    """A mail that was taken in ten minutes before it ended so."""
    when = timezone.now() - timedelta(days=days)
    job = mail(login, state=state, finished_at=when, created_at=when - timedelta(minutes=10), last_error=error)
    notices.record([notices.Settled(job, state, error, SERVER)])
    MailLogEntry.objects.filter(job=job).update(at=when)
    return job


@pytest.fixture
def mails(cast: None) -> None:
    """In the order of their time, as rows come."""
    for login, state, days, error in (
        ("anna", StateChoices.SENT, 9, ""),
        ("anna", StateChoices.SENT, 1.5, ""),
        ("mia", StateChoices.FAILED, 1.5, ERROR),
        ("anna", StateChoices.SENT, 0, ""),
        ("bernd", StateChoices.FAILED, 0, ERROR),
        ("mia", StateChoices.FAILED, 0, "421 4.3.2 try later"),
        ("greta", StateChoices.FAILED, 0, ERROR),
    ):
        settle(login, state, days=days, error=error)
    mail("anna", created_at=timezone.now() - timedelta(minutes=30))
    mail("anna")


def test_the_numbers_are_those_of_the_rows(mails: None) -> None:
    day, month = (figures_of(person("anna"), period) for period in (Period.DAY, Period.MONTH))
    assert [(sum(step.sent for step in each.steps), sum(step.failed for step in each.steps)) for each in (day, month)] == [
        (1, 2),
        (3, 3),
    ]
    assert (len(day.steps), len(month.steps)) == (24, 30)
    assert day.steps[-1].waiting == 2
    assert [step.seconds for step in month.steps if step.seconds is not None] == [pytest.approx(600, abs=1)] * 3
    assert {name: (row.sent, row.failed) for row in month.tenants for name in [row.name]} == {
        "Kanzlei Huber": (3, 1),
        "Musterkunde GmbH": (0, 2),
    }
    assert [(cause.code.strip(), cause.count) for cause in month.causes] == [("550 5.1.1", 2), ("421 4.3.2", 1)]
    assert day.ages == {1: 1, 15: 0, 60: 1, 360: 0, 1440: 0, 0: 0}


def test_what_was_waiting_at_each_time_is_worked_out_backwards(mails: None) -> None:
    rows = MailJob.objects.exclude(user__login="greta").values_list("created_at", "finished_at")
    steps = figures_of(person("anna"), Period.DAY).steps
    for step in steps[:-1]:
        end = step.start + Period.DAY.step
        assert step.waiting == sum(created < end and (ended is None or ended >= end) for created, ended in rows), step.start


@pytest.mark.parametrize(("login", "failed"), [("anna", 3), ("bernd", 1), ("max", 2), ("mia", 2), ("eva", 0), ("greta", 1)])
def test_everybody_sees_their_own(mails: None, login: str, failed: int) -> None:
    assert sum(share.failed for share in figures_of(person(login), Period.MONTH).tenants) == failed


def test_one_tenant_can_be_chosen_but_no_foreign_one(log_in: LogIn, mails: None) -> None:
    assert [share.name for share in figures_of(person("anna"), Period.WEEK, "muster").tenants] == ["Musterkunde GmbH"]
    assert "421 4.3.2" in text_of(log_in("anna"), f"{reverse('figures')}?tenant=muster")
    for login, tenant in (("anna", "gruber"), ("max", "huber"), ("bernd", "muster")):
        text_of(log_in(login), f"{reverse('figures')}?tenant={tenant}", 404)


@pytest.mark.parametrize("period", [*Period, "nonsense"])
@pytest.mark.parametrize("login", ["anna", "mia", "root"])
def test_the_page_has_a_table_beside_each_picture(log_in: LogIn, mails: None, login: str, period: str) -> None:
    client, url = log_in(login), f"{reverse('figures')}?period={period}"
    with CaptureQueriesContext(connection) as asked:
        page = text_of(client, url)
    assert page.count("<svg viewBox") == page.count("As a table") >= 2
    assert "style=" not in page
    selects = [query["sql"] for query in asked if query["sql"].startswith("SELECT") and "mailjobs_mail" in query["sql"]]
    assert len(selects) < 25


def test_a_com_customer_reads_no_name_of_the_firms_server(log_in: LogIn, mails: None) -> None:
    settle("mia", StateChoices.FAILED, error="451 mail.kanzlei-huber.example is busy")
    assert "mail.kanzlei-huber.example" not in text_of(log_in("mia"), reverse("figures"))


def test_without_any_mail_the_page_says_so(log_in: LogIn) -> None:
    assert "Nothing in this time." in text_of(log_in("anna"), reverse("figures"))


def test_rectangles_are_as_tall_and_wide_as_their_numbers() -> None:
    chart = columns("x", "X", ["a", "b"], [Line("sent", "Sent", [4, 2]), Line("failed", "Failed", [4, 0])])
    heights: dict[Any, float] = {box.title: box.height for box in chart.boxes}
    assert heights["a: Sent 4"] == heights["a: Failed 4"] == 2 * heights["b: Sent 2"]
    assert len(heights) == 3
    widths = [box.width for box in bars("x", "X", [("a", 10), ("b", 5), ("c", 0)]).boxes]
    assert widths[0] == 2 * widths[1] > widths[2] == 0


def test_what_took_seconds_is_not_nothing(log_in: LogIn) -> None:
    now = timezone.now()
    mail("anna", state=StateChoices.SENT, finished_at=now, created_at=now - timedelta(milliseconds=200))
    page = log_in("anna").get("/figures/")
    [chart] = [chart for chart in page.context["charts"] if chart.name == "age"]
    assert not chart.empty
