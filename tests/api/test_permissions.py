"""Who may do what, for every address: the table of permission_table.py against the code.

An address or a method that is missing in the table fails. Each row is tried with the whole cast, in a private, an
organization's and a public project.
"""

from __future__ import annotations

import io
import json
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.core import signing
from django.db import transaction
from django.test import Client
from django.urls import get_resolver, reverse
from django.urls.resolvers import URLPattern, URLResolver
from django.utils import timezone
from PIL import Image

from api.compat.neptune.sessions import open_session
from api.compat.neptune.signals import authorize
from projects.access import Action, actor_for_user
from projects.exceptions import DomainError
from projects.models import (
    ApiToken,
    OrganizationMember,
    OrganizationRole,
    Project,
    Scope,
    User,
    Visibility,
)
from projects.services.projects import create_organization
from projects.services.tokens import issue_token
from runs.models import AttributeKind, Run
from runs.operations import (
    AddFiles,
    AddTags,
    AppendFiles,
    AppendFloats,
    AppendStrings,
    AssignFile,
    AssignValue,
    BatchIdentity,
    FilePoint,
    Scalar,
)
from runs.services.files import store_bytes
from runs.services.ingest import apply_operations
from runs.services.previews import make_thumbnails
from runs.services.runs import create_run
from runs.services.uploads import start_upload, write_part
from tests.api.permission_table import ROWS, SIGNAL_SOCKET, Interface, Need, Row
from tests.conftest import make_user
from web.views import runs as _pages  # noqa: F401 - all addresses must be there

if TYPE_CHECKING:
    from tests.api.conftest import Answer

METHODS = ("get", "post", "put", "patch", "delete")
ROLES = {
    "viewer": {Action.VIEW},
    "contributor": {Action.VIEW, Action.LOG, Action.EDIT},
    "owner": {Action.VIEW, Action.LOG, Action.EDIT, Action.MANAGE},
}
SCOPES = {"read": ROLES["viewer"], "log": ROLES["contributor"], "manage": ROLES["owner"]}
PROJECT_NEEDS = {Need.VIEW: Action.VIEW, Need.LOG: Action.LOG, Need.EDIT: Action.EDIT, Need.MANAGE: Action.MANAGE}


@dataclass(frozen=True)
class Cast:
    """One caller: a person, signed in (no `scope`) or by a token, which may be limited to another project or dead."""

    name: str
    person: str = ""
    scope: str = ""
    limited: bool = False
    dead: str = ""

    def __str__(self) -> str:
        return self.name


CAST = [
    Cast("nobody"),
    Cast("owner", "alice"),
    Cast("contributor", "bob"),
    Cast("viewer", "dana"),
    Cast("member of the organization", "mona"),
    Cast("guest of the organization", "gus"),
    Cast("owner of another organization", "charlie"),
    Cast("owner's manage token", "alice", "manage"),
    Cast("owner's log token", "alice", "log"),
    Cast("owner's read token", "alice", "read"),
    Cast("owner's token for another project", "alice", "manage", limited=True),
    Cast("contributor's manage token", "bob", "manage"),
    Cast("viewer's manage token", "dana", "manage"),
    Cast("outsider's manage token", "charlie", "manage"),
    Cast("revoked token", "alice", "manage", dead="revoked"),
    Cast("expired token", "alice", "manage", dead="expired"),
]


def expected(row: Row, caller: Cast, visibility: Visibility) -> str:
    """`ok`, `sign in`, `forbidden` or `nothing`: the one place that says what the table's needs mean."""
    if row.need is Need.NOTHING:
        # A bad credential is refused even where none is needed, except on pages, which do not look at tokens.
        return "sign in" if caller.dead and row.interface is Interface.NATIVE else "ok"
    if row.need is Need.UNKNOWN:
        return "nothing"
    if _is_nobody(row, caller):
        can_look = visibility is Visibility.PUBLIC and row.interface is not Interface.NEPTUNE and not caller.dead
        if row.interface is Interface.PAGE:
            can_look = visibility is Visibility.PUBLIC
        is_looking = row.need in {Need.VIEW, Need.SEE_ORGANIZATION, Need.PUBLIC_OR_PERSON} and row.method == "GET"
        return "ok" if can_look and is_looking else "sign in"
    if row.need in {Need.PERSON, Need.VALID_TOKEN, Need.PUBLIC_OR_PERSON}:
        return "ok"
    if row.need in {Need.MANAGE_TOKENS, Need.REVOKE_TOKEN, Need.CREATE_PROJECT, Need.SEE_ORGANIZATION}:
        return _expected_of_accounts(row, caller, visibility)
    return _expected_in_project(PROJECT_NEEDS[row.need], caller, visibility)


