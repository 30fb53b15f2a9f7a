"""Questions of `/api/chat` and `/api/generate`: schema in, OpenAI request out.

A question is checked in Ollama's order: what concerns the body when it is made, options and `format` in `settle`, once
the model is known to exist.
"""

from abc import ABC, abstractmethod
from typing import Any

import msgspec

from gateway.codecs.backend_errors import is_too_long
from gateway.codecs.chat_reader import ChatReader
from gateway.codecs.context import Conversation
from gateway.codecs.contract import BackendReader, Encoded, Profile, Target
from gateway.codecs.durations import check_keep_alive
from gateway.codecs.format_requests import encode_format
from gateway.codecs.go_texts import go_quote
from gateway.codecs.messages import beginning, encode_messages, user_content
from gateway.codecs.names import check_name, full_name, unusable_name
from gateway.codecs.ollama_writer import CHAT, GENERATE, Shape, load_reply
from gateway.codecs.options import check_format, check_logprobs, check_think, encode_options, read_options
from gateway.codecs.refusals import ESSENTIAL
from gateway.codecs.thinking_requests import encode_think
from gateway.codecs.virtual import with_messages
from gateway.errors import ModelNotFoundError, ProxyException, RequestError, UpstreamStatusError
from gateway.schemas.ollama import ChatRequest, GenerateRequest

_CHAT_PATH = "/chat/completions"
_COMPLETIONS_PATH = "/completions"
_TOO_LONG = (
    "the prompt is longer than the context length currently available to the model; "
    "shorten it, or choose a model with a longer context"
)
NOT_FOUND = "model_not_found"


class GenerationQuestion(ABC):
    """What chat and generate share: options, format, thinking, logprobs, streaming. See `codecs.contract.Question`."""

    shape: Shape
    verb: str
    path = _CHAT_PATH
    conversation: Conversation | None = None
    """What `context` of the answer goes on with; None where the answer has none."""

    def __init__(self, request: ChatRequest | GenerateRequest) -> None:
        self._request = request
        self.model = request.model_name
        self.whole = request.stream is False
        self._think = check_think(request.think)
        self._keep_alive_s = check_keep_alive(request.keep_alive)
        self._options: dict[str, Any] = {}
        self._format: dict[str, Any] | None = None
        check_logprobs(request.top_logprobs)
        if self.model:
            check_name(self.model)

    @property
    @abstractmethod
    def needs(self) -> frozenset[str]:
        """What a model must be able to do to answer."""

    @property
    def cache_form(self) -> str:
        """Whether thinking is shown."""
        return "answer" if self._think is False else "thinking"

    @property
    @abstractmethod
    def conversation_key(self) -> str:
        """What later turns of this conversation have in common with it."""

    @property
    @abstractmethod
    def is_load(self) -> bool:
        """Whether the request only loads (or unloads) the model."""

    @abstractmethod
    def unknown_model(self) -> ProxyException:
        """Return the error for a model nobody serves."""

    @abstractmethod
    def _prompt(self) -> dict[str, Any]:
        """Return the part of the body that carries the prompt."""

    @property
    def is_unload(self) -> bool:
        """Whether the request only unloads the model: answered before anything else of it is checked."""
        return self.is_load and self._keep_alive_s == 0

    def local_reply(self, wall_ns: int) -> bytes | None:
        """Return the answer that needs no backend: a request to load or unload; None for any other."""
        if not self.is_load:
            return None
        return load_reply(self.shape, self.model, wall_ns, unload=self.is_unload)

    def check_capabilities(self, target: Target) -> None:
        """Refuse what the backend says the model cannot do, as Ollama does; what is not known is not refused."""
        if self._think and "thinking" in target.denied:
            raise RequestError(f"{go_quote(self.model)} does not support thinking")
        if "completion" in target.denied:
            raise RequestError(f"{go_quote(self.model)} does not support {self.verb}")

    def settle(self) -> None:
        """Check options and `format`. Raises OptionError (500, as Ollama does)."""
        self._options = read_options(self._request.options)
        self._format = check_format(self._request.format)

    def worded(self, refusal: UpstreamStatusError) -> ProxyException:
        """Return a backend's refusal, in Ollama's words where the client asked for neither truncation nor shifting."""
        request = self._request
        may_not_cut = request.truncate is False or request.shift is False
        if may_not_cut and refusal.status in (400, 413, 422) and is_too_long(refusal):
            return RequestError(_TOO_LONG)
        return refusal

    def streams(self, target: Target, dropped: frozenset[str] = frozenset()) -> bool:
        """Return whether to ask for a stream, also for an answer in one piece: silence and cuts are noticed at once.

        A plain answer is asked for where a stream would come without counts of tokens, and where llama.cpp (whoever is
        before it) has no stream: of probabilities of tokens with tools.
        """
        profile = target.profile
        if self.whole and self._request.logprobs and "tools" in self.needs and not profile.always_streams:
            return False
        return not self.whole or profile.always_streams or (profile.streams_plain and "stream_options" not in dropped)

    def may_drop(self, parameter: str) -> bool:
        """Return whether a parameter only tunes the answer."""
        return parameter not in ESSENTIAL

    def encode(self, target: Target, dropped: frozenset[str] = frozenset()) -> Encoded:
        """Return the request for `target`: only what its profile takes, nothing by default."""
        profile = target.profile
        prompt = self._prompt()
        options, defaults = self._options, target.defaults
        if defaults is not None:
            options = {**defaults.options, **options}
            if "messages" in prompt:
                prompt["messages"] = with_messages(
                    prompt["messages"], defaults, first_role=prompt["messages"][0]["role"]
                )
        streams = self.streams(target, dropped)
        body: dict[str, Any] = {"model": target.model, **prompt, "stream": streams}
        if streams and profile.stream_usage:
            body["stream_options"] = {"include_usage": True}
        if self.path == _COMPLETIONS_PATH:
            dropped |= {"max_completion_tokens"}  # a name of chats alone
        body.update(encode_options(options, profile, dropped))
        if self.path == _CHAT_PATH:
            body.update(self._chat_parameters(profile))
        for name in dropped:
            body.pop(name, None)
        return Encoded(self.path, {}, msgspec.json.encode(body))

    def reader(self, target: Target, started_ns: int) -> BackendReader:
        """Return a reader that shows thinking unless `think` is false."""
        return ChatReader(
            show_thinking=self._think is not False,
            split_tags=self.path == _CHAT_PATH,
            asked=target.model,
            stands_in=target.stand_in not in ("", self.model),
        )

    def _chat_parameters(self, profile: Profile) -> dict[str, Any]:
        request = self._request
        parameters: dict[str, Any] = {}
        if (response_format := encode_format(self._format, profile)) is not None:
            parameters["response_format"] = response_format
        if request.logprobs:
            parameters["logprobs"] = True
            if request.top_logprobs:
                parameters["top_logprobs"] = request.top_logprobs
        parameters.update(encode_think(self._think, profile))
        return parameters


