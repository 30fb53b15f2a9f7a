"""What the status page wants to know of the traffic, so that it does not depend on how that is counted."""

from typing import Protocol, TypedDict


class RecentRequest(TypedDict):
    """One request: names and numbers, never content. None means it did not happen yet, or is not known.

    `began_s` is seconds since 1970; `duration_s` is how long it took, or has taken so far where `status` is None.
    """

    id: str
    began_s: float
    method: str
    route: str
    model: str | None
    backend: str | None
    status: int | None
    error: str | None
    duration_s: float
    first_chunk_s: float | None
    output_tokens: int | None
    attempts: int


class Totals(TypedDict):
    """Counts since the process started, the page's own requests left out; `in_flight` and `waiting` are of now.

    `first_chunk_s` is the sum of the `first_chunks` times to a first chunk; `speeds_sum` is the sum of how many tokens
    a second `speeds` streams had, each for itself. `recent` has the latest request first.
    """

    requests: int
    errors: int
    in_flight: int
    waiting: int
    output_tokens: int
    first_chunks: int
    first_chunk_s: float
    speeds: int
    speeds_sum: float
    recent: list[RecentRequest]


class Numbers(Protocol):
    """Where the numbers come from."""

    def snapshot(self) -> Totals:
        """Return what has been counted so far."""
        ...