def _is_nobody(row: Row, caller: Cast) -> bool:
    if not caller.person or caller.dead:
        return True
    return (
        bool(caller.scope)
        if row.interface is Interface.PAGE
        else row.interface is Interface.NEPTUNE and not caller.scope
    )


def _expected_in_project(action: Action, caller: Cast, visibility: Visibility) -> str:
    role = _role(caller.person, visibility)
    if role is None or caller.limited:
        return "nothing"
    may = ROLES[role] & (SCOPES[caller.scope] if caller.scope else ROLES["owner"])
    return "ok" if action in may else "forbidden"


def _role(person: str, visibility: Visibility) -> str | None:
    given = {"alice": "owner", "bob": "contributor", "dana": "viewer"}.get(person)
    if given is None and person == "mona" and visibility is Visibility.ORGANIZATION:
        return "contributor"
    return given or ("viewer" if visibility is Visibility.PUBLIC else None)


def _expected_of_accounts(row: Row, caller: Cast, visibility: Visibility) -> str:
    is_full = caller.scope in {"", "manage"} and not caller.limited
    if row.need is Need.MANAGE_TOKENS:
        return "ok" if is_full else "forbidden"
    if row.need is Need.REVOKE_TOKEN:
        if caller.person != "alice":
            return "nothing"
        return "ok" if caller.scope in {"", "manage"} else "forbidden"
    if row.need is Need.SEE_ORGANIZATION:
        is_member = caller.person in {"alice", "mona", "gus"}
        return "ok" if is_member or _role(caller.person, visibility) else "nothing"
    if caller.person not in {"alice", "mona", "gus"}:
        return "nothing"
    return "ok" if is_full and caller.person != "gus" else "forbidden"


# --- the world ---
class World:
    """One project with one of everything, and the credentials of the cast."""

    def __init__(self, project: Project, alice: User, people: dict[str, User]) -> None:
        self.project = project
        self.people = people
        self.run = create_run(project=project, owner=alice, name="first")[0]
        self.other = project.organization.projects.create(name="other", key="OTH")
        self.tokens = {caller: self._token(caller) for caller in CAST if caller.scope}
        self.places = self._places(issue_token(actor=actor_for_user(alice), owner=alice, name="target")[0])

    def _token(self, caller: Cast) -> tuple[ApiToken, str]:
        person = self.people[caller.person]
        projects = [self.other] if caller.limited else []
        return issue_token(
            actor=actor_for_user(person), owner=person, name=caller.name, scope=Scope(caller.scope), projects=projects
        )

    def _places(self, target: ApiToken) -> dict[str, str]:
        run = self.run
        stream = io.BytesIO()
        Image.new("RGB", (300, 200)).save(stream, "PNG")
        image, file, member = (store_bytes(run, [each]) for each in (stream.getvalue(), b"file", b"member"))
        fill(run, image, file, member)
        make_thumbnails(image)
        upload = start_upload(run, attribute_path="new", extension="bin", total_length=4)
        return {
            "organization": self.project.organization.name,
            "project": self.project.name,
            "project_uuid": str(self.project.uuid),
            "run": str(run.uuid),
            "sys_id": run.sys_id,
            "file": str(image.uuid),
            "token": str(target.pk),
            "upload": str(upload.uuid),
            "whole_upload": "made anew for each request, which takes its parts away",
            "zip_ticket": zip_ticket(str(run.uuid)),
        }

    def missing(self) -> dict[str, str]:
        """The same places, none of which exists."""
        run = str(uuid.uuid4())
        return {
            "organization": "nil",
            "project": "no-thing",
            "project_uuid": str(uuid.uuid4()),
            "run": run,
            "sys_id": "NO-1",
            "file": str(uuid.uuid4()),
            "token": "987654321",
            "upload": str(uuid.uuid4()),
            "whole_upload": str(uuid.uuid4()),
            "zip_ticket": zip_ticket(run),
        }


def whole_upload(run: Run) -> str:
    """An upload of which all parts have arrived."""
    upload = start_upload(run, attribute_path="new", extension="bin", total_length=4)
    write_part(upload.uuid, run, 0, 0, 4, [b"data"])
    return str(upload.uuid)


def zip_ticket(run: str) -> str:
    return signing.dumps([run, "set"], salt="api.compat.neptune.downloads")


