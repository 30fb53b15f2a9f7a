"""Wire types only: what clients send, by dialect. Reading them from bytes is `gateway.codecs.requests`."""
