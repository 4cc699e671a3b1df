"""The site's addresses: the machine interfaces, the admin, and the pages people see."""

from django.contrib import admin
from django.urls import path

urlpatterns = [
    path("admin/", admin.site.urls),
]
