import numpy as np


def get_slope(self):
    """Each band of the raster in exogeneous_data: one value a pixel."""
    return self.get_exogeneous_data(), self.get_exogeneous_labels()


def get_slope_series(self):
    """The first band of it again at each date, for networks, which read (date, band)."""
    slope = self.get_exogeneous_data()[:, :, :1]
    days = self.get_interpolated_dates()["Sentinel2"]
    labels = [f"Sentinel2_slope_{day}" for day in days]
    return np.repeat(slope, len(days), axis=2), labels
