"""Reads an Accept header, where a route has two forms to offer."""

_JSON = ("application/json", "application/*", "*/*")
_TEXT = ("text/plain", "text/*", "*/*")


def prefers_json(accept: str) -> bool:
    """Return whether `accept` rates application/json strictly above text/plain and `*/*`. No header prefers nothing."""
    qualities = _qualities(accept)
    return _rated(qualities, _JSON) > max(_rated(qualities, _TEXT), qualities.get("*/*", 0.0))


def names_html(accept: str) -> bool:
    """Return whether `accept` names text/html itself, as browsers do, and neither of the other forms above it."""
    qualities = _qualities(accept)
    html = qualities.get("text/html", 0.0)
    return html > 0.0 and html >= max(qualities.get(name, 0.0) for name in ("application/json", "text/plain"))


def _rated(qualities: dict[str, float], ranges: tuple[str, ...]) -> float:
    """Return the quality of a type: that of the most specific range that holds it, 0 where none does."""
    return next((qualities[name] for name in ranges if name in qualities), 0.0)


def _qualities(accept: str) -> dict[str, float]:
    qualities: dict[str, float] = {}
    for item in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in item.split(";"))
        if media_range:
            qualities[media_range] = max(qualities.get(media_range, 0.0), _quality(parameters))
    return qualities


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                return 0.0
            # The comparison is false for NaN, too.
            return quality if 0.0 <= quality <= 1.0 else 0.0
    return 1.0
