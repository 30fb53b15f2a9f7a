"""The `ollama` package, any version since 0.3. Answers are read by subscript: old ones are dictionaries."""

import inspect
import sys
from typing import Any

import ollama

from tests.golden.drivers.frame import Case, Heard, Result, drive

NAMES = ("messages", "prompt", "tools", "think", "options", "format", "keep_alive")
client: Any = ollama.Client(host=sys.argv[1])


def ask(method: Any, case: Case) -> Any:
    """Call a method with what the case has and this version takes."""
    taken = inspect.signature(method).parameters
    given = {name: case[name] for name in NAMES if name in case and name in taken}
    return method(model=case["model"], stream=case["stream"], **given)


def hear(part: Any, heard: Heard) -> None:
    """Add a part of a chat or of a generated text."""
    message = part.get("message") or part
    heard.text += message.get("content") or message.get("response") or ""
    heard.thinking += message.get("thinking") or ""
    for call in message.get("tool_calls") or []:
        heard.calls.append([call["function"]["name"], dict(call["function"]["arguments"])])
    if part.get("eval_count") is not None:
        # Added up, as programs do that expect counts at the end alone.
        before = heard.tokens or [0, 0]
        heard.tokens = [before[0] + part["prompt_eval_count"], before[1] + part["eval_count"]]
    heard.reason = part.get("done_reason") or heard.reason


def talk(method: Any, case: Case) -> Result:
    """Ask, and hear the whole answer."""
    heard = Heard()
    try:
        answer = ask(method, case)
        for part in answer if case["stream"] else [answer]:
            hear(part, heard)
    except ollama.ResponseError as error:
        heard.refuse(error)
    return heard.result


def show(case: Case) -> Result:
    """What a model can do, and how much it reads."""
    shown = client.show(case["model"])
    info = shown.get("modelinfo") or shown.get("model_info")
    lengths = [value for key, value in info.items() if "context_length" in key]
    return {"context": lengths, "capabilities": sorted(shown.get("capabilities") or [])}


def tags(_case: Case) -> Result:
    """The digests of all models."""
    return {"digests": {model["model"]: model["digest"] for model in client.list()["models"]}}


def pull(case: Case) -> Result:
    """How a pull ends."""
    answer = client.pull(case["model"], stream=case["stream"])
    return {"status": list(answer)[-1]["status"] if case["stream"] else answer["status"]}


if __name__ == "__main__":
    drive(
        {
            "chat": lambda case: talk(client.chat, case),
            "generate": lambda case: talk(client.generate, case),
            "load by chat": lambda case: talk(client.chat, case),
            "load by generate": lambda case: talk(client.generate, case),
            "show": show,
            "tags": tags,
            "pull": pull,
        }
    )
