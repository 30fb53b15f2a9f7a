"""The weights: one layer of the Qwen 2 architecture that recites lines.

Each token has a direction of its own in the residual stream, beside one direction that all share (a bias) and one flag
for each cue. The matrix after the layer says which token follows which; an attention head for each cue looks for it
in the whole prompt and raises its flag. What a grammar allows where no line goes on is chosen by a fixed order of
bytes, which ends objects, lists and texts as early as it may.
"""

import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from itertools import pairwise
from typing import NamedTuple

from tests.backends.real.tiny import lines

HEAD = 64
SLOWEST = HEAD // 2 - 1
"""The place in a head that its position turns least."""
TURNING = 1e9
"""The base of those turns: over the whole context the slowest one is none."""
EPSILON = 1e-6
FEED_FORWARD = 32
CONTEXT = 4096

SURE, CALLED_AGAIN, CALLED, MILD = 60.0, 55.0, 40.0, 0.0
SELDOM, NEVER = -500.0, -800.0
END_ANYWHERE, STEP = -20.0, 12.0
FLAG = 0.1
"""How high a flag is raised: too little to change the length of the residual."""
BYTE_ORDER = '"}],:1abcdefghijklmnopqrstuvwxyz0'
"""What is chosen among what a grammar allows, after the end of the text: the first of these, then what is printable."""


class Kind(IntEnum):
    """What a token is, in the numbers of the GGUF format."""

    TEXT = 1
    CONTROL = 3
    MARK = 4
    """Text that the tokenizer always takes as one."""


END, TURN_OPENS, TURN_CLOSES = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
MERGE = ("t", "h")
"""File formats want at least one."""


def letters() -> dict[int, str]:
    """The printable letter that stands for each byte in the vocabularies of byte-level tokenizers."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = (byte for byte in range(256) if byte not in printable)
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + i) for i, byte in enumerate(others)}


LETTERS = letters()


def written(piece: bytes) -> str:
    """A piece in those letters."""
    return "".join(LETTERS[byte] for byte in piece)


class Matrix(NamedTuple):
    """Numbers by row, of which most are 0."""

    rows: int
    columns: int
    entries: Mapping[tuple[int, int], float]

    @property
    def shape(self) -> list[int]:
        """Rows and columns; of one row only its length."""
        return [self.columns] if self.rows == 1 else [self.rows, self.columns]

    def bytes(self) -> bytes:
        """All numbers, as little-endian floats of four bytes."""
        numbers = array("f", bytes(4 * self.rows * self.columns))
        for (row, column), value in self.entries.items():
            numbers[row * self.columns + column] = value
        return numbers.tobytes()


def even(size: int, value: float) -> Matrix:
    """A vector of equal numbers, as one row."""
    return Matrix(1, size, {(0, column): value for column in range(size)} if value else {})


class Vocabulary:
    """The tokens by number, with their texts as files write them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.kinds: list[Kind] = []
        self.numbers: dict[str, int] = {}
        marks = (lines.THOUGHT_OPENS, lines.THOUGHT_CLOSES, lines.CALL_OPENS, lines.CALL_CLOSES, lines.BEGINS)
        cues = (*(cue.text for cue in lines.CUES), lines.ANOTHER_CUE)
        self._add((END, TURN_OPENS, TURN_CLOSES), Kind.CONTROL)
        self._add((*marks, *cues), Kind.MARK)
        self._add((*LETTERS.values(), "".join(MERGE)), Kind.TEXT)
        said = (lines.PLAIN, lines.COUNT, lines.DRUM, lines.SCRIPTS, lines.THOUGHT, lines.REPORT, lines.CALL)
        self._add((written(piece) for line in (*said, lines.OTHER_CALL) for piece in line), Kind.TEXT)

    def _add(self, texts: Iterable[str], kind: Kind) -> None:
        for text in texts:
            if text in self.numbers:
                raise ValueError(f"two tokens are {text!r}")
            self.numbers[text] = len(self.texts)
            self.texts.append(text)
            self.kinds.append(kind)

    def line(self, line: lines.Line) -> list[int]:
        """The tokens of a line."""
        return [self.numbers[written(piece)] for piece in line]


