"""A tool that the model may call: question, call, result, and an answer that uses it (pip install ollama)."""

import ollama

MODEL = "demo"


def get_weather(city: str) -> str:
    """Get the weather in a city.

    Args:
        city: Name of the city

    Returns:
        What the sky is like.
    """
    return "clear" if city == "Paris" else "cloudy"


def main() -> None:
    """Call whatever tool the model asks for, until it asks for none."""
    tools = {"get_weather": get_weather}
    messages = [ollama.Message(role="user", content="What is the weather in Paris?")]
    while True:
        answer = ollama.chat(MODEL, messages, tools=list(tools.values())).message
        messages.append(answer)
        if not answer.tool_calls:
            break
        for call in answer.tool_calls:
            name, arguments = call.function.name, call.function.arguments
            print(f"{name}({dict(arguments)})")
            messages.append(ollama.Message(role="tool", tool_name=name, content=tools[name](**arguments)))
    print(answer.content)


if __name__ == "__main__":
    main()
