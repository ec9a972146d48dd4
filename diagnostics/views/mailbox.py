"""The pages that look inside: the test mailbox."""

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from diagnostics.mailbox import Letter, body_open_to, letter, letters
from mailjobs.preview import Preview, read
from mailjobs.selectors import jobs_visible_to
from mailjobs.views.sandbox import attached, framed
from mailsettings.portal import Page, ReaderMixin


class MailboxMixin(ReaderMixin):
    """Only where a test mail server stores its mail."""

    def dispatch(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponseBase:
        if not settings.SMTP_SINK_DIR:
            raise Http404
        return super().dispatch(request, *args, **kwargs)

    def found(self, name: str) -> tuple[Letter, bytes]:
        known = letter(self.reader, name)
        if known is None:
            raise Http404
        return known

    def preview(self, name: str) -> Preview:
        known, mail = self.found(name)
        if not body_open_to(self.reader, known):
            raise Http404
        return read(mail)


class TestMailbox(MailboxMixin, Page):
    """What the test mail server took, newest first."""

    template_name = "diagnostics/mailbox.html"

    def get(self, request: HttpRequest) -> HttpResponse:
        page = letters(self.reader, before=request.GET.get("before", ""), after=request.GET.get("after", ""))
        return self.show(
            page=page,
            newer_url=f"?after={page.newer}" if page.newer else "",
            older_url=f"?before={page.older}" if page.older else "",
        )


class TestLetter(MailboxMixin, Page):
    """One mail, with its envelope."""

    template_name = "diagnostics/letter.html"

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        known, mail = self.found(name)
        preview = read(mail) if body_open_to(self.reader, known) else None
        return self.show(
            letter=known,
            title=known.subject or _("(no subject)"),
            preview=preview,
            job=jobs_visible_to(self.reader).filter(message_id=known.message_id).first() if known.message_id else None,
        )


class TestLetterPreview(MailboxMixin):
    """Its HTML, for the sandboxed frame."""

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        if not (html := self.preview(name).html):
            raise Http404
        return framed(html)


class TestLetterAttachment(MailboxMixin):
    """One of its attachments."""

    def get(self, request: HttpRequest, name: str, number: int) -> HttpResponse:
        attachments = self.preview(name).attachments
        if not 0 < number <= len(attachments):
            raise Http404
        return attached(attachments[number - 1])
