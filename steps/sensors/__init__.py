"""Sensors: data about bands and masks, and how products are found."""
