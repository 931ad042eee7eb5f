"""Docker Compose's file formats, read as Compose reads them."""
