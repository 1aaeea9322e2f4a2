"""Files of every kind: read, written whole or not at all, and checked."""
