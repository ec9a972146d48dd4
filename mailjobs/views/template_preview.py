"""What the HTML of a print model's mail looks like with sample values, in the frame in which mails are shown (Z9, Z10)."""

from django.http import Http404, HttpRequest, HttpResponse

from mailjobs.preview import harmless
from mailjobs.views.sandbox import framed
from mailsettings.core.placeholders import TemplateTooLarge, VariableMissing, render, samples_for
from mailsettings.models import PrintModel
from mailsettings.portal import SettingsPage


class PrintModelPreview(SettingsPage):
    """The HTML as it is saved; there is none where it is empty or cannot be filled in."""

    def get(self, request: HttpRequest, pk: int) -> HttpResponse:
        template = self.one_of(PrintModel.objects.all(), pk).html
        try:
            html = render(template, samples_for(template), html=True)
        except (VariableMissing, TemplateTooLarge) as impossible:
            raise Http404 from impossible
        if not html:
            raise Http404
        return framed(harmless(html))
