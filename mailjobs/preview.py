"""A mail as people look at it: parts, attachments, HTML without anything active or remote (Z10, Z11)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from html.parser import HTMLParser

_GONE = frozenset(
    re.findall(
        r"\w+",
        """script iframe frame frameset object embed applet link meta base form input button select textarea option svg math
        video audio source track template noscript portal title""",
    )
)
_FETCHING = frozenset(re.findall(r"\w+", "src href srcset background action formaction poster data cite ping srcdoc"))
_TAG = re.compile(r"[a-z][a-z0-9-]*")
UNSENT = b"X-Unsent: 1\r\n"  # Outlook opens such an .eml as a draft (X1)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attached file."""

    filename: str
    content_type: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a mail shows."""

    headers: str
    subject: str
    text: str
    html: str
    attachments: tuple[Attachment, ...]


def read(mail: bytes) -> Preview:
    """The preview of any mail. Never raises: what cannot be read is shown as empty."""
    message = BytesParser(policy=policy.default).parsebytes(mail)
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    head = re.split(rb"\r?\n\r?\n", mail, maxsplit=1)[0]
    return Preview(
        headers=head.decode("utf-8", "replace"),
        subject=str(message.get("subject", "")),
        text=_text(text),
        html=harmless(_text(html)) if html is not None else "",
        attachments=tuple(_attachments(message, text, html)),
    )


def harmless(html: str) -> str:
    """The HTML without scripts, frames, forms, links that lead away, and anything fetched from elsewhere."""
    cleaner = _Cleaner()
    cleaner.feed(html)
    cleaner.close()
    return "".join(cleaner.out)


def _text(part: object) -> str:
    if not isinstance(part, EmailMessage):
        return ""
    try:
        content = part.get_content()
    except (LookupError, ValueError, KeyError):
        payload = part.get_payload(decode=True)
        content = payload.decode("utf-8", "replace") if isinstance(payload, bytes) else ""
    return content if isinstance(content, str) else ""


def _attachments(message: EmailMessage, *shown: object) -> Iterator[Attachment]:
    for number, part in enumerate(message.walk()):
        if part.is_multipart() or any(part is each for each in shown):
            continue
        payload = part.get_payload(decode=True)
        name = part.get_filename() or f"part-{number}"
        yield Attachment(name, part.get_content_type(), payload if isinstance(payload, bytes) else b"")


class _Cleaner(HTMLParser):
    """Writes HTML again, leaving out what is not for looking at."""

    gone = _GONE
    emptied = frozenset({"script", "noscript", "template", "title", "object", "svg", "math", "textarea", "select"})
    fetching = _FETCHING

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.out: list[str] = []
        self.inside: list[str] = []  # elements left out with all they hold
        self.styles = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.emptied:
            self.inside.append(tag)
        if self.inside or tag in self.gone or not _TAG.fullmatch(tag):
            return
        self.styles = tag == "style"
        self.out.append(f"<{tag}{''.join(_attribute(name, value) for name, value in attrs if self._stays(name, value))}>")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.gone and tag not in self.emptied:
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if self.inside:
            if tag == self.inside[-1]:
                self.inside.pop()
            return
        self.styles = False
        if tag not in self.gone and _TAG.fullmatch(tag):
            self.out.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self.inside:
            self.out.append(data.replace("</", "") if self.styles else escape(data, quote=False))

    def _stays(self, name: str, value: str | None) -> bool:
        if name.startswith("on") or not re.fullmatch(r"[a-z][a-z0-9_-]*", name):
            return False
        return name not in self.fetching or (name == "src" and (value or "").strip().lower().startswith("data:image/"))


def _attribute(name: str, value: str | None) -> str:
    return f" {name}" if value is None else f' {name}="{escape(value)}"'