def fill(run: Run, image: Any, file: Any, member: Any) -> None:
    """Log one attribute of every kind."""
    kinds = AttributeKind
    values: dict[str, Scalar] = {
        "float": 1.0,
        "int": 1,
        "bool": True,
        "string": "x",
        "datetime": datetime(2026, 1, 31, tzinfo=UTC),
    }
    operations = [
        *(AssignValue(path=f"v/{name}", kind=kinds[name.upper()], value=value) for name, value in values.items()),
        AddTags(path="sys/tags", tags=["a"]),
        AppendFloats(path="loss", values=[1.0], steps=[0], timestamps=[1000]),
        AppendStrings(path="out", values=["line"], steps=[0], timestamps=[1000]),
        AppendFiles(path="images", points=[FilePoint(file=image, step=0, timestamp=1000)]),
        AssignFile(path="file", file=file, extension="bin"),
        AddFiles(path="set", members={"a.txt": member}),
    ]
    assert not apply_operations(run, operations, identity=BatchIdentity()).errors


@pytest.fixture
def world(project: Project, alice: User, bob: User, dana: User, charlie: User) -> World:
    mona, gus = make_user("mona"), make_user("gus")
    create_organization(owner=charlie, name="others")
    OrganizationMember.objects.create(organization=project.organization, user=mona, role=OrganizationRole.MEMBER)
    OrganizationMember.objects.create(organization=project.organization, user=gus, role=OrganizationRole.GUEST)
    people = {"alice": alice, "bob": bob, "dana": dana, "charlie": charlie, "mona": mona, "gus": gus}
    made = World(project, alice, people)
    for caller, (token, _) in made.tokens.items():
        if caller.dead == "revoked":
            token.revoked_at = timezone.now()
        if caller.dead == "expired":
            token.expires_at = timezone.now() - timedelta(seconds=1)
        token.save()
    return made


# --- asking ---
def ask(world: World, row: Row, caller: Cast, places: dict[str, str]) -> Answer:
    """Send a row's request as this caller; what it changes is undone."""
    client = Client(enforce_csrf_checks=True)
    headers = {**row.headers, **_credentials(world, row, caller, client)}
    places = {**places, "refresh_token": _refresh_token(world, caller)}
    content_type = headers.pop("Content-Type", "application/json" if row.body is not None else "")
    content = row.form.format(**places) if row.form else ""
    if row.body is not None:
        content = json.dumps(_filled(row.body, places))
    elif row.form:
        content_type = "application/x-www-form-urlencoded"
    with transaction.atomic():
        if places.get("whole_upload") == world.places["whole_upload"]:
            places["whole_upload"] = whole_upload(world.run)
        response = client.generic(row.method, row.path.format(**places), content, content_type, headers=headers)
        if response.streaming:
            response.getvalue()
        transaction.set_rollback(True)
    return response


def _filled(value: Any, places: dict[str, str]) -> Any:
    if isinstance(value, str):
        return value.format(**places)
    if isinstance(value, list):
        return [_filled(item, places) for item in value]
    return {key: _filled(item, places) for key, item in value.items()} if isinstance(value, dict) else value


def _credentials(world: World, row: Row, caller: Cast, client: Client) -> dict[str, str]:
    csrf = {"X-CSRFToken": "t" * 32}
    client.cookies["csrftoken"] = "t" * 32
    if caller.scope:
        token, text = world.tokens[caller]
        if row.interface is not Interface.NEPTUNE:
            return {"Authorization": f"Bearer {text}", **csrf}
        return {"Authorization": f"Bearer {open_session(token).access_token}", "X-Neptune-Api-Token": text}
    if caller.person:
        client.force_login(world.people[caller.person])
        client.cookies["csrftoken"] = "t" * 32
    return csrf


def _refresh_token(world: World, caller: Cast) -> str:
    return open_session(world.tokens[caller][0]).refresh_token if caller.scope else "none"


def outcome(row: Row, response: Answer) -> str:
    """What an answer means, in the words of `expected`."""
    status = response.status_code
    is_login = status == 302 and response.headers["Location"].startswith("/login")
    if row.interface is Interface.PAGE and row.need is not Need.NOTHING and is_login:
        return "sign in"
    if status in row.ok:
        return "ok"
    return {row.sign_in: "sign in", 403: "forbidden", 404: "nothing"}.get(
        status, f"{status} {response.content[:200]!r}"
    )


