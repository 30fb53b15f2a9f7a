"""LangChain (pip install langchain-ollama): a chain that streams, a tool, and an answer that fits a schema."""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_ollama import ChatOllama
from pydantic import BaseModel

MODEL = "demo"


class Person(BaseModel):
    """What is read from a sentence."""

    name: str
    age: int


@tool
def get_weather(city: str) -> str:
    """Get the weather in a city."""
    return f"clear in {city}"


def main() -> None:
    """One after the other."""
    model = ChatOllama(model=MODEL, temperature=0)
    prompt = ChatPromptTemplate.from_messages([("system", "You are brief."), ("human", "What is {sum}?")])
    for part in (prompt | model | StrOutputParser()).stream({"sum": "6*7"}):
        print(part, end="", flush=True)
    print()
    for call in model.bind_tools([get_weather]).invoke("What is the weather in Paris?").tool_calls:
        print(get_weather.invoke(call["args"]))
    print(model.with_structured_output(Person).invoke("Alice is 22 years old."))


if __name__ == "__main__":
    main()
