"""Training of networks: settings, samples on disk, checkpoints, the process, its figures."""
