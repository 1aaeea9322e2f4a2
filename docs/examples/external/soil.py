def get_soi_s2(self):
    """
    compute the Soil Composition Index
    """
    dates = self.get_interpolated_dates()
    coef = (self.get_interpolated_Sentinel2_B11() -
            self.get_interpolated_Sentinel2_B8()) / (
                self.get_interpolated_Sentinel2_B11() +
                self.get_interpolated_Sentinel2_B8() + 1.E-6)
    labels = [f"Sentinel2_soi_{date}" for date in dates["Sentinel2"]]
    return coef, labels
