"""The pages about mail: who sees what, what the buttons do, what the preview may never do."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from mailjobs import notices, queue
from mailjobs.models import FrozenMail, InternalMessage, JobRecipient, LogOutcome, MailJob, MailLogEntry, StateChoices
from mailjobs.preview import harmless
from mailjobs.remedies import cause_of, reason_of
from mailsettings.changes import Book, own_values, save_parameters
from mailsettings.models import AuditEvent, Tenant, User
from tests.pages.conftest import PASSWORD, LogIn, mail, person

EVERYBODY = ("anna", "bernd", "max", "mia", "eva", "greta", "root")
LISTS = ("/", "/jobs/", "/log/", "/inbox/", "/jobs/?state=failed&q=x&from=2026-01-01&to=2026-12-31", "/log/?state=failed&q=x")
REFUSED_LOGIN = "535 5.7.8 Error: authentication failed"
UNKNOWN_USER = "550 5.1.1 <klient1@kunde.example>: Recipient address rejected: User unknown"


def fail(job: MailJob, error: str = REFUSED_LOGIN, state: StateChoices = StateChoices.FAILED) -> MailJob:
    """As the engine leaves a mail that ended badly."""
    MailJob.objects.filter(pk=job.pk).update(state=state, last_error=error, attempts=1, finished_at=timezone.now())
    job.refresh_from_db()
    notices.record([notices.Settled(job, state, error, "mail.kanzlei-huber.example:587")])
    return job


def text_of(client: Client, path: str) -> str:
    response = client.get(path)
    assert response.status_code == 200, (path, response.status_code)
    return response.content.decode()


@pytest.mark.parametrize("login", EVERYBODY)
@pytest.mark.parametrize("path", LISTS)
def test_every_list_answers_for_every_role(log_in: LogIn, login: str, path: str) -> None:
    fail(mail("anna"))
    fail(mail("mia"), UNKNOWN_USER)
    page = text_of(log_in(login), path)
    assert page.count("<h1>") == 1
    assert "style=" not in page


@pytest.mark.parametrize(
    "path", ["/", "/jobs/", "/jobs/1/", "/log/", "/log/1/", "/inbox/", "/jobs/1/preview/", "/jobs/1/mail.eml"]
)
def test_a_stranger_logs_in_first(db: None, path: str) -> None:
    response = Client().get(path)
    assert (response.status_code, response.headers["Location"]) == (302, f"/accounts/login/?next={path}")


@pytest.mark.parametrize(
    ("login", "sees"),
    [("anna", True), ("bernd", False), ("mia", True), ("max", True), ("eva", False), ("greta", False), ("root", True)],
)
def test_t4_a_foreign_mail_is_not_there(log_in: LogIn, login: str, sees: bool) -> None:
    job = fail(mail("mia"))
    entry = MailLogEntry.objects.get(job=job)
    client = log_in(login)
    assert client.get(f"/jobs/{job.pk}/").status_code == (200 if sees else 404)
    assert client.get(f"/log/{entry.pk}/").status_code == (302 if sees else 404)
    assert client.post(f"/jobs/{job.pk}/", {"action": "requeue"}).status_code == (302 if sees else 404)
    assert client.get("/jobs/999999/").status_code == 404


@pytest.mark.parametrize(("login", "reads"), [("mia", True), ("max", True), ("anna", False), ("root", False)])
def test_t7_the_firm_reads_no_body_of_its_com_customers_mail(log_in: LogIn, login: str, reads: bool) -> None:
    job = mail("mia")
    client = log_in(login)
    page = text_of(client, f"/jobs/{job.pk}/")
    assert ("1.html" in page) is reads
    assert ("MIME-Version" in page) is reads
    assert "klient1@kunde.example" in page
    for path in (f"/jobs/{job.pk}/preview/", f"/jobs/{job.pk}/attachments/1/"):
        assert client.get(path).status_code == (200 if reads else 404)


def test_t7_the_firm_reads_a_mail_that_is_held_for_it(log_in: LogIn) -> None:
    job = mail("mia", state="held", held_for="firm", held_reason="held_by_firm")
    client = log_in("anna")
    assert "MIME-Version" in text_of(client, f"/jobs/{job.pk}/")
    assert client.post(f"/jobs/{job.pk}/", {"action": "release"}).status_code == 302
    job.refresh_from_db()
    assert job.state == "new"


def test_t4_the_firms_server_is_not_named_to_its_com_customer(log_in: LogIn) -> None:
    job = mail("mia")
    assert job.plan["connection"]["level"] == "firm_parameters"
    error = "535 5.7.8 mail.kanzlei-huber.example: authentication failed"
    MailJob.objects.filter(pk=job.pk).update(state="sending", epoch=1, lease_until=timezone.now(), leased_by="w/1")
    job.tries.create(
        epoch=1,
        started_at=timezone.now(),
        ended_at=timezone.now(),
        outcome="failed",
        reply=error,
        server="mail.kanzlei-huber.example:587",
        dialogue=["S: 220 mail.kanzlei-huber.example ESMTP"],
    )
    MailJob.objects.filter(pk=job.pk).update(state="new", lease_until=None)
    fail(job, error)
    for path in ("/", "/jobs/", f"/jobs/{job.pk}/", "/log/", "/inbox/"):
        for login in ("mia", "max"):
            assert "mail.kanzlei-huber.example" not in text_of(log_in(login), path), path
    assert "mail server of the firm" in text_of(log_in("mia"), f"/jobs/{job.pk}/")
    assert "S: 220 mail.kanzlei-huber.example ESMTP" in text_of(log_in("anna"), f"/jobs/{job.pk}/")


def test_z10_the_preview_runs_and_fetches_nothing(log_in: LogIn) -> None:
    job = mail("anna")
    response = log_in("anna").get(f"/jobs/{job.pk}/preview/")
    policy = response.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; img-src data:;")
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert b"<b>anbei</b>" in response.content
    assert b"<script" not in response.content
    assert 'sandbox=""' in text_of(log_in("anna"), f"/jobs/{job.pk}/")


@pytest.mark.parametrize(
    ("html", "shown"),
    [
        ("<p onclick=x()>a</p>", "<p>a</p>"),
        ("<script>a</script>b", "b"),
        ('<meta http-equiv="refresh" content="0;url=https://x.example">a', "a"),
        ('<a href="https://x.example">a</a>', "<a>a</a>"),
        ('<img src="https://x.example/a.png"><img src="data:image/png;base64,AA">', '<img><img src="data:image/png;base64,AA">'),
        ("<form action=/x><input name=a>a</form>", "a"),
        ("<svg><script>a</script></svg>b", "b"),
        ("&lt;script&gt;", "&lt;script&gt;"),
        ("<style>p{color:red}</style><p>a", "<style>p{color:red}</style><p>a"),
    ],
)
def test_z10_harmless_leaves_out_what_acts(html: str, shown: str) -> None:
    assert harmless(html) == shown


def test_z11_an_attachment_is_stored_not_shown(log_in: LogIn) -> None:
    job = mail("anna")
    client = log_in("anna")
    response = client.get(f"/jobs/{job.pk}/attachments/1/")
    assert response.headers["Content-Disposition"] == 'attachment; filename="1.html"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    assert response.content == b"<b>hi</b>"
    assert client.get(f"/jobs/{job.pk}/attachments/2/").status_code == 404


def test_x1_the_mail_for_the_client_is_marked_unsent_there_only(log_in: LogIn) -> None:
    job = mail("anna", state="held", held_for="sender", held_reason="by_client")
    client = log_in("anna")
    response = client.get(f"/jobs/{job.pk}/mail.eml")
    assert response.content.startswith(b"X-Unsent: 1\r\n")
    assert b"To: klient1@kunde.example" in response.content
    assert b"X-Unsent" not in bytes(FrozenMail.objects.get(job=job).headers)
    MailJob.objects.filter(pk=job.pk).update(held_reason="held_by_firm")
    assert client.get(f"/jobs/{job.pk}/mail.eml").status_code == 404


def redirect(slug: str, **values: object) -> None:
    tenant = Tenant.objects.get(slug=slug)
    save_parameters(Book("anna"), tenant, own_values(tenant) | {"redirect_enabled": True, **values})


def test_u2_the_mail_for_the_client_is_redirected_too(log_in: LogIn) -> None:
    job = mail("anna", state="held", held_for="sender", held_reason="by_client")
    redirect("huber", redirect_addresses=["test@kanzlei-huber.example"])
    client = log_in("anna")
    mail_text = client.get(f"/jobs/{job.pk}/mail.eml").content
    assert b"To: test@kanzlei-huber.example" in mail_text
    assert b"To: klient1@kunde.example" not in mail_text
    redirect("huber", redirect_addresses=["test@kanzlei-huber.example"], redirect_capture_only=True)
    assert client.get(f"/jobs/{job.pk}/mail.eml").status_code == 302


def test_u3_every_page_says_where_mail_goes_and_who_switched_it_on(log_in: LogIn) -> None:
    redirect("huber", redirect_addresses=["test@kanzlei-huber.example"])
    assert AuditEvent.objects.filter(after__redirect_enabled=True).exists()
    for path in ("/", "/jobs/", "/log/", "/inbox/"):
        page = text_of(log_in("bernd"), path)
        assert "every mail goes to test@kanzlei-huber.example" in page
        assert "Switched on by Anna Huber." in page
    assert "Switched on by Kanzlei Huber." in text_of(log_in("mia"), "/")
    assert "banner-redirect" not in text_of(log_in("greta"), "/")


def test_j1_every_page_says_when_nothing_delivers(log_in: LogIn) -> None:
    job = mail("anna")
    MailJob.objects.filter(pk=job.pk).update(due_at=timezone.now() - timedelta(minutes=12, seconds=5))
    client = log_in("anna")
    assert "the oldest due mail waits 12 minutes" in text_of(client, "/log/")
    queue.heartbeat("worker", [])
    assert "banner-no_worker" not in text_of(client, "/log/")


def test_j3_a_bulk_reset_makes_failed_jobs_new_and_says_what_it_left_out(log_in: LogIn) -> None:
    failed, waiting, foreign = fail(mail("bernd")), mail("bernd", 2), fail(mail("anna", 3))
    client = log_in("bernd")
    response = client.post("/jobs/", {"action": "requeue", "pk": [failed.pk, waiting.pk, foreign.pk]}, follow=True)
    page = response.content.decode()
    assert "1 mail is new again and will be tried within a minute." in page
    assert "2 mails were left out: in a state that needs no reset." in page
    failed.refresh_from_db()
    foreign.refresh_from_db()
    assert (failed.state, foreign.state) == ("new", "failed")


def test_j3_all_that_match_are_reset(log_in: LogIn) -> None:
    jobs = [fail(mail("anna", number)) for number in range(1, 4)]
    other = fail(mail("anna", 9), UNKNOWN_USER)
    client = log_in("anna")
    client.post(f"/jobs/?state=failed&q={REFUSED_LOGIN[:9]}", {"action": "requeue", "pk": [jobs[0].pk], "all_matching": "1"})
    assert set(MailJob.objects.filter(state="new").values_list("pk", flat=True)) == {job.pk for job in jobs}
    other.refresh_from_db()
    assert other.state == "failed"


def test_uncertain_mails_are_reset_only_after_an_explicit_yes(log_in: LogIn) -> None:
    uncertain, failed = fail(mail("anna"), "", StateChoices.UNKNOWN), fail(mail("anna", 2))
    client = log_in("anna")
    chosen = {"action": "requeue", "pk": [uncertain.pk, failed.pk]}
    question = client.post("/jobs/", chosen).content.decode()
    assert "1 mail may have arrived already" in question
    assert MailJob.objects.filter(state="new").count() == 0
    client.post("/jobs/", {**chosen, "confirm": "others"})
    assert list(MailJob.objects.filter(state="new")) == [failed]
    assert "Send again all the same" in client.post(f"/jobs/{uncertain.pk}/", {"action": "requeue"}).content.decode()
    client.post(f"/jobs/{uncertain.pk}/", {"action": "requeue", "confirm": "unknown"})
    uncertain.refresh_from_db()
    assert (uncertain.state, uncertain.possible_duplicate) == ("new", True)


def test_withdrawn_jobs_leave_the_list_and_stand_in_the_log(log_in: LogIn) -> None:
    job = mail("anna")
    client = log_in("anna")
    assert "1 mail was withdrawn." in client.post("/jobs/", {"action": "cancel", "pk": [job.pk]}, follow=True).content.decode()
    assert "Nothing needs you" in text_of(client, "/jobs/")
    assert MailLogEntry.objects.get(job=job).outcome == LogOutcome.CANCELLED
    assert "Rechnung 1" in text_of(client, "/log/")


@pytest.mark.parametrize("action", ["", "delete", "finish"])
def test_an_action_that_is_none_changes_nothing(log_in: LogIn, action: str) -> None:
    job = fail(mail("anna"))
    assert log_in("anna").post("/jobs/", {"action": action, "pk": job.pk}).status_code == 400


def test_the_jobs_are_paged_by_id_and_searched(log_in: LogIn) -> None:
    for number in range(1, 31):
        mail("anna", number)
    client = log_in("anna")
    first = client.get("/jobs/")
    page = first.context["page"]
    assert (len(page.rows), page.newer) == (25, "")
    assert page.older
    second = client.get(f"/jobs/{page.older}").context["page"]
    assert len(second.rows) == 5
    assert not second.older
    back = client.get(f"/jobs/{second.newer}").context["page"]
    assert [job.pk for job in back.rows] == [job.pk for job in page.rows]
    assert [job.subject for job in client.get("/jobs/?q=klient17@").context["page"].rows] == ["Rechnung 17"]
    today = timezone.localdate()
    assert client.get(f"/jobs/?from={today}&to={today}").context["total"] == 30
    assert "No mail job matches these filters" in text_of(client, "/jobs/?to=2001-01-01")
    assert "No mail job is in this state" in text_of(client, "/jobs/?state=failed")


@pytest.mark.parametrize(
    "query", ["q=%00", "before=x", "before=99999999999999999999", "from=x&to=9999-12-31", "state=x", "after=-1"]
)
def test_an_address_that_makes_no_sense_is_passed_over(log_in: LogIn, query: str) -> None:
    for path in ("/jobs/", "/log/", "/inbox/"):
        assert log_in("anna").get(f"{path}?{query}").status_code == 200


def test_the_jobs_page_asks_the_database_the_same_however_many_rows(log_in: LogIn, django_assert_max_num_queries: object) -> None:
    for number in range(1, 25):
        fail(mail("mia", number))
    client = log_in("max")
    with django_assert_max_num_queries(21):  # type: ignore[operator]
        client.get("/jobs/")


def test_a_mails_page_tells_cause_remedy_attempts_and_ladder(log_in: LogIn) -> None:
    job = fail(mail("anna"))
    page = text_of(log_in("anna"), f"/jobs/{job.pk}/")
    assert "The mail server does not accept user or password" in page
    assert REFUSED_LOGIN in page
    assert "General settings of the firm" in page
    assert job.message_id.strip("<>") in page
    assert job.sha256[:16] in page


@pytest.mark.parametrize("state", [*StateChoices.values])
def test_a_mails_page_answers_in_every_state(log_in: LogIn, state: str) -> None:
    held: dict[str, Any] = {"held_for": "firm", "held_reason": "restored"}
    more = {"held": held, "sending": {"lease_until": timezone.now()}}.get(state, {})
    job = mail("anna", state=state, last_error="" if state == "new" else UNKNOWN_USER, **more)
    JobRecipient.objects.filter(job=job).update(state="refused", reply=UNKNOWN_USER)
    text_of(log_in("anna"), f"/jobs/{job.pk}/")
    FrozenMail.objects.filter(job=job).delete()
    assert "no longer kept" in text_of(log_in("anna"), f"/jobs/{job.pk}/")


def test_a_refused_message_has_a_page_with_its_explanation(log_in: LogIn) -> None:
    entry = MailLogEntry.objects.create(
        tenant=Tenant.objects.get(slug="muster"),
        user=person("mia"),
        outcome="refused",
        subject="",
        recipients=["klient@kunde.example"],
        error="No level yields a sender address.",
        error_code="no_sender",
        plan=mail("mia").plan,
    )
    client = log_in("mia")
    page = text_of(client, f"/log/{entry.pk}/")
    assert "No level yields a sender address." in page
    assert "mail.kanzlei-huber.example" not in page
    assert f"/log/{entry.pk}/" in text_of(client, "/log/")


def test_j8_the_inbox_has_one_line_for_each_cause(log_in: LogIn) -> None:
    for number in range(1, 4):
        fail(mail("bernd", number), f"550 5.1.1 <klient{number}@kunde.example>: User unknown")
    fail(mail("bernd", 4))
    fail(mail("anna", 5))
    client = log_in("bernd")
    incidents = client.get("/inbox/").context["incidents"]
    assert [(incident.incident.reason, incident.count) for incident in incidents] == [
        ("login_refused", 1),
        ("recipient_refused", 3),
    ]
    overview = client.get("/")
    assert overview.content.decode().count('class="badge"') == 2
    assert {item.name: item.badge for item in overview.context["navigation"] if item.badge} == {"jobs": "4", "inbox": "2"}
    assert client.get("/inbox/").context["tabs"][0]["count"] == "2"
    shown = [(line["url"], line["count"]) for line in overview.context["incidents"]]
    assert shown == [(line.url, line.count) for line in incidents], "the overview has the lines of the inbox"
    first = InternalMessage.objects.filter(user=person("bernd")).first()
    foreign = InternalMessage.objects.get(user=person("anna"))
    assert first is not None
    client.post("/inbox/", {"pk": [first.pk]})
    client.post("/inbox/", {"pk": [foreign.pk]})
    assert InternalMessage.objects.filter(read_at=None).count() == 4
    client.post("/inbox/", {"incident": incidents[1].incident.pk})
    assert InternalMessage.objects.filter(read_at=None, user=person("bernd")).count() == 0
    foreign.refresh_from_db()
    assert foreign.read_at is None
    assert "Nothing new" in text_of(client, "/inbox/")
    assert len(client.get("/inbox/?show=all").context["incidents"]) == 2


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (REFUSED_LOGIN, REFUSED_LOGIN),
        (UNKNOWN_USER, "550 5.1.1"),
        ("host_unknown: mail.firm.example", "host_unknown"),
        ("Internal error, reference 12ab34cd56ef", "Internal error"),
        ("451 4.7.1 Greylisting in action, see 20261124T0900", "451 4.7.1 Greylisting in action, see"),
        ("", ""),
    ],
)
def test_j8_cause_is_what_errors_have_in_common(error: str, cause: str) -> None:
    assert cause_of(error) == cause


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (REFUSED_LOGIN, "login_refused"),
        (f"{UNKNOWN_USER} <klient1@kunde.example>", "recipient_refused"),
        ("552 5.3.4 Message too big", "content_refused"),
        ("550 5.7.60 SMTP; Client does not have permissions to send as this sender", "sender_refused"),
        ("refused: connection refused", "retry"),
        ("certificate_expired", "tls_retry"),
        ("421 4.3.2 Service not available", "throttled"),
        ("No level yields a sender address.", None),
    ],
)
def test_a_stored_error_is_classified_again(error: str, reason: str | None) -> None:
    assert reason_of(error) == reason


def test_the_overview_says_how_mail_goes_and_what_is_missing(log_in: LogIn) -> None:
    fail(mail("anna"))
    page = text_of(log_in("anna"), "/")
    assert "By SMTP over mail.kanzlei-huber.example:587, as anna@kanzlei-huber.example." in page
    assert "No mail was handed over yet" in page
    assert "1 of 2 users are linked to no employee" in page
    assert "The mail server does not accept user or password" in page
    assert "By SMTP over the mail server of the firm, as rechnung@musterkunde.example." in text_of(log_in("mia"), "/")
    assert "carries the firm&#x27;s address" in text_of(log_in("eva"), "/")
    assert "How your mail goes" not in text_of(log_in("root"), "/")


@pytest.mark.parametrize(
    ("login", "has", "lacks"),
    [
        ("anna", ["/jobs/", "/log/", "/inbox/", "/settings/"], ["/admin/"]),
        ("bernd", ["/jobs/", "/log/", "/inbox/"], ['href="/settings/"', "/admin/"]),
        ("mia", ["/jobs/", "/inbox/"], ['href="/settings/"', "/admin/"]),
        ("root", ["/jobs/", "/log/", "/admin/"], ['href="/settings/"']),
    ],
)
def test_the_navigation_follows_the_role(log_in: LogIn, login: str, has: list[str], lacks: list[str]) -> None:
    page = text_of(log_in(login), "/jobs/")
    nav = page[page.index('<nav class="nav"') : page.index("</nav>")]
    assert all(f'href="{url}"' in nav for url in has)
    assert not any(url in nav for url in lacks)
    assert nav.count("aria-current") == 1


def test_log_in_and_out(cast: None) -> None:
    client = Client()
    wrong = client.post("/accounts/login/", {"login": "anna", "password": "wrong"})
    assert "do not fit together" in wrong.content.decode()
    assert "demo" not in wrong.content.decode().lower()
    right = client.post("/accounts/login/?next=/jobs/", {"login": "anna", "password": PASSWORD, "next": "/jobs/"})
    assert (right.status_code, right.headers["Location"]) == (302, "/jobs/")
    assert client.get("/accounts/logout/").status_code == 405
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_theme_and_language_are_remembered_with_the_user(log_in: LogIn) -> None:
    client = log_in("anna")
    assert client.post("/accounts/theme/", {"theme": "dark"}, headers={"Sec-Fetch-Mode": "cors"}).status_code == 204
    assert client.post("/accounts/theme/", {"theme": "pink"}).status_code == 400
    client.post("/i18n/setlang/", {"language": "de", "next": "/"})
    anna = person("anna")
    assert (anna.theme, anna.language) == ("dark", "de")
    page = text_of(client, "/")
    assert '<html lang="de" data-theme-choice="dark" data-bs-theme="dark">' in page


def test_healthz_asks_no_database(client: Client) -> None:
    assert client.get("/healthz").status_code == 200  # without the mark, the database refuses


def test_readyz_needs_a_worker(db: None, client: Client) -> None:
    response = client.get("/readyz")
    assert (response.status_code, response.json()["reason"]) == (503, "no_worker")
    queue.heartbeat("worker", [])
    assert client.get("/readyz").json() == {"ready": True, "reason": None}


def test_readyz_needs_the_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise DatabaseError

    monkeypatch.setattr("mailjobs.views.health.worker_alive", broken)
    response = client.get("/readyz")
    assert (response.status_code, response.json()["reason"]) == (503, "no_database")


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "new").mkdir()
    monkeypatch.setattr(settings, "SMTP_SINK_DIR", str(tmp_path))
    return tmp_path / "new"


def store(folder: Path, job: MailJob, number: int) -> str:
    """A mail as the test mail server stores it."""
    name = f"20261124T0900{number:02}.000000-{number}.eml"
    frozen = FrozenMail.objects.get(job=job)
    head = f"X-Envelope-From: {job.sender_address}\r\nX-Envelope-To: {json.dumps(['klient@kunde.example'])}\r\n".encode()
    (folder / name).write_bytes(head + bytes(frozen.headers) + b"\r\n" + bytes(frozen.body))
    return name


def test_the_test_mailbox_shows_to_each_their_own(log_in: LogIn, sink: Path) -> None:
    firms, customers = store(sink, mail("anna", 1), 1), store(sink, mail("mia", 2), 2)
    (sink / "20261124T090003.000000-3.eml").write_bytes(b"X-Envelope-From: x\r\nX-Envelope-To: []\r\nSubject: Nobody's\r\n\r\nx")
    listed = {login: text_of(log_in(login), "/test-mailbox/") for login in EVERYBODY}
    assert {login for login, page in listed.items() if "Rechnung 1<" in page} == {"anna", "root"}
    assert {login for login, page in listed.items() if "Rechnung 2<" in page} == {"anna", "mia", "max", "root"}
    assert {login for login, page in listed.items() if "Nobody" in page} == {"root"}
    assert log_in("greta").get(f"/test-mailbox/{firms}/").status_code == 404
    assert log_in("anna").get("/test-mailbox/..%2f..%2fx/").status_code == 404
    assert "klient@kunde.example" in text_of(log_in("mia"), f"/test-mailbox/{customers}/")
    for login, status in (("mia", 200), ("anna", 404), ("root", 200)):
        assert log_in(login).get(f"/test-mailbox/{customers}/preview/").status_code == status
        assert log_in(login).get(f"/test-mailbox/{customers}/attachments/1/").status_code == status
    assert "sandbox" in log_in("mia").get(f"/test-mailbox/{customers}/preview/").headers["Content-Security-Policy"]


def test_the_test_mailbox_is_paged(log_in: LogIn, sink: Path) -> None:
    job = mail("anna")
    for number in range(30):
        store(sink, job, number)
    client = log_in("anna")
    first = client.get("/test-mailbox/")
    assert (len(first.context["page"].rows), first.context["newer_url"]) == (25, "")
    second = client.get(f"/test-mailbox/{first.context['older_url']}")
    assert (len(second.context["page"].rows), second.context["older_url"]) == (5, "")
    back = client.get(f"/test-mailbox/{second.context['newer_url']}")
    assert back.context["page"].rows == first.context["page"].rows


def test_without_a_test_mail_server_there_is_no_test_mailbox(log_in: LogIn) -> None:
    assert log_in("root").get("/test-mailbox/").status_code == 404
    assert "test-mailbox" not in text_of(log_in("root"), "/")


@pytest.mark.parametrize(("login", "active", "offered"), [("anna", True, True), ("anna", False, False), ("root", True, False)])
def test_a_diagnosis_is_offered_where_it_can_be_made(log_in: LogIn, login: str, active: bool, offered: bool) -> None:
    job = fail(mail("bernd"))
    User.objects.filter(login="bernd").update(is_active=active)
    client, link = log_in(login), f"/diagnosis/?job={job.pk}"
    assert (link in text_of(client, f"/jobs/{job.pk}/")) is offered
    assert (client.get(link).status_code == 200) is offered


def test_the_operator_is_led_to_no_print_runs(log_in: LogIn) -> None:
    assert 'href="/runs/"' not in text_of(log_in("root"), "/jobs/")
    assert 'href="/runs/"' in text_of(log_in("mia"), "/jobs/")
