"""Every operation of the clients' API that this server has: the table from which the Swagger documents are made, and to
which the URLs are held by a test. The clients refuse to call an operation with a parameter that is not declared, or
without one that is declared as required."""

from __future__ import annotations

from dataclasses import dataclass

from api.compat.neptune.swagger.models import (
    ANYTHING,
    BOOLEAN,
    INTEGER,
    STRING,
    Schema,
    array,
    ref,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str
    schema: Schema
    is_required: bool = False


@dataclass(frozen=True, slots=True)
class WireOperation:
    """`answer` is the schema of the 200 answer; None for an empty one and for raw bytes."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    answer: Schema | None
    consumes: str = "application/json"
    produces: str = "application/json"


def header(name: str, *, required: bool = False) -> Parameter:
    return Parameter(name, "header", STRING, required)


def query(*names: str, schema: Schema = STRING, required: bool = False) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, "query", schema, required) for name in names)


def needed(*names: str, schema: Schema = STRING) -> tuple[Parameter, ...]:
    return query(*names, schema=schema, required=True)


def body(name: str, schema: Schema = ANYTHING) -> Parameter:
    return Parameter(name, "body", schema, True)


_V1 = "/api/backend/v1"
_API_TOKEN = header("X-Neptune-Api-Token", required=True)

BACKEND: tuple[WireOperation, ...] = (
    WireOperation(
        "getClientConfig",
        "GET",
        f"{_V1}/clients/config",
        (_API_TOKEN, *query("alpha")),
        ref("ClientConfig"),
    ),
    WireOperation(
        "exchangeApiToken", "GET", f"{_V1}/authorization/oauth-token", (_API_TOKEN,), ref("NeptuneOauthToken")
    ),
    WireOperation("getProject", "GET", f"{_V1}/projects/get", needed("projectIdentifier"), ref("Project")),
    WireOperation(
        "listProjects",
        "GET",
        f"{_V1}/projects",
        (
            *query("organizationIdentifier", "userRelation", "searchTerm"),
            *query("sortBy", "sortDirection", schema=array(STRING)),
            *query("offset", "limit", schema=INTEGER),
        ),
        ref("ProjectList"),
    ),
    WireOperation("listOrganizations", "GET", f"{_V1}/myOrganizations", (), array(ref("Organization"))),
)

_BOARD = "/api/leaderboard/v1"
_ATTRIBUTES = f"{_BOARD}/attributes"
_STORAGE = f"{_ATTRIBUTES}/storage"
_RUN = query("experimentId")
_RUN_ATTRIBUTE = (*_RUN, *needed("attribute"))
_TARGET = needed("experimentIdentifier", "attribute")
_PART = needed("uploadId", "uploadPartIdx")
_LENGTH = needed("totalLength", schema=INTEGER)
_BYTES = "application/octet-stream"


def _getter(name: str, path: str, model: str) -> WireOperation:
    return WireOperation(name, "GET", f"{_ATTRIBUTES}/{path}", _RUN_ATTRIBUTE, ref(f"{model}AttributeProperties"))


def _values(name: str, path: str, model: str) -> WireOperation:
    paging = query("limit", "offset", schema=INTEGER)
    return WireOperation(name, "GET", f"{_ATTRIBUTES}/series/{path}", (*_RUN_ATTRIBUTE, *paging), ref(model))


def _upload(name: str, path: str, parameters: tuple[Parameter, ...]) -> WireOperation:
    return WireOperation(name, "POST", f"{_STORAGE}/{path}", parameters, ref("OperationErrors"), consumes=_BYTES)


def _start(name: str, path: str, parameters: tuple[Parameter, ...]) -> WireOperation:
    return WireOperation(name, "POST", f"{_STORAGE}/{path}", (*parameters, *_LENGTH), ref("UploadMetadata"))


def _finish(name: str, path: str, parameters: tuple[Parameter, ...]) -> WireOperation:
    return WireOperation(name, "POST", f"{_STORAGE}/{path}", parameters, ref("OperationErrors"))


LEADERBOARD: tuple[WireOperation, ...] = (
    WireOperation(
        "createExperiment",
        "POST",
        f"{_BOARD}/experiments",
        (header("X-Neptune-CliVersion"), body("experimentCreationParams", ref("ExperimentCreationParams"))),
        ref("Experiment"),
    ),
    WireOperation("getExperiment", "GET", f"{_BOARD}/experiments", needed("experimentId"), ref("Experiment")),
    WireOperation("getExperimentAttributes", "GET", _ATTRIBUTES, needed("experimentId"), ref("ExperimentAttributes")),
    WireOperation(
        "executeOperations",
        "POST",
        f"{_ATTRIBUTES}/operations",
        (*_RUN, body("operations", array(ANYTHING))),
        array(ref("OperationError")),
    ),
    WireOperation("ping", "POST", f"{_ATTRIBUTES}/ping", _RUN, None),
    WireOperation(
        "trashExperiments",
        "POST",
        f"{_BOARD}/experiments/trash",
        (*needed("projectIdentifier"), body("experimentIdentifiers", array(STRING))),
        ref("BulkResult"),
    ),
    _getter("getFloatAttribute", "floats", "float"),
    _getter("getIntAttribute", "integers", "int"),
    _getter("getBoolAttribute", "booleans", "bool"),
    _getter("getStringAttribute", "strings", "string"),
    _getter("getDatetimeAttribute", "datetimes", "datetime"),
    _getter("getStringSetAttribute", "stringSets", "stringSet"),
    _getter("getFileAttribute", "files", "file"),
    _getter("getArtifactAttribute", "artifacts", "artifact"),
    _getter("getFloatSeriesAttribute", "floatSeries", "floatSeries"),
    _getter("getStringSeriesAttribute", "stringSeries", "stringSeries"),
    _values("getFloatSeriesValues", "float", "FloatSeriesValues"),
    _values("getStringSeriesValues", "string", "StringSeriesValues"),
    _values("getImageSeriesValues", "image", "ImageSeriesValues"),
    WireOperation(
        "getImageSeriesValue",
        "GET",
        f"{_ATTRIBUTES}/series/image/single",
        (*_RUN_ATTRIBUTE, *needed("index", schema=INTEGER)),
        None,
        produces="image/*",
    ),
    WireOperation(
        "lsFileSetAttribute",
        "GET",
        f"{_ATTRIBUTES}/ls",
        (*_RUN_ATTRIBUTE, *needed("path")),
        array(ref("FileEntry")),
    ),
    WireOperation("downloadAttribute", "GET", f"{_ATTRIBUTES}/download", _RUN_ATTRIBUTE, None, produces=_BYTES),
    WireOperation(
        "prepareForDownloadFileSetAttributeZip",
        "POST",
        f"{_ATTRIBUTES}/downloadFileSetZipRequest",
        _RUN_ATTRIBUTE,
        ref("DownloadRequest"),
    ),
    WireOperation(
        "getDownloadPrepareRequest", "GET", f"{_BOARD}/download/downloadRequest", needed("id"), ref("DownloadRequest")
    ),
    _upload("fileAtomUpload", "file/upload", (*_TARGET, *needed("ext"))),
    _start("fileAtomMultipartUploadStart", "file/upload/start", (*_TARGET, *needed("ext"))),
    _upload("fileAtomMultipartUploadPart", "file/upload/part", (*_TARGET, *_PART)),
    _finish("fileAtomMultipartUploadFinish", "file/upload/finish", (*_TARGET, *needed("uploadId"))),
    _upload("fileSetFileUpload", "fileset/upload", (*_TARGET, *needed("subPath"))),
    _start("fileSetFileMultipartUploadStart", "fileset/upload/start", (*_TARGET, *needed("subPath"))),
    _upload("fileSetFileMultipartUploadPart", "fileset/upload/part", (*_TARGET, *needed("subPath"), *_PART)),
    _finish("fileSetFileMultipartUploadFinish", "fileset/upload/finish", (*_TARGET, *needed("subPath", "uploadId"))),
    WireOperation(
        "uploadFileSetAttributeTar",
        "POST",
        f"{_ATTRIBUTES}/uploadFileSetTar",
        (*_RUN_ATTRIBUTE, *query("reset", schema=BOOLEAN)),
        ref("OperationErrors"),
        consumes=_BYTES,
    ),
    WireOperation(
        "searchLeaderboardEntries",
        "POST",
        f"{_BOARD}/leaderboard/entries/search",
        (*needed("projectIdentifier"), *query("type", schema=array(STRING)), body("params")),
        ref("SearchResult"),
    ),
    WireOperation(
        "searchLeaderboardAttributes",
        "POST",
        f"{_BOARD}/leaderboard/attributes/search",
        (
            *needed("projectIdentifier"),
            *query("search"),
            *query("type", schema=array(STRING)),
            *query("limit", schema=INTEGER),
            body("params"),
        ),
        ref("AttributeSearch"),
    ),
)