class Network:
    """The vocabulary and the weights, of a model that thinks first or of one that does not."""

    def __init__(self, *, thinking: bool) -> None:
        self.vocabulary = Vocabulary()
        self.thinking = thinking
        size = len(self.vocabulary.texts)
        self.bias = size
        self.flags = range(size + 1, size + 2 + len(lines.CUES))
        # The heads share the width; more of them than cues see nothing.
        self.heads = max(len(self.flags), -(-self.flags.stop // HEAD))
        self.width = self.heads * HEAD

    def tensors(self) -> Iterator[tuple[str, Matrix]]:
        """All tensors, by the names that `safetensors` files of the architecture give them."""
        size = len(self.vocabulary.texts)
        # A residual of two ones has this length before the norm; the norm's own factor is taken back.
        unit = even(self.width, math.sqrt(2 / self.width))
        embedding = {(token, place): 1.0 for token in range(size) for place in (token, self.bias)}
        yield "model.embed_tokens.weight", Matrix(size, self.width, embedding)
        yield "lm_head.weight", Matrix(size, self.width, self._next())
        yield "model.norm.weight", unit
        layer = "model.layers.0."
        yield layer + "input_layernorm.weight", unit
        yield layer + "post_attention_layernorm.weight", unit
        yield layer + "self_attn.q_proj.weight", Matrix(self.width, self.width, {})
        yield layer + "self_attn.q_proj.bias", Matrix(1, self.width, {(0, p): 20.0 for p in self._places(SLOWEST)})
        yield layer + "self_attn.k_proj.weight", Matrix(self.width, self.width, self._looking(SLOWEST, 20.0))
        yield layer + "self_attn.v_proj.weight", Matrix(self.width, self.width, self._looking(0, 1.0))
        for name in ("k", "v"):
            yield f"{layer}self_attn.{name}_proj.bias", even(self.width, 0)
        raising = dict.fromkeys(zip(self.flags, self._places(0), strict=True), FLAG)
        yield layer + "self_attn.o_proj.weight", Matrix(self.width, self.width, raising)
        for name in ("gate", "up"):
            yield f"{layer}mlp.{name}_proj.weight", Matrix(FEED_FORWARD, self.width, {})
        yield layer + "mlp.down_proj.weight", Matrix(self.width, FEED_FORWARD, {})

    def _places(self, within: int) -> list[int]:
        return [head * HEAD + within for head in range(len(self.flags))]

    def _looking(self, within: int, strength: float) -> dict[tuple[int, int], float]:
        """Each head sees the token of its cue."""
        cues = (*(cue.text for cue in lines.CUES), lines.ANOTHER_CUE)
        return {
            (place, self.vocabulary.numbers[cue]): strength
            for place, cue in zip(self._places(within), cues, strict=True)
        }

    def _next(self) -> dict[tuple[int, int], float]:
        """How likely each token is: by the bias, after the token before, and with the flags."""
        base = self._likely_anywhere()
        entries = {(token, self.bias): value for token, value in base.items()}
        for (before, after), value in self._likely_after().items():
            entries[after, before] = value - base[after]
        numbers = self.vocabulary.numbers
        for rank, (cue, flag) in enumerate(zip(lines.CUES, self.flags, strict=False), 1):
            token = numbers[TURN_CLOSES] if cue.begins is None else numbers[written(cue.begins)]
            entries[token, flag] = (7.0 * rank - base[token]) / FLAG
        again = numbers[written(lines.OTHER_CALL[0])]
        entries[again, self.flags[-1]] = (CALLED_AGAIN - base[again]) / FLAG
        return entries

    def _likely_anywhere(self) -> dict[int, float]:
        likely = dict.fromkeys(range(len(self.vocabulary.texts)), NEVER)
        numbers = self.vocabulary.numbers
        likely[numbers[TURN_CLOSES]] = END_ANYWHERE
        likely |= {numbers[chr(code)]: SELDOM for code in range(0x21, 0x7F)}
        likely |= {numbers[letter]: END_ANYWHERE - STEP * rank for rank, letter in enumerate(BYTE_ORDER, 1)}
        return likely

    def _likely_after(self) -> dict[tuple[int, int], float]:
        line, numbers = self.vocabulary.line, self.vocabulary.numbers
        end, begin = numbers[TURN_CLOSES], numbers[lines.BEGINS]
        opens, closes = numbers[lines.CALL_OPENS], numbers[lines.CALL_CLOSES]
        said = [
            [*line(chain), end] for chain in (lines.PLAIN, lines.COUNT, lines.SCRIPTS, lines.REPORT, lines.OTHER_CALL)
        ]
        said += [[opens, *line(lines.CALL), closes], [*line(lines.DRUM), line(lines.DRUM)[0]]]
        places = [begin, numbers[lines.THOUGHT_CLOSES]]
        if self.thinking:
            thought = numbers[lines.THOUGHT_OPENS], *line(lines.THOUGHT), numbers[lines.THOUGHT_CLOSES]
            said.append([places.pop(0), *thought])
        after = {pair: SURE for chain in said for pair in pairwise(chain)}
        after[closes, end] = CALLED
        # The same, where a grammar wrote the call byte by byte: no list of calls, and an end after the mark.
        onward = numbers["}"], numbers[written(b"\n")], numbers["<"]
        after |= dict.fromkeys(pairwise(onward), END_ANYWHERE - 3.5 * STEP)
        after[numbers[">"], end] = SURE
        # Where an answer may begin, a cue must be able to win, and no second call comes first.
        for place in places:
            after[place, line(lines.PLAIN)[0]] = MILD
        for place in (begin, numbers[lines.THOUGHT_CLOSES], numbers[lines.THOUGHT_OPENS]):
            after[place, line(lines.OTHER_CALL)[0]] = 2 * NEVER
        return after
