"""The texts of errors as the gateway's source has them: "…" stands for what is filled in."""

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.documents.files import ROOT

HOLE = "…"


class Raised(NamedTuple):
    """The text of an error that is made somewhere."""

    place: str
    text: str


def raised(errors: frozenset[str], folders: tuple[str, ...]) -> Iterator[Raised]:
    """Yield the texts that errors of these classes are made with, but for the packages in `folders`.

    A text that a name or a function stands for is found where a module says it outright; another is left out.
    """
    package = ROOT / "gateway"
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in folders:
            yield from _of(path, errors)


def _of(path: Path, errors: frozenset[str]) -> Iterator[Raised]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = _names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors and node.args:
            for text in _texts(node.args[0], names):
                yield Raised(f"{path.relative_to(ROOT)}:{node.lineno}", text)


def _names(tree: ast.Module) -> dict[str, list[str]]:
    """Return what each name and each function of a module may say."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found.setdefault(node.targets[0].id, []).extend(_texts(node.value, {}))
        elif isinstance(node, ast.FunctionDef):
            told = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Return) and inner.value)
            found.setdefault(node.name, []).extend(text for value in told for text in _texts(value, {}))
    return found


def _texts(node: ast.expr, names: Mapping[str, list[str]]) -> list[str]:
    """Return what an expression may say."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else HOLE for part in parts)]
        case ast.BinOp(left=left, right=right):
            begin, end = _texts(left, names) or [HOLE], _texts(right, names) or [HOLE]
            return [first + second for first in begin for second in end]
        case ast.IfExp(body=body, orelse=other):
            return _texts(body, names) + _texts(other, names)
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            return names.get(name, [])
        case ast.Dict(values=values):
            return [text for value in values for text in _texts(value, names)]
        case ast.Subscript(value=ast.Name(id=name)):
            return names.get(name, [])
    return []
