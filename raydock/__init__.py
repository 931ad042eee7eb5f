"""What every command of the project shares. It imports nothing of ours."""
