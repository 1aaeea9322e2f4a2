"""The reference data: polygons with a class, their region, and their side of each split."""
