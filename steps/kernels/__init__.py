"""Kernels: arrays in, arrays out. No path, no dask, no config.

All of them release the GIL, may run in several threads at a time, and give every pixel the same
bits however a window was cut from the whole.
"""
