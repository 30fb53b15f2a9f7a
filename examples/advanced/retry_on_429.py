"""Wait as long as a refusal says, then ask again (pip install ollama httpx): for limits and for a full queue.

The `openai` package does this by itself. The error that `ollama` raises has no headers: a hook keeps what they say.
"""

import time

import httpx
import ollama

MODEL, ATTEMPTS = "demo", 5
PATIENCE_S = 60.0
"""A wait that is longer than this is not worth it."""


class PatientClient:
    """A client that honours `Retry-After` of 429 and 503."""

    def __init__(self) -> None:
        self._retry_after_s = 1.0
        self._client = ollama.Client(event_hooks={"response": [self._remember]})

    def _remember(self, response: httpx.Response) -> None:
        """Keep what the latest answer says; the gateway writes seconds."""
        self._retry_after_s = float(response.headers.get("retry-after", 1))

    def chat(self, question: str) -> str:
        """The answer; ollama.ResponseError after so many attempts, or when told to wait for too long."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._client.chat(MODEL, [{"role": "user", "content": question}]).message.content or ""
            except ollama.ResponseError as error:
                if error.status_code not in (429, 503) or attempt == ATTEMPTS or self._retry_after_s > PATIENCE_S:
                    raise
                print(f"{error.status_code}, again in {self._retry_after_s:.0f} s")
                time.sleep(self._retry_after_s)
        raise AssertionError("the last attempt returns or raises")


def main() -> None:
    """Ask, whatever it takes."""
    print(PatientClient().chat("What is 6*7?"))


if __name__ == "__main__":
    main()
