"""The addresses that the Neptune clients expect, all below the root of the site."""

from __future__ import annotations

from django.urls import path, re_path

from api.compat.neptune import errors
from api.compat.neptune.sessions import TOKEN_PATH
from api.compat.neptune.views import auth, backend, containers, downloads, operations, tables, uploads, values
from runs.models import AttributeKind

BACKEND = "api/backend/v1"
BOARD = "api/leaderboard/v1"
ATTRIBUTES = f"{BOARD}/attributes"
STORAGE = f"{ATTRIBUTES}/storage"

GETTERS = {
    "floats": AttributeKind.FLOAT,
    "integers": AttributeKind.INT,
    "booleans": AttributeKind.BOOL,
    "strings": AttributeKind.STRING,
    "datetimes": AttributeKind.DATETIME,
    "stringSets": AttributeKind.STRING_SET,
    "files": AttributeKind.FILE,
    "artifacts": AttributeKind.ARTIFACT,
    "floatSeries": AttributeKind.FLOAT_SERIES,
    "stringSeries": AttributeKind.STRING_SERIES,
}

urlpatterns = [
    # First, because they are asked for more often than all others together.
    path(f"{ATTRIBUTES}/operations", operations.OperationsView.as_view()),
    path(f"{ATTRIBUTES}/ping", containers.PingView.as_view()),
    path("api/<str:name>/swagger.json", auth.swagger_view),
    path(TOKEN_PATH.removeprefix("/"), auth.token_view),
    path(f"{BACKEND}/clients/config", auth.ClientConfigView.as_view()),
    path(f"{BACKEND}/authorization/oauth-token", auth.ExchangeTokenView.as_view()),
    path(f"{BACKEND}/projects/get", backend.ProjectView.as_view()),
    path(f"{BACKEND}/projects", backend.ProjectListView.as_view()),
    path(f"{BACKEND}/myOrganizations", backend.OrganizationListView.as_view()),
    path(f"{BOARD}/experiments", containers.ExperimentView.as_view()),
    path(f"{BOARD}/experiments/trash", containers.TrashView.as_view()),
    path(ATTRIBUTES, containers.AttributesView.as_view()),
    *(path(f"{ATTRIBUTES}/{name}", values.ValueView.as_view(kind=kind)) for name, kind in GETTERS.items()),
    path(f"{ATTRIBUTES}/series/float", values.FloatPointsView.as_view()),
    path(f"{ATTRIBUTES}/series/string", values.StringPointsView.as_view()),
    path(f"{ATTRIBUTES}/series/image", values.ImagePointsView.as_view()),
    path(f"{ATTRIBUTES}/series/image/single", downloads.ImageView.as_view()),
    path(f"{ATTRIBUTES}/ls", downloads.FileSetListView.as_view()),
    path(f"{ATTRIBUTES}/download", downloads.FileView.as_view()),
    path(f"{ATTRIBUTES}/downloadFileSetZipRequest", downloads.PrepareZipView.as_view()),
    path(f"{ATTRIBUTES}/downloadFileSetZip", downloads.ZipView.as_view()),
    path(f"{BOARD}/download/downloadRequest", downloads.ZipRequestView.as_view()),
    path(f"{STORAGE}/file/upload", uploads.FileUploadView.as_view()),
    path(f"{STORAGE}/file/upload/start", uploads.StartUploadView.as_view()),
    path(f"{STORAGE}/file/upload/part", uploads.UploadPartView.as_view()),
    path(f"{STORAGE}/file/upload/finish", uploads.FinishUploadView.as_view()),
    path(f"{STORAGE}/fileset/upload", uploads.FileSetUploadView.as_view()),
    path(f"{STORAGE}/fileset/upload/start", uploads.StartUploadView.as_view(is_member=True)),
    path(f"{STORAGE}/fileset/upload/part", uploads.UploadPartView.as_view()),
    path(f"{STORAGE}/fileset/upload/finish", uploads.FinishUploadView.as_view()),
    path(f"{ATTRIBUTES}/uploadFileSetTar", uploads.TarUploadView.as_view()),
    path(f"{BOARD}/leaderboard/entries/search", tables.EntriesView.as_view()),
    path(f"{BOARD}/leaderboard/attributes/search", tables.AttributeNamesView.as_view()),
    re_path(r"^api/(?:backend|leaderboard|artifacts|notifications)(?:/.*)?$", errors.unknown_address),
]
