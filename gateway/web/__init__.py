"""The status page: one page with all it needs, and the events that keep it up to date."""
