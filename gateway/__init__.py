"""An HTTP gateway: Ollama's API and OpenAI's API towards clients, OpenAI-compatible servers behind."""

from gateway._version import __version__

__all__ = ["__version__"]
