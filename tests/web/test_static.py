from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles.finders import find
from django.core.files.storage import FileSystemStorage

from tracking_platform.staticfiles import HashedModulesStorage

STATIC = Path(str(find("web/js/shell.js"))).parent.parent.parent
SCRIPTS = sorted((STATIC / "web/js").rglob("*.js"))
TEMPLATES = sorted((STATIC.parent / "templates").rglob("*.html"))


def test_imports_between_modules_lead_to_hashed_names(tmp_path):
    """Under two names a module would be two modules, each with its own listeners."""
    source = FileSystemStorage(location=STATIC)
    storage = HashedModulesStorage(location=tmp_path, base_url=settings.STATIC_URL)
    names = [str(script.relative_to(STATIC)) for script in SCRIPTS]
    for name in names:  # where the collecting would have put them, for the compression that comes last
        storage.save(name, source.open(name))
    processed = storage.post_process({name: (source, name) for name in names})
    hashed = {str(target) for _, target, _ in processed if str(target).endswith(".js")}
    imports = [
        imported
        for target in hashed
        for imported in re.findall(r'^import .* from "([^"]+)"', (tmp_path / target).read_text(), re.MULTILINE)
    ]
    assert len(imports) > len(SCRIPTS)
    assert [each for each in imports if not re.search(r"\.[0-9a-f]{12}\.js$", each)] == []


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_scripts_never_turn_text_into_markup_or_code(script):
    text = script.read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML\s*=[^=]|insertAdjacentHTML|document\.write|\beval\(|new Function", text)


@pytest.mark.parametrize(
    "template", sorted(Path(settings.BASE_DIR / "web/templates").rglob("*.html")), ids=lambda t: t.name
)
def test_templates_hold_no_scripts_styles_or_unescaped_values(template):
    text = template.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|\|\s*safe\b|autoescape off|mark_safe", text)