# --- the tests ---
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_everybody_gets_what_the_table_says(world: World, row: Row):
    wrong = []
    for visibility in Visibility:
        Project.objects.filter(pk=world.project.pk).update(visibility=visibility)
        for caller in CAST:
            found = outcome(row, ask(world, row, caller, world.places))
            wanted = expected(row, caller, visibility)
            # An address whose good answer is itself a 404 can't tell the two apart.
            if found != wanted and not (404 in row.ok and {found, wanted} == {"ok", "nothing"}):
                wrong.append(f"{caller} in a {visibility.value} project: {found} instead of {wanted}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("row", [row for row in ROWS if "{" in row.path or row.body], ids=str)
def test_what_is_not_there_and_what_is_not_for_you_look_the_same(world: World, row: Row):
    for caller in CAST:
        if expected(row, caller, Visibility.PRIVATE) not in {"nothing", "sign in"} or row.need is Need.UNKNOWN:
            continue
        theirs = seen(ask(world, row, caller, world.places), world.places)
        nowhere = seen(ask(world, row, caller, world.missing()), world.missing())
        assert theirs == nowhere, caller


def seen(response: Answer, places: dict[str, str]) -> tuple[Any, ...]:
    """All that an answer tells, without what the caller said and what differs from request to request."""
    told = response.getvalue().decode(errors="replace")
    told = re.sub(r'"request_id": ?"\w+"|name="csrfmiddlewaretoken" value="\w+"', "", told)
    location = re.sub(r"next=.*", "next", response.headers.get("Location", ""))
    if response.headers.get("Content-Type", "").startswith("text/html"):
        told = re.sub(r"[0-9a-f-]{36}|nil|no-thing|NO-1|lab|tutorial|TUT-1|\d{6,}|tokens/\d+", "", told)
    else:
        told = re.sub(r"[0-9a-f-]{36}", "", told)
    return response.status_code, location, told, sorted(set(response.headers) - {"X-Request-ID", "Set-Cookie"})


def addresses(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in resolver.url_patterns:
        route = prefix + str(pattern.pattern)
        if not isinstance(pattern, URLResolver):
            yield route, pattern
        elif pattern.app_name != "admin":  # has its own test
            yield from addresses(pattern, route)


def test_every_address_and_method_is_in_the_table():
    known = {(row.route, row.method) for row in ROWS}
    routes = {route for route, _ in known}
    missing = []
    found = list(addresses(get_resolver()))
    for route, pattern in found:
        view = getattr(pattern.callback, "cls", None)
        methods = [name.upper() for name in METHODS if view is not None and hasattr(view, name)]
        missing += [f"{method} {route}" for method in methods if (route, method) not in known]
        if not methods and route not in routes:
            missing.append(route)
    assert not missing
    assert routes <= {route for route, _ in found}, "The table holds addresses that are gone."


def test_nobody_but_the_operator_gets_into_the_admin(world: World):
    site = next(
        each for each in get_resolver().url_patterns if isinstance(each, URLResolver) and each.app_name == "admin"
    )
    operator = User.objects.create_superuser("operator", password="operator-password-1")
    client = Client()
    client.force_login(operator)
    assert client.get(reverse("admin:index")).status_code == 200
    for route, _ in addresses(site):
        address = "/admin/" + re.sub(r"<[^>]+>|\(\?P<[^)]+\)", "1", route).replace("^", "").replace("$", "")
        if address in {"/admin/login/", "/admin/logout/"}:  # they lead to signing in and out
            continue
        for caller in CAST:
            row = Row("GET", route, address, Need.NOTHING, Interface.PAGE)
            response = ask(world, row, caller, {})
            assert response.status_code in {302, 403, 404}, (address, str(caller))
            assert "/login/" in response.headers.get("Location", "/login/"), (address, str(caller))


@pytest.mark.parametrize("visibility", Visibility)
def test_only_who_may_log_hears_a_runs_signals(world: World, visibility: Visibility):
    assert SIGNAL_SOCKET
    Project.objects.filter(pk=world.project.pk).update(visibility=visibility)
    for caller in CAST:
        token = world.tokens.get(caller)
        headers = [(b"authorization", f"Bearer {open_session(token[0]).access_token}".encode())] if token else []
        try:
            is_heard = authorize(headers, world.project.uuid, world.run.uuid) == world.run
        except DomainError:
            is_heard = False
        may = not caller.dead and caller.scope and _expected_in_project(Action.LOG, caller, visibility) == "ok"
        assert is_heard == bool(may), str(caller)
