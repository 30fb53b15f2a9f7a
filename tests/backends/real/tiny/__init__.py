"""A model of half a megabyte whose weights are written by hand: real servers run it, and what it says is known."""
