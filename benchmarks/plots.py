"""Plots as SVG, written by hand: no library is worth it for bars and lines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import isnan, log10

from benchmarks.noise import Spread
from benchmarks.tables import number

type Place = Callable[[float, float], tuple[float, float]]
"""Where a size and a figure are on the paper."""

_COLOURS = ("#2563a8", "#c2571a", "#3b7d3b", "#7a4a9e", "#8a6d1f", "#555555")
_STYLE = "text{font:12px sans-serif;fill:#333}.t{font-weight:bold}.e{text-anchor:end}.m{text-anchor:middle}"
_WIDTH = 800
_LABELS = 320
_ROW = 26
_TOP = 34


@dataclass(frozen=True, slots=True)
class Line:
    """A series: figures over sizes."""

    name: str
    points: list[tuple[float, Spread]]


def bars(title: str, rows: Sequence[tuple[str, Spread]]) -> str:
    """Return horizontal bars from 0, each with its interval; what was not measured is left out."""
    known = [(name, one) for name, one in rows if not isnan(one.median)]
    most = max((one.high for _, one in known), default=1.0) or 1.0
    scale = (_WIDTH - _LABELS - 130) / most
    parts = [_text(10, 20, title, "t")]
    for index, (name, one) in enumerate(known):
        top = _TOP + index * _ROW
        middle = top + _ROW / 2
        parts.append(_text(_LABELS - 8, middle + 4, name, "e"))
        parts.append(
            f'<rect x="{_LABELS}" y="{top + 4}" width="{one.median * scale:.1f}" height="{_ROW - 8}" '
            f'fill="{_COLOURS[0]}" fill-opacity="0.75"/>'
        )
        parts.append(_stroke(_LABELS + one.low * scale, middle, _LABELS + one.high * scale, middle, "#000"))
        parts.append(_text(_LABELS + one.high * scale + 6, middle + 4, number(one.median)))
    return _svg(_TOP + len(known) * _ROW + 10, parts)


def lines(title: str, axis: str, series: Sequence[Line]) -> str:
    """Return lines over sizes on a logarithmic axis, from 0 upwards, with an interval at each point."""
    points = [point for line in series for point in line.points if not isnan(point[1].median)]
    if not points:
        return _svg(60, [_text(10, 20, f"{title}: nothing measured", "t")])
    most = max(one.high for _, one in points) or 1.0
    sizes = sorted({size for size, _ in points})
    first, last = log10(sizes[0]), log10(sizes[-1])
    left, right, top, bottom = 70, _WIDTH - 230, _TOP + 10, 300

    def place(size: float, value: float) -> tuple[float, float]:
        across = (log10(size) - first) / ((last - first) or 1)
        return left + across * (right - left), bottom - value / most * (bottom - top)

    parts = [_text(10, 20, title, "t"), _text((left + right) / 2, bottom + 38, axis, "m")]
    parts += [_stroke(left, bottom, right, bottom, "#333"), _stroke(left, top, left, bottom, "#333")]
    for size in sizes:
        parts.append(_text(place(size, 0)[0], bottom + 18, f"{size:,.0f}", "m"))
    for part in (0.25, 0.5, 0.75, 1.0):
        y = place(sizes[0], most * part)[1]
        parts += [_text(left - 8, y + 4, number(most * part), "e"), _stroke(left, y, right, y, "#ddd")]
    for index, line in enumerate(series):
        parts += _line(line, index, place, right + 16, top)
    return _svg(bottom + 54, parts)


def _line(line: Line, index: int, place: Place, legend_x: float, top: float) -> list[str]:
    colour = _COLOURS[index % len(_COLOURS)]
    known = [(size, one) for size, one in line.points if not isnan(one.median)]
    middle = [place(size, one.median) for size, one in known]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in middle)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for size, one in known:
        (x, low), (_, high) = place(size, one.low), place(size, one.high)
        parts += [_stroke(x, low, x, high, colour), _stroke(x - 4, low, x + 4, low, colour)]
        parts.append(_stroke(x - 4, high, x + 4, high, colour))
    y = top + 8 + index * 20
    return [*parts, _stroke(legend_x, y, legend_x + 20, y, colour), _text(legend_x + 26, y + 4, line.name)]


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}"{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _stroke(x: float, y: float, to_x: float, to_y: float, colour: str) -> str:
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{colour}"/>'


def _svg(height: float, parts: Sequence[str]) -> str:
    size = f'width="{_WIDTH}" height="{height:.0f}" viewBox="0 0 {_WIDTH} {height:.0f}"'
    background = '<rect width="100%" height="100%" fill="#fff"/>'
    body = "\n".join([f"<style>{_STYLE}</style>", background, *parts])
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>\n{body}\n</svg>\n'
