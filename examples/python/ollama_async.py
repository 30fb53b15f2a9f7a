"""Several questions at once, with the asynchronous client (pip install ollama)."""

import asyncio

import ollama

MODEL = "demo"


async def ask(client: ollama.AsyncClient, question: str) -> str:
    """The whole answer, put together from its stream."""
    parts = await client.chat(MODEL, [{"role": "user", "content": question}], stream=True)
    return "".join([part.message.content or "" async for part in parts])


async def main() -> None:
    """Ask all, and print the answers in the order of the questions."""
    async with ollama.AsyncClient() as client:
        questions = [f"What is {number}*{number}?" for number in range(2, 6)]
        for answer in await asyncio.gather(*(ask(client, question) for question in questions)):
            print(answer)


if __name__ == "__main__":
    asyncio.run(main())
