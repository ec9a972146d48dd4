"""What every test stands on: settings of their own, real servers as fixtures, and a count of what had to be skipped."""

import atexit
import importlib.util
import os
import re
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import pytest

# Settings are read once, at the first import; so they are made here, before Django loads (that is why pyproject.toml names no
# settings module). An empty value keeps a developer's .env out; what the caller of pytest has set himself counts.
VAR_DIR = tempfile.mkdtemp(prefix="postausgang-")
atexit.register(shutil.rmtree, VAR_DIR, ignore_errors=True)
os.environ["VAR_DIR"] = VAR_DIR  # also under xdist: one for each process
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
DEFAULTS = {
    "SECRET_KEY": "only-for-tests-" + "x" * 50,
    "OUTBOUND_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
    "LEASE_SECONDS": "30",
    "SWEEP_SECONDS": "5",
    "RETRY_TIME_FACTOR": "1.0",
    "LANGUAGE_CODE": "en",
    "LOG_LEVEL": "WARNING",
    "SMTP_SINK_PORT": "8025",
    "TIME_ZONE": "Europe/Vienna",
    "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
}
EMPTY = (
    "BIND",
    "CSRF_TRUSTED_ORIGINS",
    "DATABASE_URL",
    "DNS_RESOLVER",
    "EHLO_NAME",
    "FIELD_KEYS",
    "INSTALLATION_ID",
    "OIDC_CLIENT_ID",
    "OIDC_ISSUER",
    "OUTBOUND_CA_FILE",
    "REDIS_URL",
    "SMTP_SINK_DIR",
    "SYSTEM_EMAIL_URL",
)
for name, value in {**DEFAULTS, **dict.fromkeys(EMPTY, ""), "DEBUG": "false", "DEMO": "false", "HTTPS": "false"}.items():
    os.environ.setdefault(name, value)

(Path(VAR_DIR) / "static").mkdir()  # whitenoise looks for it

django.setup()

from django.conf import settings  # noqa: E402 (after the lines above)
from django.db import connection  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import translation  # noqa: E402

# Quick where strength is not what a test is about, and without the manifest that only `serve` makes.
settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]
plain = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
settings.STORAGES = {**settings.STORAGES, "staticfiles": plain}
if settings.EMBEDDED:  # a file as in earnest: the engine's threads and child processes see the same database
    connection.settings_dict["TEST"]["NAME"] = Path(VAR_DIR) / "test.sqlite3"

_forced = Client.force_login


def _force_login(self: Client, user: Any, backend: str | None = None) -> None:
    """A forced log-in is one that was made just now: it needs no confirmation yet (Z13)."""
    _forced(self, user, backend)
    session = self.session
    session["confirmed_at"] = time.time()
    session.save()


Client.force_login = _force_login  # type: ignore[assignment, method-assign]

pytest_plugins = ["tests.services"]
if importlib.util.find_spec("tests.peers.fixtures"):
    pytest_plugins.append("tests.peers.fixtures")


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    """A page that was asked for in German leaves German behind in its thread; the next test begins in its own language."""
    translation.deactivate()
    yield
    translation.deactivate()


# How `tests.services.missing` and the fixtures of tests/peers say what a machine lacks.
MISSING = re.compile(r"missing package: (?P<package>.+)|needs root and (?P<programs>[^:]+):")


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last line: how many tests were skipped for which missing package."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or hasattr(config, "workerinput") or config.option.collectonly:
        return
    reports = reporter.stats.get("skipped", [])
    found = [MISSING.search(str(report.longrepr[2])) for report in reports if isinstance(report.longrepr, tuple)]
    packages = Counter(match["package"] or match["programs"] for match in found if match)
    line = f"{packages.total()} tests skipped for a missing package"
    if packages:
        line += ": " + ", ".join(f"{package} ({count})" for package, count in sorted(packages.items()))
    if others := len(reports) - packages.total():
        line += f"; {others} for other reasons"
    reporter.write_line(line)
