"""What a job brought back: shown, written, and kept for `report`."""
