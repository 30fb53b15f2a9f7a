"""ModelDescriber: a backend's list of models, with what its server says of them elsewhere."""

import asyncio
from collections.abc import Sequence

from aiohttp import ClientError, ClientSession, hdrs

from gateway.backends.backend import Backend
from gateway.backends.detection import Detector, beside_v1
from gateway.backends.listing import Listed, ModelLister, read_bounded
from gateway.codecs.metadata import Facts, MetadataQuestion, metadata_questions, read_facts
from gateway.codecs.models import ModelInfo, described_model
from gateway.errors import UpstreamConnectionError, UpstreamStatusError, UpstreamTimeoutError

WAIT_S = 1.0
"""How long a list waits for what makes it more exact; the next refresh asks again."""
MAX_BYTES = 8 * 1024 * 1024


class ModelDescriber:
    """Reads the models of `lister`, then asks the server about them where its kind is known, and to have more to say.

    Each list goes past `detector` first. A question that fails costs nothing but its wait: what its last answer said
    still counts, unless each client has a key of its own.
    """

    def __init__(
        self, session: ClientSession, backend: Backend, lister: ModelLister, detector: Detector | None = None
    ) -> None:
        self._session = session
        self._backend = backend
        self._lister = lister
        self._detector = Detector(session, backend) if detector is None else detector
        self._said: dict[str, Facts] = {}

    async def fetch(self, client_key: str | None) -> tuple[ModelInfo, ...]:
        """Return the backend's models. Raises what `ModelLister.fetch` raises."""
        models, headers = await self._read(client_key)
        await self._detector.look(models, headers, client_key)
        questions = metadata_questions(models, self._metadata_path(models))
        if not questions:
            return models
        facts: Facts = {}
        for said in await self._answers(questions, client_key):
            for name, more in said.items():
                facts[name] = facts.get(name, {}) | more
        return tuple(described_model(model, facts[model.id]) if model.id in facts else model for model in models)

    async def _read(self, client_key: str | None) -> Listed:
        try:
            return await self._lister.read(client_key)
        except (UpstreamConnectionError, UpstreamTimeoutError):
            self._detector.forget()
            raise
        except UpstreamStatusError as error:
            if error.status < 500:  # it is there, and has no list for us: it may say all the same what it is
                await self._detector.look((), {}, client_key)
            raise

    def _metadata_path(self, models: Sequence[ModelInfo]) -> str:
        """Return where all of `models` are described; "" where they seem to be of several kinds of servers."""
        paths = {self._detector.profile(model.owned_by).metadata for model in models}
        return paths.pop() if len(paths) == 1 else ""

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
        url = beside_v1(self._backend.base_url, question.path).with_query(question.query)
        try:
            async with (
                asyncio.timeout(WAIT_S),
                self._session.get(url, headers=headers, allow_redirects=False, ssl=self._backend.tls) as response,
            ):
                if response.status != 200:
                    return None
                body = await read_bounded(response, MAX_BYTES)
        except (ClientError, TimeoutError, OSError, ValueError):
            return None
        return read_facts(question, body) if len(body) <= MAX_BYTES else None
