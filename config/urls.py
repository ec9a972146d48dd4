"""All addresses of the portal."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("mailjobs.people.urls")),
    path("", include("mailjobs.urls")),
    path("", include("mailsettings.urls")),
    path("", include("diagnostics.urls")),
]
