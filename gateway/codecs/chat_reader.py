"""ChatReader: a backend's chat (or text completion) answer, as events."""

from typing import Any

from gateway.codecs.answer_reader import AnswerReader
from gateway.codecs.events import Event, Text, Texts, Thinking
from gateway.codecs.repetition import Repetition
from gateway.codecs.sse import SseDecoder
from gateway.codecs.thinking import ThinkTags
from gateway.codecs.tolerance import text_alone
from gateway.codecs.tool_calls import ToolCallAssembler
from gateway.schemas.chunks import Choice, Chunk, Delta

_SETTLING = 3
"""So many events of an answer usually settle who answers, and whether the text begins with thoughts."""


class ChatReader(AnswerReader):
    """Reads `/chat/completions` and `/completions`, streamed or plain.

    `show_thinking=False` drops reasoning that arrives. It is read from `reasoning_content`, `reasoning`, and `<think>`
    tags at the beginning of the text.
    """

    def __init__(
        self,
        *,
        show_thinking: bool = True,
        split_tags: bool = True,
        asked: str | None = None,
        stands_in: bool = False,
    ) -> None:
        super().__init__(asked=asked, stands_in=stands_in)
        self._show_thinking = show_thinking
        self._tags: ThinkTags | None = ThinkTags() if split_tags else None
        self._calls = ToolCallAssembler()
        self._logprobs: list[dict[str, Any]] = []
        self._surrogate = ""
        self._alike = Repetition()

    def _feed_piece(self, sse: SseDecoder, data: bytes) -> list[Event]:
        """Read a live token by its text, where others like it were read before."""
        bare = self._takes_bare_text()
        if bare and (text := self._alike.text(data)):
            self.progress += 1
            return [Text(text)]
        events = self._feed_stream(sse.feed(data))
        if bare and len(events) == 1 and isinstance(events[0], Text):
            self._alike.note(data)
        return events

    def _feed_burst(self, sse: SseDecoder, data: bytes) -> list[Event]:
        """Read many events: those that are alike together, what stands before and behind them one by one."""
        events: list[Event] = []
        at = 0
        if not self._takes_bare_text():
            at = _after_events(data, _SETTLING)
            events += self._feed_stream(sse.feed(data[:at]))
        run = self._alike.find(data, at) if self._takes_bare_text() and not self.ended else None
        if run is not None:
            if run.start > at:
                events += self._feed_stream(sse.feed(data[at : run.start]))
            at = run.start
            if self._takes_bare_text() and not self.ended:
                events.append(Texts(run.texts))
                self.progress += len(run.texts)
                at = run.stop
        if at < len(data) and not self.ended:
            events += self._feed_stream(sse.feed(data[at:]))
        return events

    def _takes_bare_text(self) -> bool:
        """Whether a piece of text is one of the answer, with nothing to be settled, split off or added."""
        return self._tags is None and not (self._unnamed or self._surrogate or self._logprobs)

    def _take_all(self, chunks: list[Chunk], events: list[Event]) -> None:
        """Read a burst. Nearly every chunk is a piece of text and nothing else: told in one place, by one look each."""
        for chunk in chunks:
            text = text_alone(chunk)
            if text and self._tags is None and not self._surrogate and not self._logprobs:
                events.append(Text(text))
                self.progress += 1
            else:
                self._take(chunk, events)

    def _read(self, chunk: Chunk, events: list[Event]) -> None:
        for choice in chunk.choices or ():
            if choice.index:
                continue  # n > 1 has no place in Ollama's answers
            if choice.logprobs is not None and choice.logprobs.content:
                self._logprobs += choice.logprobs.content
            delta = choice.delta or choice.message
            if delta is not None:
                self._read_delta(delta, events)
            elif choice.text:
                self._add_text(choice.text, events)
            if choice.finish_reason:
                self._read_finish(choice, events)

    def _read_delta(self, delta: Delta, events: list[Event]) -> None:
        if reasoning := delta.reasoning_content or delta.reasoning:
            self._add_thinking(reasoning, events)
            if self._tags is not None:
                self._tags.apart()
        content = delta.content
        if content:
            if isinstance(content, str):
                self._add_text(content, events)
            else:
                self._read_parts(content, events)
        elif delta.refusal:
            self._add_text(delta.refusal, events)
        if delta.tool_calls:
            self.progress += 1
            for call in delta.tool_calls:
                self._calls.add(call)

    def _read_parts(self, parts: list[Any], events: list[Event]) -> None:
        """Read content given as a list of parts (Mistral: `text` and `thinking`)."""
        for part in parts:
            if isinstance(part, str):
                self._add_text(part, events)
            elif isinstance(part, dict):
                if isinstance(text := part.get("text"), str):
                    self._add_text(text, events)
                thinking = part.get("thinking")
                for piece in thinking if isinstance(thinking, list) else [thinking]:
                    text = piece.get("text") if isinstance(piece, dict) else piece
                    if isinstance(text, str):
                        self._add_thinking(text, events)

    def _add_thinking(self, text: str, events: list[Event]) -> None:
        self.progress += 1
        if self._show_thinking:
            events.append(Thinking(text))

    def _add_text(self, text: str, events: list[Event]) -> None:
        self.progress += 1
        if self._surrogate or not text.isascii():
            text = self._whole_characters(text)
        if self._tags is not None:
            thinking, text = self._tags.feed(text)
            if self._tags.idle:
                self._tags = None
            if thinking and self._show_thinking:
                events.append(Thinking(thinking))
        if text:
            self._emit(text, events)

    def _emit(self, text: str, events: list[Event]) -> None:
        if self._logprobs:
            events.append(Text(text, tuple(self._logprobs)))
            self._logprobs = []
        else:
            events.append(Text(text))

    def _whole_characters(self, text: str) -> str:
        """Join a surrogate pair that was split over two chunks; a lone half becomes U+FFFD."""
        text = self._surrogate + text
        self._surrogate = ""
        if "\ud800" <= text[-1:] <= "\udbff":
            self._surrogate, text = text[-1], text[:-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _read_finish(self, choice: Choice, events: list[Event]) -> None:
        self.finished = True
        self._reason = choice.finish_reason
        self._conclude(events)

    def _conclude(self, events: list[Event]) -> None:
        if self._surrogate:
            self._surrogate = ""
            self._emit("\ufffd", events)
        if self._tags is not None:
            thinking, text = self._tags.flush()
            if thinking and self._show_thinking:
                events.append(Thinking(thinking))
            if text:
                self._emit(text, events)
            self._tags = None
        if len(self._calls):
            events.extend(self._calls.take(truncated=self._reason == "length"))


def _after_events(data: bytes, count: int) -> int:
    """Return where the first `count` events of `data` end, or all of it."""
    at = 0
    for _ in range(count):
        end = data.find(b"\n\n", at)
        if end < 0:
            return len(data)
        at = end + 2
    return at
