"""When the group says that it is ready."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tracking_platform.serving.readiness import Readiness


@pytest.fixture
def answering():
    """A server that gives one answer; returns its address."""
    servers = []

    def start(status: int, body: str) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/readyz"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_it_is_not_ready_before_a_task_has_run_since_the_start(answering):
    never = answering(200, json.dumps({"tasks": {"last_seen_seconds": None}}))
    earlier = answering(200, json.dumps({"tasks": {"last_seen_seconds": 600.0}}))

    assert not Readiness(never)()
    assert not Readiness(earlier)()


def test_it_is_ready_when_every_part_works_and_a_task_has_run(answering, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    is_ready = Readiness(answering(200, json.dumps({"tasks": {"last_seen_seconds": 0.1}})))
    now[0] += 1.0

    assert is_ready()


@pytest.mark.parametrize(("status", "body"), [(503, "{}"), (200, "not JSON")])
def test_anything_else_is_not_ready(answering, status, body):
    assert not Readiness(answering(status, body))()


def test_no_server_is_not_ready():
    assert not Readiness("http://127.0.0.1:1/readyz")()
