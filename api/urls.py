"""The machine interfaces, each at the addresses its clients expect."""

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("api.v1.urls")),
    path("", include("api.compat.neptune.urls")),
]
