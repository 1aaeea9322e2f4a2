import numpy as np


def get_ndvi_contrast(self):
    """NDVI less its mean over 3 x 3 pixels, for each date; needs padding 1."""
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    rows, cols, _ = ndvi.shape
    beside = np.pad(ndvi, ((1, 1), (1, 1), (0, 0)), mode="edge")
    total = np.zeros_like(ndvi)
    for y in range(3):
        for x in range(3):
            total += beside[y : y + rows, x : x + cols]
    days = self.get_interpolated_dates()["Sentinel2"]
    return ndvi - total / 9, [f"Sentinel2_contrast_{day}" for day in days]
