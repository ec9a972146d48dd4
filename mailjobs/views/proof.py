"""The proof of dispatch of one mail, to be stored (J10)."""

import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from mailjobs.proof import proof_of
from mailjobs.proof_pdf import pdf_of
from mailjobs.views.page import job_for
from mailjobs.views.sandbox import download
from mailsettings.portal import ReaderMixin


class JobProof(ReaderMixin):
    """As JSON; `?recipient=ID` names that recipient only."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        recipient = request.GET.get("recipient", "")
        if recipient and not (recipient.isascii() and recipient.isdigit() and len(recipient) < 19):
            raise Http404
        document = proof_of(job_for(self.reader, pk), self.reader, int(recipient) if recipient else None)
        if document is None:
            raise Http404
        return self.as_file(document, _("proof-of-dispatch-%(job)s") % {"job": pk})

    def as_file(self, document: dict[str, Any], name: str) -> HttpResponse:
        return download(json.dumps(document, indent=2).encode("ascii") + b"\n", f"{name}.json", "application/json")


class JobProofPdf(JobProof):
    """As a PDF to hand to a client."""

    def as_file(self, document: dict[str, Any], name: str) -> HttpResponse:
        return download(pdf_of(document), f"{name}.pdf", "application/pdf")
