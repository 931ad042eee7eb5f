"""A command's input and output: its arguments, its streams, and text laid out for a terminal."""
