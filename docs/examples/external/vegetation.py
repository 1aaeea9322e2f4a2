import numpy as np


def get_savi(self, soil=0.5):
    """Soil-adjusted vegetation index (Huete 1988), for each date."""
    nir = self.get_interpolated_Sentinel2_B8()
    red = self.get_interpolated_Sentinel2_B4()
    days = self.get_interpolated_dates()["Sentinel2"]
    savi = (1 + soil) * (nir - red) / (nir + red + soil)
    return savi, [f"Sentinel2_savi_{day}" for day in days]


def get_ndvi_range(self, low=0, high=100):
    """Range of NDVI over the year, between two percentiles of it: one value a pixel."""
    ndvi = self.get_interpolated_Sentinel2_NDVI()
    ends = np.percentile(ndvi, [low, high], axis=2)
    return (ends[1] - ends[0])[:, :, None], ["Sentinel2_NDVI_range"]
