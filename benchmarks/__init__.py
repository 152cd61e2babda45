"""Every operator of the course beside PyTorch's: time, memory, growth. `python -m segedu bench` runs it."""
