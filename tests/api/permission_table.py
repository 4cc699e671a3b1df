"""Every address of the site with what each method needs: the table that test_permissions.py checks against the code.

`route` is spelled as the URL configuration spells it. `path`, `body` and `form` may hold the placeholders of a World
(see test_permissions.py). What a `need` means for each caller is decided in `expected` there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Interface(StrEnum):
    """How callers sign their requests: by token or session, by the Neptune clients' sessions, by the site's cookie."""

    NATIVE = "native"
    NEPTUNE = "neptune"
    PAGE = "page"


class Need(StrEnum):
    NOTHING = "open to everybody"
    UNKNOWN = "an address that does not exist, for everybody"
    PERSON = "somebody signed in"
    VALID_TOKEN = "an API token that can be used, in whichever way the address takes it"
    PUBLIC_OR_PERSON = "somebody signed in, or a public project to show"
    SEE_ORGANIZATION = "a member of the organization, or somebody who may see one of its projects"
    CREATE_PROJECT = "a member of the organization who may add projects"
    MANAGE_TOKENS = "the person, or a token that may do all they may"
    REVOKE_TOKEN = "the owner of the token, by session or by a token that may manage"
    VIEW = "view"
    LOG = "log"
    EDIT = "edit"
    MANAGE = "manage"


@dataclass(frozen=True)
class Row:
    method: str
    route: str
    path: str
    need: Need
    interface: Interface = Interface.NATIVE
    ok: tuple[int, ...] = (200,)
    body: Any = None
    form: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    sign_in: int = 401

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


def _native(method: str, route: str, need: Need, path: str = "", **changes: Any) -> Row:
    address = path or route
    for pattern, placeholder in _SHORT.items():
        address = address.replace(pattern, placeholder)
    return Row(method, f"api/v1/{route}", f"/api/v1/{address}", need, **changes)


_P = "projects/<name:organization>/<name:project>/"
_R = "runs/<uuid:uuid>/"
_SHORT = {_P: "projects/{organization}/{project}/", _R: "runs/{run}/"}
_BATCH = {"writer": "4b1d3c0e-6a55-4a0b-9d2f-8f3f0e6b1a77", "seq": 1, "operations": []}
NATIVE = [
    _native("GET", "organizations/", Need.PERSON),
    _native("GET", "projects/", Need.NOTHING),
    _native(
        "POST",
        "projects/",
        Need.CREATE_PROJECT,
        ok=(201,),
        body={"organization": "{organization}", "name": "fresh", "key": "FRESH"},
    ),
    _native("GET", _P, Need.VIEW),
    _native("PATCH", _P, Need.MANAGE, body={"description": "changed"}),
    _native("GET", f"{_P}runs/", Need.VIEW),
    _native("POST", f"{_P}runs/", Need.LOG, ok=(201,), body={}),
    _native("GET", f"{_P}attributes/", Need.VIEW),
    _native("GET", f"{_P}series/", Need.VIEW, f"{_P}series/?path=loss&run={{run}}"),
    _native("GET", _R, Need.VIEW),
    _native("PATCH", _R, Need.EDIT, body={"name": "changed"}),
    _native("POST", f"{_R}trash/", Need.EDIT),
    _native("POST", f"{_R}restore/", Need.EDIT),
    _native("POST", f"{_R}finish/", Need.LOG),
    _native("POST", f"{_R}signals/", Need.EDIT, ok=(201,), body={"kind": "stop"}),
    _native("GET", f"{_R}changes/", Need.VIEW),
    _native("GET", f"{_R}attributes/", Need.VIEW),
    _native("POST", f"{_R}operations/", Need.LOG, body=_BATCH),
    _native("GET", f"{_R}points/", Need.VIEW, f"{_R}points/?path=loss"),
    _native("POST", f"{_R}points/", Need.LOG, ok=(400,), headers={"Content-Type": "application/octet-stream"}),
    _native("GET", f"{_R}series/", Need.VIEW, f"{_R}series/?path=loss"),
    _native("GET", f"{_R}series/paths/", Need.VIEW),
    _native("GET", f"{_R}export/", Need.VIEW, f"{_R}export/?path=loss"),
    _native("GET", f"{_R}strings/", Need.VIEW, f"{_R}strings/?path=out"),
    _native("GET", f"{_R}files/", Need.VIEW),
    _native("PUT", f"{_R}files/", Need.LOG, f"{_R}files/?path=new", ok=(201,)),
    _native("GET", f"{_R}images/", Need.VIEW, f"{_R}images/?path=images"),
    _native("GET", f"{_R}checkpoints/", Need.VIEW),
    _native("GET", f"{_R}rejected/", Need.VIEW),
    _native("GET", "files/<uuid:uuid>/content", Need.VIEW, "files/{file}/content"),
    _native("GET", "files/<uuid:uuid>/thumbnail/<number:size>", Need.VIEW, "files/{file}/thumbnail/160"),
    _native("GET", "tokens/", Need.MANAGE_TOKENS),
    _native("POST", "tokens/", Need.MANAGE_TOKENS, ok=(201,), body={"name": "fresh", "scope": "read"}),
    _native("DELETE", "tokens/<number:token_id>/", Need.REVOKE_TOKEN, "tokens/{token}/", ok=(204,)),
    _native("GET", "schema/", Need.NOTHING),
    _native("GET", "docs/", Need.NOTHING),
    _native("GET", "^.*$", Need.UNKNOWN, "no/such/address/"),
]


def _neptune(method: str, route: str, need: Need, query: str = "", **changes: Any) -> Row:
    address = f"/{route}?{query}" if query else f"/{route}"
    return Row(method, route, changes.pop("path", address), need, Interface.NEPTUNE, **changes)


_BOARD = "api/leaderboard/v1"
_ATTRIBUTES = f"{_BOARD}/attributes"
_STORAGE = f"{_ATTRIBUTES}/storage"
_RUN = "experimentId={run}"
_TARGET = "experimentIdentifier={run}"
_GETTERS = {
    "floats": "v/float",
    "integers": "v/int",
    "booleans": "v/bool",
    "strings": "v/string",
    "datetimes": "v/datetime",
    "stringSets": "sys/tags",
    "files": "file",
    "floatSeries": "loss",
    "stringSeries": "out",
}
NEPTUNE = [
    _neptune("GET", "api/<str:name>/swagger.json", Need.NOTHING, path="/api/backend/swagger.json"),
    _neptune(
        "POST",
        "auth/realms/neptune/protocol/openid-connect/token",
        Need.VALID_TOKEN,
        form="grant_type=refresh_token&refresh_token={refresh_token}",
        sign_in=400,
    ),
    _neptune("GET", "api/backend/v1/clients/config", Need.NOTHING),
    _neptune("GET", "api/backend/v1/authorization/oauth-token", Need.VALID_TOKEN),
    _neptune("GET", "api/backend/v1/projects/get", Need.VIEW, "projectIdentifier={organization}/{project}"),
    _neptune("GET", "api/backend/v1/projects", Need.VALID_TOKEN),
    _neptune("GET", "api/backend/v1/myOrganizations", Need.VALID_TOKEN),
    _neptune("GET", f"{_BOARD}/experiments", Need.VIEW, _RUN),
    _neptune(
        "POST",
        f"{_BOARD}/experiments",
        Need.LOG,
        body={"projectIdentifier": "{project_uuid}", "parentId": "{project_uuid}", "type": "run"},
    ),
    _neptune("POST", f"{_BOARD}/experiments/trash", Need.EDIT, "projectIdentifier={project_uuid}", body=["{run}"]),
    _neptune("GET", _ATTRIBUTES, Need.VIEW, _RUN),
    _neptune("POST", f"{_ATTRIBUTES}/operations", Need.LOG, _RUN, body=[]),
    _neptune("POST", f"{_ATTRIBUTES}/ping", Need.LOG, _RUN),
    *(
        _neptune("GET", f"{_ATTRIBUTES}/{name}", Need.VIEW, f"{_RUN}&attribute={path}")
        for name, path in _GETTERS.items()
    ),
    # Artifacts can't be logged yet, so even who may see the run finds none.
    _neptune("GET", f"{_ATTRIBUTES}/artifacts", Need.VIEW, f"{_RUN}&attribute=none", ok=(404,)),
    _neptune("GET", f"{_ATTRIBUTES}/series/float", Need.VIEW, f"{_RUN}&attribute=loss"),
    _neptune("GET", f"{_ATTRIBUTES}/series/string", Need.VIEW, f"{_RUN}&attribute=out"),
    _neptune("GET", f"{_ATTRIBUTES}/series/image", Need.VIEW, f"{_RUN}&attribute=images"),
    _neptune("GET", f"{_ATTRIBUTES}/series/image/single", Need.VIEW, f"{_RUN}&attribute=images&index=0"),
    _neptune("GET", f"{_ATTRIBUTES}/ls", Need.VIEW, f"{_RUN}&attribute=set&path="),
    _neptune("GET", f"{_ATTRIBUTES}/download", Need.VIEW, f"{_RUN}&attribute=file"),
    _neptune("POST", f"{_ATTRIBUTES}/downloadFileSetZipRequest", Need.VIEW, f"{_RUN}&attribute=set"),
    _neptune("GET", f"{_ATTRIBUTES}/downloadFileSetZip", Need.VIEW, f"{_RUN}&attribute=set"),
    _neptune("GET", f"{_BOARD}/download/downloadRequest", Need.VIEW, "id={zip_ticket}"),
    _neptune("POST", f"{_STORAGE}/file/upload", Need.LOG, f"{_TARGET}&attribute=new&ext=bin"),
    _neptune("POST", f"{_STORAGE}/file/upload/start", Need.LOG, f"{_TARGET}&attribute=new&ext=bin&totalLength=4"),
    _neptune(
        "POST",
        f"{_STORAGE}/file/upload/part",
        Need.LOG,
        f"{_TARGET}&uploadId={{upload}}&uploadPartIdx=0",
        form="data",
        headers={"X-Range": "bytes=0-3/4"},
    ),
    _neptune("POST", f"{_STORAGE}/file/upload/finish", Need.LOG, f"{_TARGET}&uploadId={{whole_upload}}"),
    _neptune("POST", f"{_STORAGE}/fileset/upload", Need.LOG, f"{_TARGET}&attribute=new&subPath=a.txt"),
    _neptune(
        "POST", f"{_STORAGE}/fileset/upload/start", Need.LOG, f"{_TARGET}&attribute=new&subPath=a.txt&totalLength=4"
    ),
    _neptune(
        "POST",
        f"{_STORAGE}/fileset/upload/part",
        Need.LOG,
        f"{_TARGET}&uploadId={{upload}}&uploadPartIdx=0",
        form="data",
        headers={"X-Range": "bytes=0-3/4"},
    ),
    _neptune("POST", f"{_STORAGE}/fileset/upload/finish", Need.LOG, f"{_TARGET}&uploadId={{whole_upload}}"),
    _neptune("POST", f"{_ATTRIBUTES}/uploadFileSetTar", Need.LOG, f"{_RUN}&attribute=new&reset=false"),
    _neptune("POST", f"{_BOARD}/leaderboard/entries/search", Need.VIEW, "projectIdentifier={project_uuid}&type=run"),
    _neptune("POST", f"{_BOARD}/leaderboard/attributes/search", Need.VIEW, "projectIdentifier={project_uuid}"),
    _neptune(
        "GET",
        r"^api/(?:backend|leaderboard|artifacts|notifications)(?:/.*)?$",
        Need.UNKNOWN,
        path="/api/leaderboard/v1/no/such/address",
    ),
]


def _page(method: str, route: str, need: Need, path: str = "", **changes: Any) -> Row:
    return Row(method, route, path or f"/{route}", need, Interface.PAGE, sign_in=302, **changes)


_PROJECT_PAGE = "<str:organization>/<str:project>"
_RUN_PAGE = f"{_PROJECT_PAGE}/e/<str:run_id>"
_RUN_ADDRESS = "/{organization}/{project}/e/{sys_id}"
PAGES = [
    _page("GET", "healthz", Need.NOTHING),
    _page("GET", "readyz", Need.NOTHING, ok=(200, 503)),
    _page("GET", r"^(?:api|auth)/", Need.UNKNOWN, "/api/nothing"),
    _page("GET", "", Need.PUBLIC_OR_PERSON),
    _page("GET", "login", Need.NOTHING, ok=(200, 302)),
    _page("POST", "login", Need.NOTHING, ok=(200, 302), form="username=x&password=y"),
    _page("POST", "logout", Need.NOTHING, ok=(302,)),
    _page("GET", "new", Need.PERSON),
    _page("POST", "new", Need.PERSON, form="name="),
    _page("POST", "account/theme", Need.NOTHING, ok=(302,), form="theme=dark"),
    _page("GET", "account/tokens", Need.PERSON),
    _page("POST", "account/tokens", Need.PERSON, form="name=&scope=log"),
    _page(
        "POST", "account/tokens/<int:token_id>/revoke", Need.REVOKE_TOKEN, "/account/tokens/{token}/revoke", ok=(302,)
    ),
    _page("GET", "get_my_api_token", Need.NOTHING, ok=(302,)),
    _page("GET", "<str:organization>/", Need.SEE_ORGANIZATION, "/{organization}/"),
    _page("GET", f"{_PROJECT_PAGE}/", Need.VIEW, "/{organization}/{project}/"),
    _page("GET", _PROJECT_PAGE, Need.VIEW, "/{organization}/{project}"),
    _page("GET", f"{_RUN_PAGE}/", Need.VIEW, f"{_RUN_ADDRESS}/"),
    _page("GET", _RUN_PAGE, Need.VIEW, _RUN_ADDRESS),
    *(
        _page("GET", f"{_RUN_PAGE}/<str:tab>", Need.VIEW, f"{_RUN_ADDRESS}/{tab}")
        for tab in ("overview", "charts", "images", "metadata", "logs", "files", "checkpoints", "source", "system")
    ),
    _page("GET", f"{_RUN_PAGE}/<str:tab>/", Need.VIEW, f"{_RUN_ADDRESS}/charts/"),
]

ROWS = [*NATIVE, *NEPTUNE, *PAGES]
# Served beside Django's URL configuration; tried in tests/platform/ and below.
SIGNAL_SOCKET = "/api/notifications/v1/runs/{project_uuid}/{run}/signal"
