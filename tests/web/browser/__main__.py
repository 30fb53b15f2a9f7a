"""Makes the pictures of docs/status-page.md anew: `python -m tests.web.browser`."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.e2e.processes import ROOT
from tests.web.browser.run import look
from tests.web.browser.scene import scene, under_load

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


if __name__ == "__main__":
    asyncio.run(main())
