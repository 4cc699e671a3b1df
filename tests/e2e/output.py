"""What a client may print when all went well."""

from __future__ import annotations

import re

# The clients tell in these words of anything that went wrong, NVML (no GPU on the machine) aside.
_TROUBLE = re.compile(r"error|exception|traceback|killing|fail|inconsisten|refused|lost|unexpected", re.IGNORECASE)
_HARMLESS = re.compile(r"NVML|nvml_error")


def trouble_in(output: str) -> list[str]:
    """The lines that tell of an error."""
    return [line for line in output.splitlines() if _TROUBLE.search(line) and not _HARMLESS.search(line)]
