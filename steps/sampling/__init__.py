"""Samples: how many, which, of whom, and the file that holds them."""
