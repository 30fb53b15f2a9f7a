"""The page: its parts put together into one document, which may load nothing and run nothing but itself."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from typing import NamedTuple

_STYLE = re.compile(r'<link rel="stylesheet" href="([\w.]+)">')
_SCRIPT = re.compile(r'<script src="([\w.]+)"></script>')


class Page(NamedTuple):
    """The document, its entity tag (without quotes) and its Content-Security-Policy."""

    body: bytes
    etag: str
    policy: str


def read_page() -> Page:
    """Return the page made of the package's assets."""
    assets = files("gateway.web") / "assets"
    return assemble(lambda name: (assets / name).read_text(encoding="utf-8"))


def assemble(read: Callable[[str], str]) -> Page:
    """Return `page.html` with the styles and scripts it names written into it; `read` gives each by its name.

    The policy allows these very texts by their hashes, and requests to the gateway itself: nothing else.
    """
    document = read("page.html")
    styles = {name: f"\n{read(name)}" for name in _STYLE.findall(document)}
    scripts = {name: f"\n{read(name)}" for name in _SCRIPT.findall(document)}
    document = _STYLE.sub(lambda found: f"<style>{styles[found[1]]}</style>", document)
    document = _SCRIPT.sub(lambda found: f"<script>{scripts[found[1]]}</script>", document)
    policy = "; ".join(_directives(_hashes(styles.values()), _hashes(scripts.values())))
    body = document.encode()
    return Page(body, hashlib.sha256(body).hexdigest()[:32], policy)


def _directives(styles: str, scripts: str) -> Iterator[str]:
    yield "default-src 'none'"
    yield f"script-src {scripts}"
    yield f"style-src {styles}"
    yield "connect-src 'self'"
    yield "img-src data:"  # its icon
    for name in ("base-uri", "form-action", "frame-ancestors"):
        yield f"{name} 'none'"
    # No text of a backend ever becomes markup: the browser holds the scripts to it.
    yield "require-trusted-types-for 'script'"
    yield "trusted-types 'none'"


def _hashes(texts: Iterable[str]) -> str:
    digests = (hashlib.sha256(text.encode()).digest() for text in texts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
