"""One spelling of both clients for the scripts beside this file."""

try:
    from neptune import init_run
    from neptune.types import File
except ImportError:
    from neptune.new import init_run
    from neptune.new.types import File

QUIET = {"capture_stdout": False, "capture_stderr": False, "capture_hardware_metrics": False, "source_files": []}

__all__ = ["QUIET", "File", "init_run"]
