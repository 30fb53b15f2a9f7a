"""What a model that embeds is asked: its dimension, base64, and several texts at once."""

from dataclasses import dataclass

from gateway.doctor.patient import Patient
from gateway.doctor.results import Result, no, partly, unknown, yes

TEXTS = ["red", "green", "blue"]
_FLOAT_BYTES = 4


@dataclass(slots=True)
class EmbeddingProbes:
    """The three questions; `dimension` is known after the first."""

    dimension: int = 0

    async def ask(self, patient: Patient) -> Result:
        """Ask for one vector; the value is its dimension."""
        reply = await patient.embed(TEXTS[:1])
        size = _dimension(reply.vectors[0])
        if size is None:
            return no("the answer holds no vector")
        self.dimension = size
        numbers = isinstance(reply.vectors[0], list)
        return yes(value=size) if numbers else partly("base64 where numbers were asked for", value=size)

    async def ask_base64(self, patient: Patient) -> Result:
        """Ask for a vector as base64."""
        reply = await patient.embed(TEXTS[:1], {"encoding_format": "base64"})
        vector = reply.vectors[0]
        if isinstance(vector, list):
            return no("accepted, but numbers come")
        size = _dimension(vector)
        if size is None:
            return unknown("what comes is not base64 of numbers")
        return yes() if size == self.dimension else partly(f"{size} numbers where {self.dimension} are usual")

    async def ask_batch(self, patient: Patient) -> Result:
        """Ask for several vectors at once."""
        reply = await patient.embed(TEXTS)
        sizes = {_dimension(vector) for vector in reply.vectors}
        return yes() if sizes == {self.dimension} else partly("vectors of different dimensions come")


def _dimension(vector: object) -> int | None:
    if isinstance(vector, list):
        return len(vector) or None
    if not isinstance(vector, bytes):
        return None
    return len(vector) // _FLOAT_BYTES if vector and len(vector) % _FLOAT_BYTES == 0 else None
