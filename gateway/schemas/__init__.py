"""Wire types only, by dialect. Reading a client's bytes as one of them is `gateway.codecs.requests`."""
