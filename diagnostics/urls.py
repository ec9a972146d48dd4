"""The addresses of the pages that look inside."""

from django.urls import path

from diagnostics.advisor_views import Advisor
from diagnostics.views import TestLetter, TestLetterAttachment, TestLetterPreview, TestMailbox

urlpatterns = [
    path("advisor/", Advisor.as_view(), name="advisor"),
    path("test-mailbox/", TestMailbox.as_view(), name="test_mailbox"),
    path("test-mailbox/<str:name>/", TestLetter.as_view(), name="test_letter"),
    path("test-mailbox/<str:name>/preview/", TestLetterPreview.as_view(), name="test_letter_preview"),
    path("test-mailbox/<str:name>/attachments/<int:number>/", TestLetterAttachment.as_view(), name="test_letter_attachment"),
]
