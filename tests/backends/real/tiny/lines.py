"""What the model says: lines in the pieces it says them in, and the cues that make it begin with one or the other.

No two pieces are alike: the piece said last tells alone what comes next.
"""

from itertools import batched
from typing import NamedTuple

type Line = tuple[bytes, ...]


def _line(marked: str) -> Line:
    """A line from its text with a mark between the pieces."""
    return tuple(piece.encode() for piece in marked.split("|"))


def text_of(line: Line) -> str:
    """What a line reads as."""
    return b"".join(line).decode()


PLAIN = _line("Good| day|, I| have| no| weights| worth| mentioning.")
COUNT = _line("un| deux| trois| quatre| cinq| six")
DRUM = _line("boom| tick")
"""Said round and round, without an end."""
SCRIPTS = tuple(bytes(pair) for pair in batched("ñ한글中文🌍☕é!".encode(), 2))
"""Characters of two, three and four bytes, of which most are cut through."""
THOUGHT = _line("They| wrote| to me;| I shall| be| polite|.\n")
REPORT = _line("According| to the| tool:| fair| weather!")
CALL = _line('\n{"name": "|get_weather|", "arguments|": {|"city": "|Paris|"}|}\n')
OTHER_CALL = _line('\n<tool_call>|\n{"name": |"get_weather", |"arguments": |{"city": |"Rome"|}}|\n</tool_call>')

CALL_OPENS, CALL_CLOSES = "<tool_call>", "</tool_call>"
THOUGHT_OPENS, THOUGHT_CLOSES = "<think>", "</think>\n\n"
BEGINS = "assistant\n"
"""What a prompt ends with where an answer is wanted."""


class Cue(NamedTuple):
    """A text that, anywhere in the prompt, makes the answer begin with a token; of several cues the last row wins."""

    text: str
    begins: bytes | None
    """The first piece of a line; None: the end, so that nothing is said."""


CUES = (
    Cue("<tools>", CALL_OPENS.encode()),
    Cue("say:count", COUNT[0]),
    Cue("say:drum", DRUM[0]),
    Cue("say:scripts", SCRIPTS[0]),
    Cue("say:nothing", None),
    Cue("<tool_response>", REPORT[0]),
)
ANOTHER_CUE = "at once"
"""Makes a second call follow the first."""
