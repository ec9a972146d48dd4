"""Rules of our own, which no linter knows: where the doors to network, markup, secrets and audit log may be (Z1 to Z16)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = [path for app in ("config", "mailsettings", "mailjobs", "diagnostics") for path in (ROOT / app).rglob("*.py")]
# What → the only files that may; a call by its last words, `name.` any call on a module.
ONLY_HERE: dict[str, set[str]] = {
    "socket.socket": {"mailjobs/transports/network.py"},
    "create_connection": {"mailjobs/transports/smtp_connection.py"},  # over a socket of the guarded connector: `sock=`
    "open_connection": {"mailjobs/transports/https.py"},  # likewise
    "urlopen": {"mailjobs/client.py"},  # runs in other programs, to the portal
    "HTTPConnection": {"diagnostics/management/commands/serve.py"},  # asks the portal that it has started itself
    "smtplib.SMTP": set(),
    "AESGCM": {"mailsettings/vault.py"},
    "AuditEvent.objects.create": set(),  # `audit_chain.record` links
    "AuditEvent.objects.bulk_create": set(),
    "AuditEvent.objects.update": set(),
    "AuditLink.objects.create": {"mailsettings/audit_chain.py"},
    "eval": set(),
    "exec": set(),
    "pickle.loads": set(),
    "marshal.loads": set(),
    "yaml.load": {"mailsettings/configuration.py"},  # with a loader of its own, which is a SafeLoader
    "mark_safe": set(),
    "SafeString": set(),
    "format_html_raw": set(),
    "csrf_exempt": set(),
    "_create_unverified_context": set(),
    "os.system": set(),
}
ACCESS = re.compile(r"_visible_to|visible_to|one_of|\.tenants\b|reader|messages_of|owner_for|self\.chosen")


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """The dotted name of each call."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_doors_are_where_they_belong(path: Path) -> None:
    tree, here = ast.parse(path.read_text()), str(path.relative_to(ROOT))
    found = []
    for name, call in calls(tree):
        for door, allowed in ONLY_HERE.items():
            if (name == door or name.endswith(f".{door}")) and here not in allowed and not name.startswith("self."):
                found.append(f"{here}:{call.lineno}: {name}")
        if name.endswith(("create_connection", "open_connection")) and "sock" not in {word.arg for word in call.keywords}:
            found.append(f"{here}:{call.lineno}: {name} without a judged socket")
        for keyword in call.keywords:
            value = keyword.value
            if keyword.arg in {"verify", "check_hostname"} and isinstance(value, ast.Constant) and value.value is False:
                found.append(f"{here}:{call.lineno}: {keyword.arg}=False")
            if keyword.arg == "shell" and isinstance(value, ast.Constant) and value.value is True:
                found.append(f"{here}:{call.lineno}: shell=True")
    assert found == []


def test_no_template_switches_escaping_off() -> None:
    found = []
    for path in (ROOT / "templates").rglob("*.html"):
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if (
                re.search(r"\|\s*safe\b|autoescape off|<script(?! src)|\son[a-z]+=|style=|javascript:", line)
                and "svg" not in line
                and "field.help_text|safe" not in line  # words of the code, never of people
            ):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_each_page_that_takes_an_id_asks_whose_it_is() -> None:
    """A view with `pk` in its arguments goes through access, selectors or the portal's `one_of`."""
    found = []
    for path in (ROOT / app / "views" for app in ("mailsettings", "mailjobs")):
        for file in path.glob("*.py"):
            text = file.read_text()
            if re.search(r"def (get|post|dispatch)\([^)]*pk: int", text) and not ACCESS.search(text):
                found.append(str(file.relative_to(ROOT)))
    assert found == []
