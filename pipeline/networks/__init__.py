"""Networks as plain modules: generators, discriminators, and how their weights start."""
