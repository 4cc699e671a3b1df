"""What the measurements ran on."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any


def describe() -> dict[str, Any]:
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    model = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(int(memory[1]) / 1024**2) if memory else 0,
        "cpu": model[1].strip() if model else platform.machine(),
        "kernel": platform.release(),
    }


def load() -> float:
    """Of the last minute."""
    return round(os.getloadavg()[0], 2)
