"""Where tasks run: in this process or on dask workers. Knows nothing of land cover."""
