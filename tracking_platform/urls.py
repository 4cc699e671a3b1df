"""The site's addresses: health, the machine interfaces, the admin, and the pages people see."""

from django.contrib import admin
from django.urls import include, path, re_path

from tracking_platform import errors, health

urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
    path("", include("api.urls")),
    # Below these nothing is a page: not an organization named `api` either.
    re_path(r"^(?:api|auth)/", errors.nothing_here),
    path("", include("web.urls")),
]

handler400 = "tracking_platform.errors.bad_request"
handler403 = "tracking_platform.errors.permission_denied"
handler404 = "tracking_platform.errors.not_found"
handler500 = "tracking_platform.errors.server_error"
