"""What the images, and so the code that a lab runs, are built from."""
