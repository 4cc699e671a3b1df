"""Tables of runs."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from api.compat.neptune.answers import json_answer
from api.compat.neptune.views.base import WireView


class EntriesView(WireView):
    def post(self, request: Request) -> HttpResponse:
        return json_answer({"matchingItemCount": 0, "entries": []})


class AttributeNamesView(WireView):
    def post(self, request: Request) -> HttpResponse:
        return json_answer({"entries": []})
