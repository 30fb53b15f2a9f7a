"""EmbedReader: a backend's answer to `/embeddings`, as events."""

import msgspec

from gateway.codecs.answer_reader import AnswerReader, check_json
from gateway.codecs.backend_errors import error_from_object
from gateway.codecs.events import Event, Usage, Vectors
from gateway.codecs.tolerance import error_told, read_object
from gateway.errors import TranslationError
from gateway.schemas.chunks import Chunk, EmbeddingItem, EmbeddingList

_decode = msgspec.json.Decoder(EmbeddingList).decode


class EmbedReader(AnswerReader):
    """Reads `expected` vectors and puts them into the order of the inputs."""

    def __init__(self, expected: int) -> None:
        super().__init__()
        self._expected = expected

    def _read(self, chunk: Chunk, events: list[Event]) -> None:
        raise TranslationError("the backend streamed its answer to an embedding request")

    def _conclude(self, events: list[Event]) -> None:
        """Append nothing: vectors are not held back."""

    def _read_body(self, body: bytes, events: list[Event]) -> None:
        text = check_json(body)
        answer = _decode_list(text)
        if error := answer.error or (error_told(read_object(text)) if answer.data is None else None):
            raise error_from_object(error)
        items = answer.data or []
        if len(items) != self._expected:
            raise TranslationError(f"the backend answered with {len(items)} embeddings for {self._expected} inputs")
        if all(item.index is not None for item in items):
            items.sort(key=lambda item: item.index or 0)
        if answer.usage is not None:
            self._usage = Usage(prompt_tokens=answer.usage.prompt_tokens)
        events.append(Vectors([item.embedding for item in items]))
        self.progress += 1
        self.finished = True


def _decode_list(body: bytes) -> EmbeddingList:
    try:
        return _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raw = read_object(body)
    if raw.get("error"):
        return EmbeddingList(error=raw["error"])
    try:
        data = msgspec.convert(raw.get("data"), list[EmbeddingItem] | None, strict=False)
    except (msgspec.ValidationError, UnicodeEncodeError):  # half a surrogate pair is no text
        raise TranslationError("the backend's embeddings are neither lists of numbers nor base64") from None
    return EmbeddingList(data=data)
