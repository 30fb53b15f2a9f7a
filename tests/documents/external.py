"""The links of all documents to other places, and which of them lead nowhere."""

import asyncio
from collections.abc import Iterable

import aiohttp

from tests.documents.files import documents, links, named

ATTEMPTS = 3
AT_ONCE = 8
PATIENCE_S = 30
PAUSE_S = 2.0
REFUSED = frozenset({401, 403, 405, 429, 999})
"""Answers of places that exist and do not want to be asked by a program."""


def external_links() -> dict[str, list[str]]:
    """Return where links lead out of the project, each with the documents that have it."""
    found: dict[str, list[str]] = {}
    for document in documents():
        for target in links(document):
            if target.startswith(("http://", "https://")):
                found.setdefault(target.partition("#")[0], []).append(named(document))
    return found


async def broken(addresses: Iterable[str], *, pause_s: float = PAUSE_S) -> dict[str, str]:
    """Ask all of them; return those that lead nowhere, each with why: a status, or the name of an error."""
    turns = asyncio.Semaphore(AT_ONCE)
    timeout = aiohttp.ClientTimeout(total=PATIENCE_S)
    async with aiohttp.ClientSession(timeout=timeout, headers={"User-Agent": "docs-check"}, trust_env=True) as session:

        async def ask(address: str) -> str:
            async with turns:
                return await _fate(session, address, pause_s)

        wanted = sorted(addresses)
        fates = await asyncio.gather(*map(ask, wanted))
    return {address: fate for address, fate in zip(wanted, fates, strict=True) if fate}


async def _fate(session: aiohttp.ClientSession, address: str, pause_s: float) -> str:
    """Nothing where it leads somewhere. Whoever fails may only be busy, and is asked again."""
    fate = ""
    for attempt in range(ATTEMPTS):
        await asyncio.sleep(attempt * pause_s)
        try:
            async with session.get(address) as answer:
                if answer.status < 400 or answer.status in REFUSED:
                    return ""
                fate = str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            fate = type(error).__name__
        if fate in ("404", "410"):
            return fate
    return fate
