"""A long mixed load: nothing may go wrong, and nothing may grow."""
