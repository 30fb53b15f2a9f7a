"""LangChain: documents in memory, found by their vectors (pip install langchain-ollama numpy)."""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_ollama import ChatOllama, OllamaEmbeddings

MODEL, EMBEDDING_MODEL = "demo", "demo-embed"
DOCUMENTS = [
    "The gateway listens on port 11434 unless PROXY_PORT says otherwise.",
    "Keys of clients stand in API_KEYS, separated by commas.",
    "A backend may be silent for REQUEST_TIMEOUT seconds.",
]


def main() -> None:
    """Find, then ask."""
    question = "Which port does the gateway listen on?"
    store = InMemoryVectorStore.from_texts(DOCUMENTS, OllamaEmbeddings(model=EMBEDDING_MODEL))
    [best] = store.similarity_search(question, k=1)
    print(f"Found: {best.page_content}")
    prompt = ChatPromptTemplate.from_messages(
        [("system", "Answer from this alone.\n\n{found}"), ("human", "{question}")]
    )
    chain = prompt | ChatOllama(model=MODEL) | StrOutputParser()
    print(chain.invoke({"found": best.page_content, "question": question}))


if __name__ == "__main__":
    main()
