"""segedu: semantic segmentation from NumPy up.

The operators are in `segedu.numpy_ops`: `torch.nn.functional`'s names and arguments, computed with NumPy alone.
`python -m segedu` lists the commands.
"""

__version__ = "0.1.0"
