"""What a text offers to fill an answer with: names, words and numbers, in the order a reader would pick them."""

import re
from collections.abc import Iterable, Iterator

_DULL = """
    a about again all also am an and any are as ask at be been both but by call can could current day did do does
    for from function get give go had has have he hello help her hey hi him his how i if in into is it its just know
    let list like make many may me more much my need no not now of old on one or our out please say set she should show
    so some tell than thank thanks that the their them then there these they this those to today tool up us use user
    using value want was we were what when where which who whose why will with would year years yes you your
"""
_STOP_WORDS = frozenset(_DULL.split())
_NUMBERS = "zero one two three four five six seven eight nine ten eleven twelve"
_NUMBER_WORDS = {word: number for number, word in enumerate(_NUMBERS.split())}
_QUOTED = re.compile(r'"([^"]{1,200})"|\u201c([^\u201d]{1,200})\u201d|`([^`]{1,200})`')
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
_NUMBER = re.compile(r"(?<![\w.])-?\d{1,15}(?:\.\d{1,6})?(?!\d)")
_VERB = re.compile(r"\s+(?:is|was|has|had|lives|likes|loves|works|and)\b")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

type Found = tuple[int, int, str]
"""Kind (smaller is better), position in the text, words."""


def significant(text: str) -> set[str]:
    """The words of a text or a name that mean something, in lower case: `getWeather_now` gives `weather`."""
    spaced = _CAMEL.sub(" ", text).replace("_", " ")
    return {word for word in (match.casefold() for match in _WORD.findall(spaced)) if word not in _STOP_WORDS}


def is_dull(word: str) -> bool:
    """Whether the word, in lower case, says nothing about what a text is about."""
    return word in _STOP_WORDS or not word[0].isalnum()


class Supply:
    """Hands out the names, words and numbers of a text, best first, each once."""

    def __init__(self, text: str, *, skip: Iterable[str] = (), start: int = 0) -> None:
        """`skip` are words that are no answer; what stands after `start` in the text is preferred."""
        self.text = text
        self._skip = {word.casefold() for word in skip}
        found = sorted(self._find(), key=lambda item: (item[0], item[1] < start, item[1]))
        self._strings = iter(dict.fromkeys(words for _, _, words in found))
        numbers = sorted(_numbers(text), key=lambda item: (item[0] < start, item[0]))
        self._numbers = iter([number for _, number in numbers])
        self._made = 0

    def string(self, fallback: str) -> str:
        """The next quoted text, name or word; `fallback`, numbered, when there is none left."""
        return next(self._strings, None) or self._numbered(fallback)

    def number(self) -> float:
        """The next number in the text; 1, 2, 3, ... when there is none left."""
        found = next(self._numbers, None)
        if found is None:
            self._made += 1
        return self._made if found is None else found

    def _numbered(self, fallback: str) -> str:
        self._made += 1
        return fallback if self._made == 1 else f"{fallback} {self._made}"

    def _find(self) -> Iterator[Found]:
        for match in _QUOTED.finditer(self.text):
            yield 0, match.start(), next(group for group in match.groups() if group)
        yield from _names(self.text, self._skip)
        dull = _STOP_WORDS | self._skip
        for match in _WORD.finditer(self.text):
            if match[0].casefold() not in dull and not match[0].isdigit():
                yield 3, match.start(), match[0]


def _names(text: str, skip: set[str]) -> Iterator[Found]:
    """Runs of capitalised words; one that begins a sentence, and not as its subject, is a weaker guess."""
    dull = _STOP_WORDS | skip
    run: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        if run and text[run[-1].end() : match.start()] != " ":
            yield _name(text, run)
            run = []
        if match[0][0].isupper() and match[0].casefold() not in dull:
            run.append(match)
        elif run:
            yield _name(text, run)
            run = []
    if run:
        yield _name(text, run)


def _name(text: str, run: list[re.Match[str]]) -> Found:
    before = text[: run[0].start()].rstrip()
    begins_sentence = not before or before[-1] in ".!?:"
    weak = begins_sentence and not _VERB.match(text, run[-1].end())
    return (2 if weak else 1), run[0].start(), " ".join(match[0] for match in run)


def _numbers(text: str) -> Iterator[tuple[int, float]]:
    for match in _NUMBER.finditer(text):
        yield match.start(), float(match[0]) if "." in match[0] else int(match[0])
    for word in _WORD.finditer(text):
        if word[0].casefold() in _NUMBER_WORDS:
            yield word.start(), _NUMBER_WORDS[word[0].casefold()]
