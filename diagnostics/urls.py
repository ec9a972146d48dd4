"""The addresses of the pages that look inside."""

from django.urls import path

from diagnostics.views.advisor import Advisor
from diagnostics.views.diagnosis import Choose, Course, Report
from diagnostics.views.mailbox import TestLetter, TestLetterAttachment, TestLetterPreview, TestMailbox
from diagnostics.views.move import MoveToOAuth

urlpatterns = [
    path("advisor/", Advisor.as_view(), name="advisor"),
    path("diagnosis/", Choose.as_view(), name="diagnosis"),
    path("diagnosis/<int:pk>/", Course.as_view(), name="diagnosis_of"),
    path("diagnosis/<int:pk>/report/", Report.as_view(), name="diagnosis_report"),
    path("move/<str:kind>/<int:pk>/", MoveToOAuth.as_view(), name="move"),
    path("test-mailbox/", TestMailbox.as_view(), name="test_mailbox"),
    path("test-mailbox/<str:name>/", TestLetter.as_view(), name="test_letter"),
    path("test-mailbox/<str:name>/preview/", TestLetterPreview.as_view(), name="test_letter_preview"),
    path("test-mailbox/<str:name>/attachments/<int:number>/", TestLetterAttachment.as_view(), name="test_letter_attachment"),
]
