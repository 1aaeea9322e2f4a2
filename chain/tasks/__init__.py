"""Tasks as they are handed out, and on the worker that does them."""
