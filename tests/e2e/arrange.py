"""What no client can do: accounts, tokens and projects made in the running platform by the domain's functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

from tests.servers.platform import ROOT, Platform

_PRELUDE = """
import json
from projects.access import actor_for_user
from projects.models import ApiToken, Project, Scope, User
from projects.services.projects import create_organization, create_project
from projects.services.tokens import issue_token, revoke_token
from runs.models import Run, SignalKind
from runs.services.runs import request_signal
admin = User.objects.get(username={user!r})
actor = actor_for_user(admin)
"""


def in_platform(platform: Platform, code: str) -> Any:
    """Run code in the platform's own Django; the value it gives to `result` comes back."""
    text = _PRELUDE.format(user=platform.user) + code + "\nprint('RESULT ' + json.dumps(result))"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", text],
        cwd=ROOT,
        env={**os.environ, **platform.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = next(line for line in done.stdout.splitlines() if line.startswith("RESULT "))
    return json.loads(answer.removeprefix("RESULT "))
