"""Questions of `/api/embed` and `/api/embeddings`: texts in, as many requests out as the backend's batches take."""

import msgspec

from gateway.codecs.backend_errors import is_too_long
from gateway.codecs.contract import BackendReader, Encoded, Target
from gateway.codecs.durations import check_keep_alive
from gateway.codecs.embed_reader import EmbedReader
from gateway.codecs.names import check_name, unusable_name
from gateway.codecs.options import read_options
from gateway.codecs.refusals import ESSENTIAL
from gateway.codecs.requests import embed_inputs
from gateway.errors import ModelNotFoundError, ProxyException, RequestError, UpstreamStatusError
from gateway.schemas.ollama import EmbeddingsRequest, EmbedRequest

_SHORTEST_CHARS = 16
"""Texts are not cut below this: a backend that refuses so little means something else."""


class EmbedQuestion:
    """The texts of one request, or a part of them: always plain. See `codecs.contract.Question`.

    `dimensions` None means all; the vectors are cut where the backend did not do it.
    """

    whole = True
    needs = frozenset(("embedding",))
    conversation_key = ""
    cache_form = "vectors"

    def __init__(self, request: EmbedRequest | EmbeddingsRequest) -> None:
        check_keep_alive(request.keep_alive)
        self._request = request
        self._ask_dimensions = True
        self.model = request.model_name
        self.legacy = isinstance(request, EmbeddingsRequest)
        self.several = isinstance(request.given_input, list)
        self.inputs = embed_inputs(request.given_input)
        self.dimensions = None if isinstance(request, EmbeddingsRequest) else request.dimensions or None
        if self.model:
            check_name(self.model)

    def unknown_model(self) -> ProxyException:
        """Return the 404 of these two routes, or what each says where no model was named."""
        if not self.model:
            return RequestError("model is required") if self.legacy else ModelNotFoundError("model '' not found")
        missing = ModelNotFoundError(f'model "{self.model}" not found, try pulling it first', code="model_not_found")
        return unusable_name(self.model) or missing

    def settle(self) -> None:
        """Check the options, none of which an embedding takes. Raises OptionError."""
        read_options(self._request.options)

    def batches(self, size: int) -> list["EmbedQuestion"]:
        """Return questions of at most `size` texts each, in order."""
        if len(self.inputs) <= size:
            return [self]
        return [self._with(self.inputs[at : at + size]) for at in range(0, len(self.inputs), size)]

    def streams(self, target: Target, dropped: frozenset[str] = frozenset()) -> bool:
        """Return False: vectors come in one piece."""
        return False

    def may_drop(self, parameter: str) -> bool:
        """Return whether a parameter may be left out: vectors come as floats then, and are cut to length by us."""
        return parameter not in ESSENTIAL

    def encode(self, target: Target, dropped: frozenset[str] = frozenset()) -> Encoded:
        """Return the request for `target`; vectors come as base64 where its profile offers it."""
        body: dict[str, object] = {"model": target.model, "input": self.inputs}
        if self.dimensions and self._ask_dimensions:
            body["dimensions"] = self.dimensions
        body["encoding_format"] = "base64" if target.profile.base64_embeddings else "float"
        for name in dropped:
            body.pop(name, None)
        return Encoded("/embeddings", {}, msgspec.json.encode(body))

    def reader(self, target: Target, started_ns: int) -> BackendReader:
        """Return a reader that wants one vector an input."""
        return EmbedReader(len(self.inputs))

    def amended(self, error: UpstreamStatusError) -> "EmbedQuestion | None":
        """Return the question to ask instead after a refusal, None where there is none.

        Texts that are too long are cut to half of the longest, as `/api/embed` of Ollama cuts them to its context; a
        refused `dimensions` is left out. Raises RequestError where `truncate` is false, as Ollama does.
        """
        # llama.cpp refuses what is longer than its batch with 500.
        if error.status not in (400, 413, 422, 500):
            return None
        if is_too_long(error):
            return None if isinstance(self._request, EmbeddingsRequest) else self._shortened(self._request)
        about_dimensions = "dimensions" in (error.param or "") or "dimension" in error.message.lower()
        if self.dimensions and self._ask_dimensions and (about_dimensions or "matryoshka" in error.message.lower()):
            return self._with(self.inputs, ask_dimensions=False)
        return None

    def _shortened(self, request: EmbedRequest) -> "EmbedQuestion":
        limit = max(map(len, self.inputs)) // 2
        if request.truncate is False or limit < _SHORTEST_CHARS:
            raise RequestError("the input length exceeds the context length")
        return self._with([text[:limit] for text in self.inputs], ask_dimensions=self._ask_dimensions)

    def _with(self, inputs: list[str], *, ask_dimensions: bool = True) -> "EmbedQuestion":
        question = EmbedQuestion.__new__(EmbedQuestion)
        question.__dict__.update(self.__dict__, inputs=inputs, _ask_dimensions=ask_dimensions)
        return question
