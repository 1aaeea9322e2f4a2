import numpy as np


def get_clear_days(self):
    """Days on which a pixel was seen without cloud: one value a pixel."""
    masks = self.get_raw_masks()["Sentinel2"]
    return np.sum(masks == 0, axis=2, keepdims=True), ["clear_days"]


def get_raw_water(self):
    """Water index (B3 - B8) / (B3 + B8) of McFeeters (1996) on the days of the products."""
    green = self.get_raw_Sentinel2_B3()
    nir = self.get_raw_Sentinel2_B8()
    days = self.get_raw_dates()["Sentinel2"]
    water = (green - nir) / (green + nir + 1e-6)
    return water, [f"Sentinel2_water_{day}" for day in days]
