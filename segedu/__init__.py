"""segedu: semantic segmentation from NumPy up.

The operators are in `segedu.numpy_ops`: the names and the arguments of `torch.nn.functional`, computed with NumPy alone.
`python -m segedu` lists the commands.
"""

__version__ = "0.1.0"
