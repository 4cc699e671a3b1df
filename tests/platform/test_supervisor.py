"""The supervisor with small programs, and the whole group when parts of it die."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap

import psutil
import pytest
import requests

from tests.servers.backends import platform_settings
from tests.servers.platform import ROOT, Platform, running_platform
from tests.servers.ports import free_port
from tests.servers.waiting import wait_for

GROUP = """
    import os, sys
    from tracking_platform.serving.supervisor import Program, Supervisor
    def program():
        os.execv(sys.executable, [sys.executable, "-c", {program!r}])
    Supervisor(
        [Program("first", program), Program("second", program)], is_ready=lambda: True, on_ready=lambda: print("ready")
    ).run()
"""
SLEEPER = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
)


def children(process):
    try:
        return [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if child.status() != psutil.STATUS_ZOMBIE
        ]
    except psutil.NoSuchProcess:
        return []


@pytest.fixture
def group(tmp_path):
    """Start a supervisor of two programs; whatever is left of it is ended after the test."""
    started = []

    def start(program: str) -> subprocess.Popen[str]:
        code = textwrap.dedent(GROUP).format(program=program)
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={**os.environ, "DATA_DIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        wait_for(lambda: len(children(process)) == 2, what="two programs")
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_a_program_that_is_killed_is_started_again(group):
    process = group(SLEEPER)
    before = children(process)

    before[0].kill()

    wait_for(lambda: len(children(process)) == 2 and before[0] not in children(process), what="another process")
    assert before[1] in children(process)


def test_an_interrupt_stops_everyone(group):
    process = group(SLEEPER)
    programs = children(process)

    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 0
    assert not any(program.is_running() for program in programs)
    assert process.stdout.read().rstrip().endswith("Stopped.")


def test_a_second_interrupt_does_not_wait_for_a_stubborn_program(group):
    process = group(STUBBORN)
    lines = iter(process.stdout.readline, "")
    # Both write to one pipe, so a line of one may stand in the midst of the other's.
    first = "".join(itertools.islice(lines, 3))
    assert first.count("up") == 2, f"both are stubborn, and the group is ready: {first!r}"

    process.send_signal(signal.SIGINT)
    wait_for(lambda: "Stopping" in process.stdout.readline(), what="the first interrupt")
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a process to its parent")
def test_nobody_outlives_a_killed_supervisor(group):
    process = group(SLEEPER)
    programs = children(process)

    process.kill()

    wait_for(lambda: not any(program.is_running() for program in programs), what="the end of the programs")


@pytest.fixture(scope="module")
def own_platform(tmp_path_factory):
    """A platform to be rough with."""
    with running_platform(tmp_path_factory.mktemp("rough") / "data", **platform_settings()) as platform:
        yield platform


def test_a_killed_web_process_is_back_by_itself(own_platform):
    serving = own_platform.processes("web worker")[0]

    serving.kill()

    wait_for(lambda: serving not in own_platform.processes("web worker") and own_platform.is_ready(), what="a new one")


def test_a_killed_web_server_is_back_by_itself(own_platform):
    main = own_platform.processes("web server")[0]

    main.kill()

    wait_for(lambda: main not in own_platform.processes("web server") and own_platform.is_ready(), what="a new one")


@pytest.mark.parametrize("name", ["task worker", "task process"])
def test_a_killed_part_of_the_task_worker_is_back_by_itself(own_platform, name):
    killed = own_platform.processes(name)[0]
    heartbeat = own_platform.data_dir / "task-heartbeat"

    killed.kill()
    wait_for(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE, what="its end")
    heartbeat.unlink(missing_ok=True)

    wait_for(heartbeat.exists, seconds=60, what="a periodic task")


def test_the_group_is_ready_only_when_tasks_have_run(own_platform):
    heartbeat = own_platform.data_dir / "task-heartbeat"

    seen = heartbeat.stat().st_mtime

    assert seen >= psutil.Process(own_platform.process.pid).create_time()


@pytest.mark.skipif(sys.platform != "linux", reason="shared pages are counted on Linux only")
def test_an_idle_group_shares_its_memory(own_platform):
    processes = [psutil.Process(own_platform.process.pid), *own_platform.processes("")]

    shares = [process.memory_full_info() for process in processes]

    # Without sharing each process would need what it holds resident by itself.
    assert sum(share.pss for share in shares) < 300 * 1024 * 1024
    assert sum(share.pss for share in shares) < 0.6 * sum(share.rss for share in shares)


def test_a_second_platform_on_the_same_data_is_refused(own_platform):
    second = Platform(own_platform.data_dir, PORT=str(free_port()))

    outcome = serve(second)

    assert outcome.returncode != 0
    assert f"The platform is already running with its data in {own_platform.data_dir}" in outcome.stderr
    assert own_platform.is_ready()


def test_a_port_in_use_is_named_with_a_way_out(own_platform, tmp_path):
    second = Platform(tmp_path / "other", PORT=str(own_platform.port))
    second.data_dir.mkdir()

    outcome = serve(second)

    assert outcome.returncode != 0
    assert f"127.0.0.1:{own_platform.port} can't be used (Address already in use)" in outcome.stderr
    assert f"PORT={own_platform.port + 1} make run" in outcome.stderr


def test_a_killed_group_leaves_no_process_and_starts_again_with_its_data(own_platform):
    before = own_platform.variables()
    processes = [psutil.Process(own_platform.process.pid), *own_platform.processes("")]

    own_platform.process.kill()
    own_platform.process.wait()
    wait_for(lambda: not any(process.is_running() for process in processes), what="the end of the group")
    own_platform.start()

    assert own_platform.variables() == before
    assert own_platform.password not in own_platform.log().rsplit("Tracking Platform is ready", 1)[1]


def test_the_group_stops_cleanly_and_its_log_has_no_trace(own_platform):
    processes = own_platform.processes("")

    assert own_platform.stop() == 0
    assert not any(process.is_running() for process in processes)
    # What was killed before the last start has left traces that belong there.
    assert "Traceback" not in own_platform.log().rsplit("Tracking Platform is ready", 1)[1]
    own_platform.start()


def serve(platform: Platform) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "serve"],
        cwd=ROOT,
        env=platform.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_https_is_served_directly(tmp_path):
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    settings = {"TLS_CERTIFICATE": str(certificate), "TLS_KEY": str(key), **platform_settings()}
    with running_platform(tmp_path / "data", **settings) as platform:
        answer = requests.get(f"{platform.url}/healthz", verify=str(certificate), timeout=10)

        assert (answer.status_code, answer.text) == (200, "ok\n")
        assert "OAUTHLIB_INSECURE_TRANSPORT" not in platform.variables()
