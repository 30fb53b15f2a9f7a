"""Stop an answer that is no longer wanted (pip install ollama): the gateway then stops the backend."""

import asyncio

import ollama

MODEL, ENOUGH = "demo", 3


async def first_parts(question: str, count: int) -> list[str]:
    """The first parts of an answer; closing the stream closes the connection, and with it the work behind it."""
    async with ollama.AsyncClient() as client:
        stream = await client.chat(MODEL, [{"role": "user", "content": question}], stream=True)
        said: list[str] = []
        async for part in stream:
            said.append(part.message.content or "")
            if len(said) == count:
                break
        return said


async def main() -> None:
    """Take some, or none when the time is up."""
    try:
        async with asyncio.timeout(30):
            said = await first_parts("Tell me a long story.", ENOUGH)
    except TimeoutError:
        print("Nothing came in time.")
    else:
        print(f"Enough after {len(said)} parts: {''.join(said)}")


if __name__ == "__main__":
    asyncio.run(main())
