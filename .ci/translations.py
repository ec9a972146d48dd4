"""Keeps locale/de/LC_MESSAGES/django.po true to the code, in pure Python (Babel instead of the gettext programs).

`update` brings the catalogue up to date, `check` lists what is missing in it, `compile` makes the .mo where the .po is newer.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "locale" / "de" / "LC_MESSAGES" / "django.po"
FOLDERS = ("config", "diagnostics", "mailjobs", "mailsettings", "people", "templates")

# As Django's makemessages tells xgettext: which arguments are the message, and which (c) its context.
Arguments = tuple[int | tuple[int, str], ...] | None
KEYWORDS: dict[str, Arguments] = {
    f"{name}{lazy}": arguments
    for lazy in ("", "_lazy")
    for name, arguments in {
        "_": None,
        "gettext": None,
        "gettext_noop": None,
        "ngettext": (1, 2),
        "pgettext": ((1, "c"), 2),
        "npgettext": ((1, "c"), 2, 3),
    }.items()
}

# Written here rather than by Babel: no dates, so that the same code gives the same file.
HEADER = """\
# German words of Postausgang. Message ids and places come from `make messages`; the translations are written by hand.
msgid ""
msgstr ""
"Language: de\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""


def sources() -> Iterator[Path]:
    """Every file that may hold words, in a fixed order."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            code = path.suffix == ".py" and "migrations" not in path.parts
            template = path.suffix in {".html", ".txt"} and "templates" in path.parts
            if code or template:
                yield path


def as_python(path: Path) -> bytes:
    """The file as Python source that Babel can read; a template becomes the calls that it makes."""
    text = path.read_text()
    if path.suffix != ".py":  # a line's indentation is the template's and means nothing in Python
        text = "\n".join(line.strip() for line in templatize(text, origin=str(path)).splitlines())
    return text.encode()


def from_code() -> Catalog:
    """What the code says today, untranslated, sorted by file and by place in the file."""
    catalog = Catalog(locale="de", fuzzy=False)
    for path in sources():
        name = path.relative_to(ROOT).as_posix()
        found = extract("python", BytesIO(as_python(path)), KEYWORDS, ("Translators:",), {"encoding": "utf-8"})
        for _line, message, comments, context in found:
            catalog.add(message, locations=[(name, 0)], auto_comments=comments, context=context)
    return catalog


def from_file() -> Catalog:
    """What the committed catalogue holds."""
    if not PO.exists():
        return Catalog(locale="de", fuzzy=False)
    with PO.open("rb") as file:
        return read_po(file, locale="de", abort_invalid=True)


def update() -> int:
    catalog = from_file()
    catalog.update(from_code(), no_fuzzy_matching=True)
    body = BytesIO()
    write_po(body, catalog, width=120, omit_header=True, sort_by_file=True, ignore_obsolete=True, include_lineno=False)
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_text(HEADER + body.getvalue().decode().strip() + "\n")
    print(f"{PO.relative_to(ROOT)}: {sum(1 for _ in messages(catalog))} messages")
    return 0


def check() -> int:
    """1 where a message is missing, fuzzy, untranslated, wrong in its placeholders, or no longer in the code."""
    code, file = from_code(), from_file()
    complaints = list(faults(code, file))
    for complaint in complaints:
        print(complaint)
    if complaints:
        print(f"{len(complaints)} faults in {PO.relative_to(ROOT)}: run `make messages`, then translate.")
    return 1 if complaints else 0


def faults(code: Catalog, file: Catalog) -> Iterator[str]:
    for wanted in messages(code):
        where = wanted.locations[0][0]
        translated = file.get(wanted.id, wanted.context)
        if translated is None:
            yield f"{where}: missing: {wanted.id!r}"
        elif translated.fuzzy:
            yield f"{where}: fuzzy: {wanted.id!r}"
        elif not all(forms(translated)):
            yield f"{where}: untranslated: {wanted.id!r}"
        else:
            for error in translated.check(file):
                yield f"{where}: {error}: {wanted.id!r}"
    for kept in messages(file):
        if code.get(kept.id, kept.context) is None:
            yield f"{PO.name}: no longer in the code: {kept.id!r}"


def messages(catalog: Catalog) -> Iterator[Message]:
    """All but the header."""
    return (message for message in catalog if message.id)


def forms(message: Message) -> Iterable[str | None]:
    return message.string if isinstance(message.string, list | tuple) else (message.string,)


def compile_catalogue() -> int:
    mo = PO.with_suffix(".mo")
    if not PO.exists() or (mo.exists() and mo.stat().st_mtime > PO.stat().st_mtime):
        return 0
    made = mo.with_suffix(f".{os.getpid()}.tmp")
    with made.open("wb") as file:
        write_mo(file, from_file())
    made.replace(mo)
    return 0


COMMANDS: dict[str, Callable[[], int]] = {"check": check, "compile": compile_catalogue, "update": update}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in COMMANDS:
        sys.exit(f"{sys.argv[0]} {'|'.join(COMMANDS)}")
    sys.exit(COMMANDS[sys.argv[1]]())
