"""What a strip of the map is made with: models, their votes and the rasters."""
