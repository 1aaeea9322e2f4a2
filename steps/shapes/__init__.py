"""Polygons as shapes: what is wrong with them, where they meet, how they are repaired."""
