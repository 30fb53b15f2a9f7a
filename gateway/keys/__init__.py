"""The keys of clients that a file holds: what stands in it, how it is changed, and who looks in it."""
