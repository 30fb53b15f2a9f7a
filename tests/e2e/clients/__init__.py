"""Clients that others wrote on top of Ollama's API, each in an environment of its own."""
