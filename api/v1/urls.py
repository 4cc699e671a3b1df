"""The addresses of the native API, below /api/v1/."""

from django.urls import path, re_path, register_converter

from api.v1.attributes import AttributeList
from api.v1.checkpoints import RunCheckpoints
from api.v1.content import FileContent, FileThumbnail
from api.v1.converters import NameConverter, NumberConverter
from api.v1.exports import RunExport
from api.v1.files import RunFiles
from api.v1.images import RunImages
from api.v1.operations import RunOperations, RunPoints
from api.v1.organizations import OrganizationList
from api.v1.projects import DefinitionList, ProjectList, ProjectView
from api.v1.rejected import RejectionList
from api.v1.runs import RunChanges, RunFinish, RunList, RunRestore, RunSignals, RunTrash, RunView
from api.v1.schema import ReferencePage, SchemaView
from api.v1.series import ProjectSeries, RunSeries, RunStrings, SeriesCatalogue
from api.v1.tokens import TokenList, TokenView
from api.views import Unknown

app_name = "v1"
register_converter(NameConverter, "name")
register_converter(NumberConverter, "number")

_PROJECT = "projects/<name:organization>/<name:project>/"
_RUN = "runs/<uuid:uuid>/"

urlpatterns = [
    path("organizations/", OrganizationList.as_view(), name="organizations"),
    path("projects/", ProjectList.as_view(), name="projects"),
    path(_PROJECT, ProjectView.as_view(), name="project"),
    path(f"{_PROJECT}runs/", RunList.as_view(), name="runs"),
    path(f"{_PROJECT}attributes/", DefinitionList.as_view(), name="definitions"),
    path(f"{_PROJECT}series/", ProjectSeries.as_view(), name="project-series"),
    path(_RUN, RunView.as_view(), name="run"),
    path(f"{_RUN}trash/", RunTrash.as_view(), name="run-trash"),
    path(f"{_RUN}restore/", RunRestore.as_view(), name="run-restore"),
    path(f"{_RUN}finish/", RunFinish.as_view(), name="run-finish"),
    path(f"{_RUN}signals/", RunSignals.as_view(), name="run-signals"),
    path(f"{_RUN}changes/", RunChanges.as_view(), name="run-changes"),
    path(f"{_RUN}attributes/", AttributeList.as_view(), name="run-attributes"),
    path(f"{_RUN}operations/", RunOperations.as_view(), name="run-operations"),
    path(f"{_RUN}points/", RunPoints.as_view(), name="run-points"),
    path(f"{_RUN}series/", RunSeries.as_view(), name="run-series"),
    path(f"{_RUN}series/paths/", SeriesCatalogue.as_view(), name="run-series-paths"),
    path(f"{_RUN}export/", RunExport.as_view(), name="run-export"),
    path(f"{_RUN}strings/", RunStrings.as_view(), name="run-strings"),
    path(f"{_RUN}files/", RunFiles.as_view(), name="run-files"),
    path(f"{_RUN}images/", RunImages.as_view(), name="run-images"),
    path(f"{_RUN}checkpoints/", RunCheckpoints.as_view(), name="run-checkpoints"),
    path(f"{_RUN}rejected/", RejectionList.as_view(), name="run-rejected"),
    path("files/<uuid:uuid>/content", FileContent.as_view(), name="file-content"),
    path("files/<uuid:uuid>/thumbnail/<number:size>", FileThumbnail.as_view(), name="file-thumbnail"),
    path("tokens/", TokenList.as_view(), name="tokens"),
    path("tokens/<number:token_id>/", TokenView.as_view(), name="token"),
    path("schema/", SchemaView.as_view(), name="schema"),
    path("docs/", ReferencePage.as_view(), name="docs"),
    re_path(r"^.*$", Unknown.as_view(), name="unknown"),
]
