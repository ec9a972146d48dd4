"""The portal's web server on PostgreSQL, and keys for it."""

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.production.test_postgres import ROOT, manage
from tests.services import free_port, wait_until

_KEY = (
    "from mailjobs.keys import Scope, make; from mailsettings.models import User; "
    "user = User.objects.get(login='{login}'); print(make(user, user, name='test', scopes=list(Scope), expires_at=None)[1])"
)
_REVOKE = (
    "from mailjobs.keys import revoke; from mailjobs.models import ApiKey; "
    "[revoke(key.user, key) for key in ApiKey.objects.select_related('user__tenant')]"
)


def make_key(env: dict[str, str], login: str) -> str:
    return manage("shell", "--no-imports", "-c", _KEY.format(login=login), env=env).strip()


def revoke_all(env: dict[str, str]) -> None:
    manage("shell", "--no-imports", "-c", _REVOKE, env=env)


@contextmanager
def web_server(env: dict[str, str], *, workers: int = 2, threads: int = 8) -> Iterator[str]:
    """The address of a running portal."""
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "config.wsgi", "-b", f"127.0.0.1:{port}", "-w", str(workers)]
    process = subprocess.Popen(
        [*command, "--threads", str(threads), "--log-level", "warning", "--timeout", "120"], env=env, cwd=ROOT
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: _answers(address), seconds=60, what="the web server")
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310 (http)
            return bool(answer.status == 200)
    except urllib.error.HTTPError:
        raise
    except OSError:
        return False
