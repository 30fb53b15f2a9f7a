"""ModelDescriber: a backend's list of models, with what its server says of them elsewhere."""

import asyncio
from collections.abc import Sequence

from aiohttp import ClientError, ClientSession, hdrs

from gateway.backends.backend import Backend
from gateway.backends.listing import ModelLister, read_bounded
from gateway.codecs.metadata import Facts, MetadataQuestion, metadata_questions, read_facts
from gateway.codecs.models import ModelInfo, described_model

WAIT_S = 1.0
"""How long a list waits for what makes it more exact; the next refresh asks again."""
MAX_BYTES = 8 * 1024 * 1024


class ModelDescriber:
    """Reads the models of `lister`, then asks the server about them where the list tells that it can be asked.

    A question that fails costs nothing but its wait: what its last answer said still counts, unless each client has a
    key of its own.
    """

    def __init__(self, session: ClientSession, backend: Backend, lister: ModelLister) -> None:
        self._session = session
        self._backend = backend
        self._lister = lister
        root = backend.base_url.raw_path.rstrip("/").removesuffix("/v1")
        self._root = backend.base_url.with_path(root, encoded=True)
        self._said: dict[str, Facts] = {}

    async def fetch(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Return the backend's models. Raises what `ModelLister.fetch` raises."""
        models = await self._lister.fetch(client_key)
        questions = metadata_questions(models)
        if not questions:
            return models
        facts: Facts = {}
        for said in await self._answers(questions, client_key):
            facts |= said
        return tuple(described_model(model, facts[model.id]) if model.id in facts else model for model in models)

    async def _answers(self, questions: Sequence[MetadataQuestion], client_key: str | None) -> list[Facts]:
        answers = await asyncio.gather(*(self._ask(question, client_key) for question in questions))
        asked = [f"{question.path} {question.query}" for question in questions]
        known = {
            key: self._said.get(key, {}) if facts is None else facts for key, facts in zip(asked, answers, strict=True)
        }
        if not self._backend.pass_client_key:
            self._said = known
        return list(known.values())

    async def _ask(self, question: MetadataQuestion, client_key: str | None) -> Facts | None:
        """Return the facts of one answer, None when there was none. Raises nothing that a backend can cause."""
        headers = self._backend.headers(client_key)
        headers.popall(hdrs.CONTENT_TYPE, None)
        path = self._root.raw_path.rstrip("/") + question.path
        url = self._root.with_path(path, encoded=True).with_query(question.query)
        try:
            async with (
                asyncio.timeout(WAIT_S),
                self._session.get(url, headers=headers, allow_redirects=False) as response,
            ):
                if response.status != 200:
                    return None
                body = await read_bounded(response, MAX_BYTES)
        except (ClientError, TimeoutError, OSError, ValueError):
            return None
        return read_facts(question, body) if len(body) <= MAX_BYTES else None
