"""The frame of all drivers: cases in, results out; a case that ends in an unforeseen error is told as `crash`."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from typing import Any

type Case = dict[str, Any]
type Result = dict[str, Any]


def drive(kinds: Mapping[str, Callable[[Case], Result]]) -> None:
    """Run every case of stdin whose kind the client has, and write the results by their ids."""
    results: dict[str, Result] = {}
    for case in json.load(sys.stdin):
        if case["kind"] in kinds:
            try:
                results[case["id"]] = kinds[case["kind"]](case)
            except Exception:  # noqa: BLE001 - whatever it is, the report has it and the other cases go on
                results[case["id"]] = {"crash": traceback.format_exc()}
    json.dump(results, sys.stdout)


class Heard:
    """What a client has told of one answer so far; an error keeps what came before it."""

    def __init__(self) -> None:
        self.text = ""
        self.thinking = ""
        self.calls: list[list[Any]] = []
        self.tokens: list[int] | None = None
        self.reason: str | None = None
        self.error = ""
        self.status: int | None = None

    def refuse(self, error: Any) -> None:
        """Keep an `ollama.ResponseError`."""
        self.error = error.error
        self.status = error.status_code

    @property
    def result(self) -> Result:
        """Everything."""
        return dict(vars(self))
