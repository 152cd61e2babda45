# %% [markdown]
# # segedu · build semantic segmentation with your own hands
#
# Semantic segmentation gives every pixel of a picture a class: road, car, person, sky. In this course you build every part of it from scratch, first as plain loops, then as
# whole-array NumPy, and compare each part with PyTorch.
#
# **How to read a lecture.** Run the cells from top to bottom (Shift+Enter). Before a surprising cell there is a question, *Predict, then run*: answer it first. Cells that only
# draw are folded; click the three dots to see them. Change numbers and run again: nothing can break. *Kernel → Restart Kernel and Run All Cells* brings everything back.

# %% [markdown]
# ## The lectures
#
# | | lecture | you build | minutes |
# |---|---|---|---|
# | 00 | [What is segmentation?](00_what_is_segmentation.ipynb) | label maps, one-hot vectors, panoptic quality | 60 |
# | 01 | [Patch by patch: the early way](01_patch_by_patch.ipynb) | a sliding window, conv2d three ways | 90 |
# | 02 | [Pooling](02_pooling.ipynb) | max and average pooling, their gradients | 50 |
# | 03 | [Unpooling and interpolation](03_unpooling.ipynb) | max unpooling, bilinear interpolation | 75 |
# | 04 | [Transposed convolution](04_transposed_convolution.ipynb) | conv_transpose2d, checkerboards and their cures | 100 |
# | 05 | [From fully connected to fully convolutional](05_fully_convolutional.ipynb) | AlexNet for any image size | 80 |
# | 06 | [Losses](06_losses.ipynb) | cross-entropy, Dice, Jaccard, Lovász | 90 |
# | 07 | [Metrics](07_metrics.ipynb) | confusion matrix, IoU and its many averages | 75 |
# | 08 | [Your first CUDA kernels](08_first_kernels.ipynb) | pooling and unpooling in CUDA C, mistakes found and explained | 60 |
# | 09 | [Convolution on the GPU](09_convolution_on_the_gpu.ipynb) | scatter and gather, tiles in shared memory and registers, traffic counted | 75 |
# | 10 | [Reductions on the GPU](10_reductions_on_the_gpu.ipynb) | sums, cross-entropy and confusion matrix with shared memory and warp shuffles | 75 |
# | 11 | [A network from our own kernels](11_own_network.ipynb) | a tape, layers, batch normalisation, optimisers; one network on NumPy, CUDA and PyTorch, step by step | 100 |
# | 12 | [FCN-32s, 16s, 8s](12_fcn.ipynb) | VGG16 made convolutional, the skip fusion, three networks trained alike | 80 |
# | 13 | [U-Net](13_unet.ipynb) | a network for thirty pictures of cells: crop and concatenate, elastic deformation, weighted borders, overlapping tiles | 90 |
# | 14 | [The family](14_the_family.ipynb) | SegNet, PSPNet, RefineNet, DeepLab, HRNet and others: each one's own block, all trained alike | 100 |
# | 15 | [Capstone: train on the GPU](15_capstone.ipynb) | floors, splits that do not leak, runs in pieces, three seeds, a leaderboard | 90 |
#
# Lectures 01 to 07 each have a section *The kernel in CUDA C*. Leave it out at first, and come back after lecture 08; it takes 10 minutes more.
#
# The [glossary](glossary.ipynb) gives every term in English, 繁體中文, 简体中文, 한국어 and Русский.

# %% [markdown]
# ## Is everything here?
#
# The next cell asks the machine. CuPy and CamVid are optional.

# %% tags=["nbval-ignore-output"]
import importlib.util
import platform

import numpy as np
import torch

from segedu.data import camvid

print("Python", platform.python_version(), "on", platform.system())
print("NumPy", np.__version__, "and PyTorch", torch.__version__)
print("CuPy (for a GPU):", "here" if importlib.util.find_spec("cupy") else "not here, and not needed")
print("CamVid street scenes:", "here" if camvid.available() else "not here; synthetic scenes are used")

# %% [markdown]
# ## If something goes wrong
#
# * *A cell hangs or a name is missing*: restart the kernel and run all cells.
# * *`ModuleNotFoundError`*: JupyterLab runs with another Python. Start it with `python3 course.py lab`.
# * *A check says "Not yet"*: read its message to the end. It says where the first difference is and, often, what you computed instead.
