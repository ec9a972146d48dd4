"""A print run in the browser, with real processes: uploaded, checked, started, everything killed in the middle, reported."""

import csv
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from diagnostics.management.commands.serve import answers
from mailjobs import feeding, notices
from mailjobs.models import JobRecipient, MailJob, PrintRun, SavedFilter, StateChoices
from mailjobs.runs import start, try_out
from tests.browser.test_senders import SCROLLS_SIDEWAYS
from tests.browser.test_story import log_in
from tests.cast import document, move_in, user
from tests.print_runs import archive, invoices, pdfs_of, run_of, workbook
from tests.production.test_postgres import ROOT, manage
from tests.services import CountingServer, free_port, wait_until

pytestmark = [pytest.mark.browser]
ROWS = int(  # 2,000 took 70 seconds
    os.environ.get("PRINT_RUN_ROWS", "400")
)
MORE_THAN = "sent => Number((document.querySelector('[data-fate=sent]')?.textContent || '0').replace(/\\D/g, '')) > sent"
BAD = [("2026-9", "Ohne Adresse", "", "a.pdf"), ("2026-8", "Ohne PDF", "ohne@kunde.example", "fehlt.pdf")]


@contextmanager
def everything(env: dict[str, str], port: int) -> Iterator[None]:
    """Web server, worker and scheduler, until all of them are killed at once."""
    process = subprocess.Popen([sys.executable, "manage.py", "serve"], env=env, cwd=ROOT, start_new_session=True)
    try:
        wait_until(lambda: answers("127.0.0.1", port), seconds=60, what="the portal")
        yield
    finally:
        process.send_signal(signal.SIGKILL)  # its children end with it
        process.wait(timeout=30)
        wait_until(lambda: not answers("127.0.0.1", port), seconds=30, what="the end of the portal")


@pytest.fixture
def env(tmp_path: Path, smtp_server: CountingServer) -> dict[str, str]:
    import json  # noqa: PLC0415 (only here)

    port = free_port()
    made = {**os.environ, "VAR_DIR": str(tmp_path), "DATABASE_URL": "", "REDIS_URL": "", "PORT": str(port), "SMTP_SINK_DIR": ""}
    manage("migrate", "-v0", env=made)
    manage("settings", "import", "-", env=made, text=json.dumps(document(smtp_server)))
    return made


def fates(page: Page) -> Counter[str]:
    """What became of how many rows, as the page says it."""
    found = page.locator("[data-fate]").evaluate_all("nodes => nodes.map(node => [node.dataset.fate, node.textContent])")
    return Counter({fate: int("".join(char for char in text if char.isdigit())) for fate, text in found})