class ChatQuestion(GenerationQuestion):
    """A question of `/api/chat`."""

    shape = CHAT
    verb = "chat"

    def __init__(self, request: ChatRequest) -> None:
        self._messages = encode_messages(request.messages)
        self._tools = [{"type": "function", **tool.model_dump(exclude_unset=True)} for tool in request.tools]
        super().__init__(request)

    @property
    def is_load(self) -> bool:
        """Whether there are no messages."""
        return not self._messages

    def unknown_model(self) -> ProxyException:
        """Return Ollama's 404, or its 400 where no model was named."""
        if not self.model:
            return RequestError("model is required")
        return unusable_name(self.model) or ModelNotFoundError(f"model '{self.model}' not found", code=NOT_FOUND)

    def check_capabilities(self, target: Target) -> None:
        """Refuse thinking, chat and tools where the backend says the model has none."""
        super().check_capabilities(target)
        if self._tools and "tools" in target.denied:
            raise RequestError(f"{full_name(self.model)} does not support tools")

    @property
    def needs(self) -> frozenset[str]:
        """Chat, and tools, images and thinking where the request has them."""
        seen = any(isinstance(message.get("content"), list) for message in self._messages)
        return _needs("completion", tools=self._tools, vision=seen, thinking=self._think)

    @property
    def conversation_key(self) -> str:
        """The beginning of the conversation, up to its first question."""
        return beginning(self._messages)

    def _prompt(self) -> dict[str, Any]:
        prompt: dict[str, Any] = {"messages": self._messages}
        if self._tools:
            prompt["tools"] = self._tools
        return prompt


class GenerateQuestion(GenerationQuestion):
    """A question of `/api/generate`: a chat of one message, or `/completions` for `raw` and `suffix`."""

    shape = GENERATE
    verb = "generate"

    def __init__(self, request: GenerateRequest) -> None:
        self._content = user_content(request.prompt, request.images)
        super().__init__(request)
        self._generate = request
        if request.raw or request.suffix:
            self.path = _COMPLETIONS_PATH
        else:
            self.conversation = Conversation(request.context, system=request.system, prompt=request.prompt)
        if request.raw and (request.template or request.system or request.context):
            self._conflict: RequestError | None = RequestError("raw mode does not support template, system, or context")
        else:
            self._conflict = None

    @property
    def is_load(self) -> bool:
        """Whether there is no prompt (Ollama asks for none but that, whatever else is sent)."""
        return not self._generate.prompt

    def unknown_model(self) -> ProxyException:
        """Return Ollama's 404; a missing name counts as an unknown one."""
        missing = ModelNotFoundError(f"model '{self.model}' not found", code=NOT_FOUND)
        return (unusable_name(self.model) if self.model else None) or missing

    def check_capabilities(self, target: Target) -> None:
        """Refuse what `raw` forbids, then thinking, generation and insertion where the backend says there is none."""
        if self._conflict is not None:
            raise self._conflict
        super().check_capabilities(target)
        if self._generate.suffix and "insert" in target.denied:
            raise RequestError(f"{full_name(self.model)} does not support insert")

    @property
    def needs(self) -> frozenset[str]:
        """Generation, and images, thinking and insertion where the request has them."""
        request = self._generate
        return _needs("completion", vision=request.images, thinking=self._think, insert=request.suffix)

    @property
    def conversation_key(self) -> str:
        """The first prompt of the conversation that `context` carries."""
        return self.conversation.turns[0][1] if self.conversation is not None else ""

    def _prompt(self) -> dict[str, Any]:
        request = self._generate
        if self.conversation is None:
            prompt: dict[str, Any] = {"prompt": request.prompt}
            if request.suffix:
                prompt["suffix"] = request.suffix
            return prompt
        before = [{"role": role, "content": text} for role, text in self.conversation.turns[:-1]]
        return {"messages": [*before, {"role": "user", "content": self._content}]}


def _needs(*always: str, **given: object) -> frozenset[str]:
    return frozenset((*always, *(capability for capability, wanted in given.items() if wanted)))
