"""The steps of the chain, one file each, in the order in which a pixel meets them."""
