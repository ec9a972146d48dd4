"""`make screenshots`: pictures of the main pages for the README, from a demo stack of its own; for people to look at."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import django
from playwright.sync_api import Browser, FilePayload, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs"
LANGUAGES = os.environ.get("LANGUAGES", "de").split(",")
SIZES = {"wide": (1440, 900), "narrow": (390, 844)}
PAGES = {
    "dashboard": "/",
    "jobs": "/jobs/",
    "job": "first failed job",
    "log": "/log/",
    "inbox": "/inbox/",
    "incident": "of the refused login",
    "connections": "/connections/",
    "senders": "/senders/?user=anna.huber&print_model=payslips",
    "settings": "/settings/",
    "accounts": "/email-accounts/",
    "print_models": "/print-models/",
    "print_model": "the payslips",
    "employees": "/employees/",
    "users": "/users/",
    "user": "who has left",
    "com_customers": "/com-customers/",
    "releases": "/com-customers/releases/",
    "locks": "/settings/locks/",
    "advisor": "/advisor/",
    "diagnosis": "of the refused login",
    "run": "before it is started",
    "login": "/accounts/login/",
}
INVOICES = """E-Mail;Name;Rechnungsnummer;Datum;Betrag;Fällig;PDF
buchhaltung@muster-bau.example;Muster Bau GmbH;2026-001051;24.11.2026;1.240,00;08.12.2026;2026-001051.pdf
office@weinhandel.example;Weinhandel Eder;2026-001052;24.11.2026;385,50;08.12.2026;2026-001052.pdf
keine Adresse;Tischlerei Berger;2026-001053;24.11.2026;912,00;08.12.2026;2026-001053.pdf
praxis@dr-lang.example;Dr. Lang;2026-001054;24.11.2026;640,00;08.12.2026;2026-001054.pdf
"""
PDF = b"%PDF-1.4\n%%EOF\n"
# Some mails that go well, some that a server refuses, some that wait for a person; and one who has left and is still named.
SCENE = """
from diagnostics.demo import submit_run
from mailjobs.core.message import parse_message
from mailjobs.submission import submit
from mailsettings.models import User
submit_run("Honorarnoten November")
def mail(login, to, subject, **more):
    user = User.objects.select_related("tenant__firm").get(login=login)
    submit(user, parse_message({"to": to, "subject": subject, "text": "Guten Tag", **more}))
mail("anna.huber", ["reject-alt@kunde.example", "buchhaltung@kunde.example"], "Mahnung 2026-000871")
mail("anna.huber", ["reject-archiv@muster-bau.example"], "Honorarnote 2026-001042")
mail("anna.huber", ["reject-rechnung@muster-bau.example"], "Honorarnote 2026-001043")
mail("bernd.moser", ["grey-office@langsam.example"], "Jahresabschluss 2025")
mail("max.muster", ["reject-einkauf@kunde.example"], "Rechnung 4711")
mail("anna.huber", ["lohn@kunde.example"], "Abrechnung November", print_model="payslips")
from mailsettings.changes import Book, save_account, save_print_model, save_secret, save_user, set_deputy
from mailsettings.models import Tenant
firm, book = Tenant.objects.get(slug="huber"), Book("anna.huber")
clara = {"login": "clara.klein", "name": "Clara Klein", "role": User.objects.get(login="bernd.moser").role_enum, "tenant": firm}
left = save_user(book, **clara)
save_account(book, tenant=firm, slug="clara", sender_address="clara.klein@kanzlei-huber.example", values={}, user=left)
set_deputy(book, left, User.objects.get(login="bernd.moser"))
wrong = {"smtp_user": "lohn", "send_system": 1}
payroll = save_account(book, tenant=firm, slug="lohnkonto", sender_address="lohn@kanzlei-huber.example", values=wrong)
save_secret(book, payroll, "smtp_password", "an old one")
for model in firm.print_models.filter(slug="notice"):
    save_print_model(book, tenant=firm, slug="notice", account=payroll, user_accounts={}, delivery_mode="background_smtp",
                     subject=model.subject, text=model.text)
for number in range(1, 5):
    words = {"subject": f"Lohnkonto {number}/2026", "text": "Guten Tag"}
    mail("anna.huber", [f"lohn{number}@kunde.example"], words["subject"], print_model="notice", variables=words)
