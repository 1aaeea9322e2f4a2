"""Kernels: arrays in, arrays out. No path, no dask, no config.

All of them release the GIL, may run in several threads at a time, and give every pixel the same
bits however a window was cut from the whole.

No compiled function calls one of another module, and none uses a constant of another module:
numba's cache looks for changes in a function's own file only, and would go on using the old text
of the other. So a few lines of rounding stand in more than one place.
"""
