"""All addresses of the portal."""

from django.contrib import admin
from django.urls import include, path

from diagnostics.api import register

register()  # before the API's addresses are made

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("mailjobs.people.urls")),
    path("", include("mailjobs.urls")),
    path("", include("mailsettings.urls")),
    path("", include("diagnostics.urls")),
]
