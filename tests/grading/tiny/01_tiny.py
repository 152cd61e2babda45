# %% [markdown]
# # A tiny exercise for tests of the grader

# %% segedu={"role": "setup"}
import numpy as np

# %% segedu={"role": "tools"}
from segedu import compare

rng = np.random.default_rng(1)


# %% segedu={"role": "answer", "question": "double", "seconds": 3}
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION


# %% segedu={"role": "check", "question": "double", "points": 1}
compare.arrays(double(np.array([1.0, 2.0])), np.array([2.0, 4.0])).check()

# %% segedu={"role": "hidden", "question": "double", "points": 2}
x = rng.standard_normal((3, 4))
compare.arrays(double(x), 2 * x).check()


# %% segedu={"role": "answer", "question": "quadruple", "seconds": 15}
def quadruple(x):
    ### BEGIN SOLUTION
    return double(double(x))
    ### END SOLUTION


# %% segedu={"role": "check", "question": "quadruple", "points": 1}
compare.arrays(quadruple(np.array([1.0, 2.0])), np.array([4.0, 8.0])).check()

# %% segedu={"role": "hidden", "question": "quadruple", "points": 1}
x = rng.standard_normal(5)
compare.arrays(quadruple(x), 4 * x).check()

# %% segedu={"role": "answer", "question": "half"}
### BEGIN SOLUTION
half = 0.5
### END SOLUTION

# %% segedu={"role": "check", "question": "half", "points": 1}
assert half == 0.5, "that is not one half"
