"""An answer that fits a schema (pip install ollama, which brings pydantic)."""

import ollama
from pydantic import BaseModel

MODEL = "demo"


class Person(BaseModel):
    """What is asked for; its JSON schema goes with the request."""

    name: str
    age: int


def main() -> None:
    """Read the answer as an object."""
    messages = [{"role": "user", "content": "Alice is 22 years old."}]
    answer = ollama.chat(MODEL, messages, format=Person.model_json_schema(), options={"temperature": 0})
    person = Person.model_validate_json(answer.message.content or "")
    print(f"{person.name}, {person.age}")


if __name__ == "__main__":
    main()
