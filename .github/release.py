"""Checks that a tag may become a release, and prints what its page says: `python .github/release.py v1.2.3`."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def version() -> str:
    """Return the version of the package."""
    text = (ROOT / "gateway" / "_version.py").read_text(encoding="utf-8")
    return re.findall(r'^__version__ = "(.*)"$', text, re.MULTILINE)[0]


def complaints(tag: str) -> list[str]:
    """Return what keeps a tag from being a release."""
    found = []
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-?rc\.?\d+)?", tag):
        found.append(f"{tag} is no version, such as v1.2.3 or v1.2.3rc1")
    if tag != f"v{version()}":
        found.append(f"the package's version is {version()} (gateway/_version.py)")
    chart = (ROOT / "helm" / "ollama-openai-proxy" / "Chart.yaml").read_text(encoding="utf-8")
    found += [
        f"Chart.yaml says {line}"
        for line in re.findall(r"^(?:version|appVersion): .*$", chart, re.MULTILINE)
        if line.split(": ")[1] != tag.removeprefix("v")
    ]
    if not notes(tag):
        found.append(f"CHANGELOG.md has no section [{tag.removeprefix('v')}] with a date")
    return found


def notes(tag: str) -> str:
    """Return the changelog's section of a version, "" where there is none."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    name = re.escape(tag.removeprefix("v"))
    found = re.search(rf"^## \[{name}\] - \d{{4}}-\d\d-\d\d\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found else ""


def main(tag: str) -> int:
    """Print the notes, or what is wrong; return the exit code."""
    if found := complaints(tag):
        sys.stderr.write("\n".join(found) + "\n")
        return 1
    sys.stdout.write(notes(tag) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
