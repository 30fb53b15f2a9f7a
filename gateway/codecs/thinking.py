"""Reasoning that a backend leaves in the text, between `<think>` tags at its beginning."""

_OPEN = "<think>"
_CLOSE = "</think>"


class ThinkTags:
    """Splits text, cut anywhere, into (thinking, content). A tag counts only before any other text.

    `settled` becomes True once no tag can follow; from then on text needs no splitting.
    """

    __slots__ = ("_held", "_inside", "_trim", "settled")

    def __init__(self) -> None:
        self._held = ""
        self._inside = False
        self._trim = False
        self.settled = False

    def feed(self, text: str) -> tuple[str, str]:
        """Return the (thinking, content) that `text` settles; what may be half a tag is held back."""
        if self.settled:
            return "", self._trimmed(text)
        text = self._held + text
        self._held = ""
        if not self._inside:
            start = text.lstrip()
            if start.startswith(_OPEN):
                self._inside = True
                text = start[len(_OPEN) :]
            elif _OPEN.startswith(start):
                self._held = text
                return "", ""
            else:
                self.settled = True
                return "", text
        thinking, tag, content = text.partition(_CLOSE)
        if tag:
            self.settled = self._trim = True
            return thinking, self._trimmed(content)
        keep = _overlap(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep], ""

    def apart(self) -> None:
        """Reasoning came apart from the text: no tag can follow, only the line breaks before the answer."""
        if not self.settled and not self._held:
            self.settled = self._trim = True

    def _trimmed(self, content: str) -> str:
        """Drop the line breaks between the closing tag and the answer."""
        if self._trim:
            content = content.lstrip("\n")
            self._trim = not content
        return content

    def flush(self) -> tuple[str, str]:
        """Return what was held back when the answer ended."""
        held, self._held = self._held, ""
        return (held, "") if self._inside and not self.settled else ("", held)

    @property
    def idle(self) -> bool:
        """True once text passes through unchanged."""
        return self.settled and not self._trim


def _overlap(text: str) -> int:
    """Return how many characters at the end of `text` may be the start of the closing tag."""
    for size in range(min(len(_CLOSE) - 1, len(text)), 0, -1):
        if _CLOSE.startswith(text[-size:]):
            return size
    return 0
