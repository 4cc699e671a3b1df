"""Put the browser libraries that frontend/package.json pins into .build/frontend/, from where Django collects them.

Only the files that pages load are copied, each with its licence. Run by scripts/bootstrap.sh; needs npm on the PATH.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "frontend"
WORK = ROOT / ".build" / "npm"
TARGET = ROOT / ".build" / "frontend"
SVG = "http://www.w3.org/2000/svg"

# package -> (folder it is served from, below /static/vendor/, and the files pages load)
SCRIPTS = {
    "chart.js": ("chart.js", ["dist/chart.umd.min.js"]),
    "hammerjs": ("hammerjs", ["hammer.min.js"]),
    "chartjs-plugin-zoom": ("chartjs-plugin-zoom", ["dist/chartjs-plugin-zoom.min.js"]),
    "chartjs-adapter-date-fns": ("chartjs-adapter-date-fns", ["dist/chartjs-adapter-date-fns.bundle.min.js"]),
}
FONTS = {"@fontsource-variable/inter": "inter", "@fontsource-variable/jetbrains-mono": "jetbrains-mono"}
FONT_SHEET = "wght.css"
ICONS = "lucide-static"


def main() -> None:
    modules = install()
    shutil.rmtree(TARGET, ignore_errors=True)
    for package, (folder, files) in SCRIPTS.items():
        for name in files:
            copy_script(modules / package / name, TARGET / folder)
        copy_licence(modules / package, TARGET / folder)
    for package, folder in FONTS.items():
        copy_font(modules / package, TARGET / folder)
    write_sprite(modules / ICONS, TARGET / "lucide")


def install() -> Path:
    """Install exactly what the lock file names and return the folder of packages."""
    WORK.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(SOURCE / name, WORK / name)
    npm = shutil.which("npm")
    if npm is None:
        sys.exit("npm was not found; scripts/bootstrap.sh brings it when the machine has none.")
    subprocess.run([npm, "ci", "--no-progress", "--loglevel=error"], cwd=WORK, check=True)
    return WORK / "node_modules"


def copy_script(source: Path, folder: Path) -> None:
    """Copy a script without its source-map comment: the map is not shipped, and collecting would look for it."""
    folder.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"^//# sourceMappingURL=.*$", "", source.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (folder / source.name).write_text(text.rstrip() + "\n", encoding="utf-8")


def copy_licence(package: Path, folder: Path) -> None:
    licence = next(package.glob("LICENSE*"))
    shutil.copy(licence, folder / "LICENSE.txt")


def copy_font(package: Path, folder: Path) -> None:
    """Copy the style sheet of the variable font and the font files it names."""
    (folder / "files").mkdir(parents=True)
    sheet = (package / FONT_SHEET).read_text(encoding="utf-8")
    (folder / FONT_SHEET).write_text(sheet, encoding="utf-8")
    for name in re.findall(r"url\(\./(files/[\w.-]+)\)", sheet):
        shutil.copy(package / name, folder / name)
    copy_licence(package, folder)


def write_sprite(package: Path, folder: Path) -> None:
    """One SVG with a symbol for every icon named in frontend/icons.txt."""
    ElementTree.register_namespace("", SVG)
    sprite = ElementTree.Element(f"{{{SVG}}}svg")
    for name in icon_names():
        icon = ElementTree.parse(package / "icons" / f"{name}.svg").getroot()  # noqa: S314 - from the pinned package
        symbol = ElementTree.SubElement(sprite, f"{{{SVG}}}symbol", id=name, viewBox=icon.get("viewBox", "0 0 24 24"))
        for attribute in ("fill", "stroke", "stroke-width", "stroke-linecap", "stroke-linejoin"):
            symbol.set(attribute, icon.get(attribute, ""))
        symbol.extend(icon)
    folder.mkdir(parents=True)
    ElementTree.ElementTree(sprite).write(folder / "sprite.svg", encoding="utf-8")
    copy_licence(package, folder)


def icon_names() -> list[str]:
    lines = (SOURCE / "icons.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


if __name__ == "__main__":
    main()
