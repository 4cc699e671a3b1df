"""The machine interfaces, each at the addresses its clients expect."""

from django.urls import include, path

urlpatterns = [
    path("", include("api.compat.neptune.urls")),
]
