"""The site's addresses: health, the machine interfaces, the admin, and the pages people see."""

import logging
from importlib.util import find_spec

from django.contrib import admin
from django.urls import include, path

from tracking_platform import health

urlpatterns = [
    path("healthz", health.alive),
    path("readyz", health.ready),
    path("admin/", admin.site.urls),
]
for module in ("api.urls", "web.urls"):
    # TODO: a plain list of includes once both are complete
    if find_spec(module):
        try:
            urlpatterns.append(path("", include(module)))
        except Exception as error:
            logging.getLogger(__name__).warning("%s is left out: %s", module, error)

handler400 = "tracking_platform.errors.bad_request"
handler403 = "tracking_platform.errors.permission_denied"
handler404 = "tracking_platform.errors.not_found"
handler500 = "tracking_platform.errors.server_error"
