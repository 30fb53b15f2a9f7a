"""Makes the pictures of docs/status-page.md anew: `python -m tests.web.browser`."""

import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.environments import python_with
from tests.e2e.processes import ROOT
from tests.web.browser.run import look
from tests.web.browser.scene import scene, under_load

PILLOW = "13.0.0"
SECONDS = 115
"""Of plots in a picture."""


async def main() -> None:
    """Write them into docs/images."""
    images = ROOT / "docs" / "images"
    images.mkdir(exist_ok=True)
    with TemporaryDirectory() as name:
        folder = Path(name)
        async with scene(folder) as gateway, under_load(gateway):
            await look(folder, url=gateway.url, points=SECONDS, looks=["light", "dark", "phone"])
        for picture in ("light", "dark", "phone"):
            (images / f"status-page-{picture}.png").write_bytes((folder / f"{picture}.png").read_bytes())
        python = await asyncio.to_thread(python_with, {"pillow": PILLOW})
        files = sorted(map(str, images.glob("status-page-*.png")))
        shrinking = await asyncio.create_subprocess_exec(python, Path(__file__).with_name("shrink.py"), *files)
        if code := await shrinking.wait():
            sys.exit(code)


if __name__ == "__main__":
    asyncio.run(main())
