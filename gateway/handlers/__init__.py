"""One class per endpoint: read, ask, write. No translation here."""
