"""Cases for the public surface of the `ollama` package, run by each version's interpreter: `-m tests.e2e.ollama_sdk`.

Only the standard library, `ollama` and this folder's neighbours are imported: old versions live in environments without
anything else. Results are read by subscript, which works for the dictionaries of 0.3 and for the models of later ones.
"""
