"""`python -m segedu gpu-check`: all that is to be known about a GPU, in stages, into one record."""
