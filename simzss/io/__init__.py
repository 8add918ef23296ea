"""Ground floor: files that appear whole or not at all, images, and typed configuration; known to every room."""
