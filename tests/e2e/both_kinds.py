"""One way to call clients that come in two kinds, synchronous and asynchronous, so that each case is written once."""

from collections.abc import AsyncIterable
from inspect import isawaitable
from typing import Any


async def answered(result: Any) -> Any:
    """What a call returned, awaited where it must be."""
    return await result if isawaitable(result) else result


async def streamed(result: Any) -> list[Any]:
    """All parts of a stream."""
    parts = await answered(result)
    return [part async for part in parts] if isinstance(parts, AsyncIterable) else list(parts)


async def first_of(result: Any) -> Any:
    """The first part of a stream, which is then left."""
    parts = await answered(result)
    if not isinstance(parts, AsyncIterable):
        part = next(parts)
        parts.close()
        return part
    generator: Any = aiter(parts)
    part = await anext(generator)
    await generator.aclose()
    return part
