"""Rasters of the whole area, from those of its parts."""
