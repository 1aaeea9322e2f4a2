"""The series of pixels: read, masked, resampled, merged by day, gap-filled."""
