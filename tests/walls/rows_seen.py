"""Run in the portal's process under the application's role: what the database alone shows to each user, and how the pages answer.

`python -m tests.walls.rows_seen rows|pages|unscoped` prints one JSON document.
"""

import json
import sys

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.db.models import QuerySet  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment  # noqa: E402

from mailjobs import selectors  # noqa: E402
from mailjobs.models import MailJob, MailLogEntry  # noqa: E402
from mailsettings import access  # noqa: E402
from mailsettings.models import Tenant, User  # noqa: E402
from mailsettings.scope import scope_of  # noqa: E402
from tests.canary import places_of  # noqa: E402
from tests.walls.test_isolation import FOREIGN, paths  # noqa: E402
from tests.walls.world import BEISPIEL, GRUBER, HOUSES, HUBER, MUSTER  # noqa: E402


def rows() -> dict[str, dict[str, list[str]]]:
    """User → canary → where the database shows it."""
    found = {}
    for login in FOREIGN:
        user = User.objects.select_related("tenant").get(login=login)
        with scope_of(user):
            found[login] = {house.slug: places_of(house.canary) for house in HOUSES}
    return found


def pages() -> dict[str, int]:
    """User and address of an own house → how it answers."""
    found = {}
    for login, house in (("anna", HUBER), ("max", MUSTER), ("mia", MUSTER)):
        client = _client(login)
        for url, _named in paths(house, rows=1):
            found[f"{login} {url}"] = client.get(url).status_code
    return found


def unscoped() -> list[str]:
    """Leaks of pages whose own scoping is switched off: everybody may see everything, as far as the application knows."""
    off = {
        "tenants_visible_to": lambda _user: Tenant.objects.all(),
        "visible_to": lambda rows, _user: rows,
        "jobs_visible_to": lambda _user: MailJob.objects.all(),
        "log_visible_to": lambda _user: MailLogEntry.objects.all(),
        "body_visible_to": lambda _user, _job: True,
        "reach_of": lambda _user: selectors.Reach(tuple(Tenant.objects.values_list("pk", flat=True)), ()),
    }
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").startswith(("mailsettings", "mailjobs", "diagnostics")):
            for name, everything in off.items():
                if hasattr(module, name):
                    setattr(module, name, everything)
    assert access.visible_to is off["visible_to"]
    assert isinstance(selectors.jobs_visible_to(None), QuerySet)  # type: ignore[arg-type]
    found = []
    for login, house in (("anna", GRUBER), ("bernd", BEISPIEL), ("max", BEISPIEL)):
        client = _client(login)
        for url, _named in paths(house, rows=1):
            answer = client.get(url)
            said = b"".join(answer) if answer.streaming else answer.content
            if house.canary.encode() in said.replace(url.encode(), b""):
                found.append(f"{login} {url}: {answer.status_code}")
    return found


def _client(login: str) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(login=login))
    return client


if __name__ == "__main__":
    setup_test_environment()
    plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}  # `serve` alone makes the manifest
    settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
    print(json.dumps({"rows": rows, "pages": pages, "unscoped": unscoped}[sys.argv[1]]()))
