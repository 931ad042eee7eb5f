"""What a command reads and prints: its arguments, its streams, and text laid out for a terminal."""