def test_a_print_run_survives_a_restart_of_everything_and_adds_up(
    env: dict[str, str], page: Page, smtp_server: CountingServer, tmp_path: Path
) -> None:
    smtp_server.keep_content, smtp_server.delay = False, 0.1  # so that there is something left to be broken off
    rows, port = invoices(ROWS), int(env["PORT"])
    (tmp_path / "rechnungen.xlsx").write_bytes(workbook([*rows, *BAD]))
    (tmp_path / "pdfs.zip").write_bytes(archive(pdfs_of([*rows, BAD[0]])))
    with everything(env, port):
        log_in(page, f"http://127.0.0.1:{port}", "anna", "anna-log-in-1")
        page.goto(f"http://127.0.0.1:{port}/runs/new/")
        page.set_input_files("input[name=file]", tmp_path / "rechnungen.xlsx")
        page.set_input_files("input[name=pdfs]", tmp_path / "pdfs.zip")
        page.locator("main form button[type=submit]").click()
        expect(page.locator("h1")).to_have_text("rechnungen", timeout=60_000)
        address = page.url
        page.locator("#only_good").check()
        page.locator("button[value=start]").click()
        expect(page.locator("[data-run-state=running]")).to_be_visible(timeout=60_000)
        wait_until(lambda: len(smtp_server.received) >= ROWS // 5, seconds=120, what="a fifth of the mails")
        before = fates(page)
        page.wait_for_function(MORE_THAN, arg=before["sent"])  # renewed by the page itself
        assert len(smtp_server.received) < ROWS
        page.goto("about:blank")  # it would ask on while nobody answers
    with everything(env, port):
        page.goto(address)
        expect(page.locator("[data-run-state=handed_in]:not([data-live])")).to_be_visible(timeout=200_000)
        ended = fates(page)
        assert ended.total() == ROWS + len(BAD)
        assert ended["sent"] + ended["unknown"] == ROWS
        assert ended["cancelled"] == len(BAD)  # left out
        with page.expect_download() as download:
            page.locator("a[href*='format=csv']").click()
        download.value.save_as(tmp_path / "report.csv")
    with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as stream:
        lines = list(csv.reader(stream, delimiter=";"))[1:]
    assert len(lines) == ROWS + len(BAD)
    assert sorted(Counter(line[1] for line in lines).values()) == sorted(
        count for count in (ended["sent"], ended["unknown"], ended["cancelled"]) if count
    )
    got = Counter(recipient for mail in smtp_server.received for recipient in mail.recipients)
    assert max(got.values()) == 1, "nobody gets a mail twice"
    sent = {line[2] for line in lines if line[1] == "Übergeben"} or {line[2] for line in lines if line[1] == "Handed over"}
    assert sent <= got.keys()


# ---- How the pages look


@pytest.fixture(params=["light", "dark"])
def reader(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A German browser window; axe-core is let in beside the portal's own scripts."""
    context = chromium.new_context(locale="de-AT", color_scheme=request.param, bypass_csp=True)
    yield context.new_page()
    context.close()


@pytest.fixture
def scene(transactional_db: None) -> dict[str, str]:
    """Runs in every state; page → its address."""
    move_in(parameters={"smtp_server": "mail.kanzlei-huber.example"})
    good = invoices(30)
    draft = run_of("anna", [*good, *BAD], files=pdfs_of([*good, BAD[0], ("", "", "", "zu viel.pdf")]), name="Entwurf")
    running, trying = run_of("anna", good, name="Läuft"), run_of("anna", good, name="Probelauf")
    start(user("anna"), running, only_good=False)
    feeding.feed_all()
    states = ("sent", "sent", "failed", "unknown", "new")
    for number, key in enumerate(MailJob.objects.order_by("pk").values_list("pk", flat=True)):
        MailJob.objects.filter(pk=key).update(state=states[number % 5], last_error="550 5.1.1 User unknown")
    JobRecipient.objects.update(state="accepted")
    try_out(trying)
    settled = [notices.Settled(job, StateChoices(job.state), job.last_error) for job in MailJob.objects.exclude(state="new")]
    notices.record(settled)
    SavedFilter.objects.create(user=user("anna"), where="jobs", name="Meine Fehler", query="state=failed")
    assert PrintRun.objects.count() == 3
    return {
        "list": "/runs/",
        "new": "/runs/new/",
        "draft": f"/runs/{draft.pk}/",
        "faults": f"/runs/{draft.pk}/?show=faults",
        "row": f"/runs/{draft.pk}/lines/2/",
        "bad row": f"/runs/{draft.pk}/lines/{len(good) + 2}/",
        "running": f"/runs/{running.pk}/",
        "failed": f"/runs/{running.pk}/?show=failed",
        "dry run": f"/runs/{trying.pk}/",
        "jobs": "/jobs/?state=failed",
        "log": "/log/?q=Rechnung",
        "saved filters": "/filters/?list=jobs&query=state%3Dfailed",
        "figures": "/figures/",
        "figures of a month": "/figures/?period=month",
    }


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_window_and_axe_finds_nothing(
    live_server: Any, scene: dict[str, str], reader: Page, width: int
) -> None:
    reader.set_viewport_size({"width": width, "height": 900})
    log_in(reader, live_server.url, "anna", "anna-log-in-1")
    found = []
    for name, address in scene.items():
        reader.goto(live_server.url + address)
        expect(reader.locator("h1")).to_be_visible()
        if folder := os.environ.get("SCREENSHOTS"):
            scheme = "dark" if reader.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
            reader.screenshot(path=f"{folder}/{name}-{width}-{scheme}.png", full_page=True)
        found += [f"{name}: wider than the window"] if reader.evaluate(SCROLLS_SIDEWAYS) else []
        violations = Axe().run(reader).response["violations"]
        found += [f"{name}: {violation['id']} {violation['nodes'][0]['target']}" for violation in violations]
    assert found == []


@pytest.mark.django_db(transaction=True)
def test_filters_are_kept_and_used_beside_the_list(live_server: Any, scene: dict[str, str], page: Page) -> None:
    log_in(page, live_server.url, "anna", "anna-log-in-1")
    page.goto(f"{live_server.url}/jobs/?q=2026-00003")
    page.locator(".list-tools summary").click()
    page.locator("#saved-filters input[name=name]").fill("Die dritte")
    page.locator("#saved-filters button[value=keep]").click()
    page.goto(f"{live_server.url}/jobs/")
    page.locator(".list-tools summary").click()
    page.get_by_role("link", name="Die dritte").click()
    expect(page).to_have_url(f"{live_server.url}/jobs/?q=2026-00003")
    expect(page.locator("#list tbody tr")).to_have_count(1)
