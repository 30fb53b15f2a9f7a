"""Small sums: the four operations, brackets and decimals, found anywhere in a text."""

import ast
import operator
import re
from collections.abc import Callable

_TIMES, _DIVIDED = "\u00d7", "\u00f7"
_SUM = re.compile(rf"(?<![\w.-])[-(]{{0,3}}\d[\d\s.()+*/{_TIMES}{_DIVIDED}-]{{1,60}}")
_DATE = re.compile(r"\d{1,4}[-/]\d{1,2}[-/]\d{1,4}|\d+-\d+-\d+")
_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def solve(text: str) -> str | None:
    """The first sum in a text and its result, as `2+2 = 4`; None when there is none. Dates are not sums."""
    for match in _SUM.finditer(text):
        written = match[0].strip().rstrip(f" .+*/-{_TIMES}{_DIVIDED}")
        if _DATE.fullmatch(written):
            continue
        try:
            tree = ast.parse(written.replace(_TIMES, "*").replace(_DIVIDED, "/"), mode="eval").body
            result = _value(tree)
        except ZeroDivisionError:
            return f"{written} has no result, because nothing can be divided by zero"
        except (SyntaxError, ValueError, OverflowError):
            continue
        if isinstance(tree, ast.BinOp):
            return f"{written} = {_shown(result)}"
    return None


def _shown(result: float) -> str:
    return str(int(result)) if result == int(result) else f"{result:.10g}"


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _OPERATIONS:
            return _OPERATIONS[type(operation)](_value(left), _value(right))
    raise ValueError("not a sum")
