"""Detector: finds out which kind of server a backend is, where neither the configuration nor its address says so."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import ClientError, ClientSession, hdrs
from yarl import URL

from gateway.backends.backend import Backend
from gateway.backends.listing import read_bounded
from gateway.backends.profiles import ROWS, profile_for, profile_of_host, profile_of_owner
from gateway.codecs.contract import Profile
from gateway.codecs.models import ModelInfo

PROBE_S = 1.0
PROBE_BYTES: Final = 16 * 1024


class Detector:
    """What is found out about the server of `backend`, over a session that it does not own.

    `found` holds for all its models; None where nothing was found, or need not be: then `owned_by` decides for each.
    """

    def __init__(self, session: ClientSession, backend: Backend) -> None:
        self.found: Profile | None = None
        self._session = session
        self._backend = backend
        self._is_told = backend.settings.profile is not None or profile_of_host(backend.base_url) is not None
        self._asked = False
        self._answered: Profile | None = None

    def profile(self, owned_by: str | None = None) -> Profile:
        """Return the profile of a model that the list shows as `owned_by`, by all that is known now."""
        return profile_for(self._backend.base_url, owned_by, name=self._backend.settings.profile, found=self.found)

    async def look(self, models: Sequence[ModelInfo], headers: Mapping[str, str], client_key: str | None) -> None:
        """Judge by the list that was just read, and by the headers it came with; ask the server if both say nothing.

        It is asked once. `headers` know no case. Raises nothing that a backend can cause.
        """
        if self._is_told:
            return
        told = profile_of_headers(headers) or _profile_of_times(models)
        if told is None and not any(profile_of_owner(model.owned_by) for model in models):
            if not self._asked:
                self._asked = True
                self._answered = await self.detect(client_key)
            told = self._answered
        self.found = told

    def forget(self) -> None:
        """Let the next look ask the server again: it was away, and may come back as another one."""
        self._asked = False

    async def detect(self, client_key: str | None) -> Profile | None:
        """Ask for the root page of the server and return what it tells: one GET, bounded in time and size."""
        headers = self._backend.headers(client_key)
        headers.popall(hdrs.CONTENT_TYPE, None)
        url = beside_v1(self._backend.base_url, "/")
        try:
            async with (
                asyncio.timeout(PROBE_S),
                # No redirects: a key must not travel to an address that nobody configured.
                self._session.get(url, headers=headers, allow_redirects=False, ssl=self._backend.tls) as response,
            ):
                told = profile_of_headers(response.headers)
                return told or _profile_of_page(await read_bounded(response, PROBE_BYTES))
        except (ClientError, TimeoutError, OSError, ValueError):
            return None


def beside_v1(base_url: URL, path: str) -> URL:
    """Return the URL of `path` beside the `/v1` of a backend: what servers have of their own is there."""
    root = base_url.raw_path.rstrip("/").removesuffix("/v1").rstrip("/")
    return base_url.with_path(root + path, encoded=True)


def profile_of_headers(headers: Mapping[str, str]) -> Profile | None:
    """Return the profile that the headers of an answer tell (they know no case), None for most."""
    for profile, hints in ROWS:
        for name, start in hints.headers:
            if (value := headers.get(name)) is not None and value.lower().startswith(start):
                return profile
    return None


def _profile_of_page(page: bytes) -> Profile | None:
    start = page[:PROBE_BYTES]
    return next((profile for profile, hints in ROWS if any(mark in start for mark in hints.root)), None)


def _profile_of_times(models: Sequence[ModelInfo]) -> Profile | None:
    times = {model.created_s for model in models}
    if len(times) != 1 or times == {None}:
        return None
    return next((profile for profile, hints in ROWS if hints.created_s in times), None)