mail("clara.klein", ["reject-neu@kunde.example"], "Lohnzettel November")
save_user(book, **clara, active=False)
from mailsettings.changes import save_locks, save_tenant
example = Tenant.objects.get(slug="beispiel")
save_tenant(book, slug="beispiel", name=example.name, kind="com_customer", firm=firm, sends_as_firm="hold")
mail("eva.beispiel", ["klientin@kunde.example"], "Rechnung 2026-118")
mail("eva.beispiel", ["einkauf@kunde.example", "buchhaltung@kunde.example"], "Zahlungserinnerung 2026-097")
save_locks(book, firm, locked=["smtp_server"])
"""


def main() -> None:
    sys.path.insert(0, str(ROOT))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from diagnostics.management.commands.demo import own_environment, own_stack  # noqa: PLC0415 (Django must be set up first)

    PICTURES.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or list(PAGES)
    with own_environment() as environment, own_stack(environment), sync_playwright() as playwright:
        subprocess.run([sys.executable, "manage.py", "shell", "--no-imports", "-c", SCENE], env=environment, cwd=ROOT, check=True)
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-quic"])
        address = f"http://127.0.0.1:{environment['PORT']}"
        for picture in _pictures(browser, address, wanted):
            print(picture)
        browser.close()


def _pictures(browser: Browser, address: str, wanted: list[str]) -> Iterator[Path]:
    for size, (width, height) in SIZES.items():
        for scheme in ("light", "dark"):
            for language in LANGUAGES:
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme, locale=f"{language}-AT"
                )
                page = context.new_page()
                if "login" in wanted:
                    page.goto(f"{address}/accounts/login/")
                    yield _shot(page, f"login-{size}-{scheme}-{language}")
                _log_in(page, address)
                for name in wanted:
                    if name != "login":
                        page.goto(address + (_FOUND[name](page, address) if name in _FOUND else PAGES[name]))
                        yield _shot(page, f"{name}-{size}-{scheme}-{language}")
                context.close()


def _log_in(page: Page, address: str) -> None:
    page.goto(f"{address}/accounts/login/")
    page.fill("input[name=login]", "anna.huber")
    page.fill("input[name=password]", "postausgang-demo")
    page.press("input[name=password]", "Enter")
    page.wait_for_url(f"{address}/")


def _first_failed(page: Page, address: str) -> str:
    page.goto(f"{address}/jobs/?state=partly_sent")
    return page.locator("a.row-link").first.get_attribute("href") or "/jobs/"


def _payslips(page: Page, address: str) -> str:
    page.goto(f"{address}/print-models/")
    return page.locator("a.row-link", has_text="payslips").get_attribute("href") or "/print-models/"


def _who_has_left(page: Page, address: str) -> str:
    page.goto(f"{address}/users/?show=deactivated")
    return page.locator("a.row-link").first.get_attribute("href") or "/users/"


def _refused_login(page: Page, address: str) -> str:
    page.goto(f"{address}/inbox/")
    return page.locator("section", has_text="535 5.7.8").locator("h2 a").first.get_attribute("href") or "/inbox/"


def _diagnosis(page: Page, address: str) -> str:
    page.goto(f"{address}/jobs/?q=Lohnkonto 1/2026")
    job = page.locator("a.row-link").first.get_attribute("href") or "/jobs/"
    page.goto(f"{address}/diagnosis/?job={job.strip('/').split('/')[-1]}")
    page.locator("main form button[type=submit]").last.click()
    page.wait_for_url(re.compile(r"/diagnosis/\d+/"))
    page.wait_for_selector("#course:not([hx-get])", timeout=40_000)
    return urlsplit(page.url).path


def _run(page: Page, address: str) -> str:
    page.goto(f"{address}/runs/new/")
    page.fill("input[name=name]", "Honorarnoten Dezember")
    lists, pdfs = page.locator("input[type=file]").nth(0), page.locator("input[type=file]").nth(1)
    lists.set_input_files(FilePayload(name="honorarnoten.csv", mimeType="text/csv", buffer=INVOICES.encode()))
    names = ["2026-001051.pdf", "2026-001052.pdf", "2026-001053.pdf"]
    pdfs.set_input_files([FilePayload(name=name, mimeType="application/pdf", buffer=PDF) for name in names])
    page.locator("main form button[type=submit]").first.click()
    page.wait_for_url(re.compile(r"/runs/\d+/"))
    return urlsplit(page.url).path


_FOUND = {
    "diagnosis": _diagnosis,
    "run": _run,
    "job": _first_failed,
    "incident": _refused_login,
    "print_model": _payslips,
    "user": _who_has_left,
}  # pages whose address is looked for


def _shot(page: Page, name: str) -> Path:
    path = PICTURES / f"{name}.png"
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=name.startswith("job-wide"))
    return path


if __name__ == "__main__":
    main()
