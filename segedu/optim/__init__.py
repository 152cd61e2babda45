"""Optimisers and schedules with the names and formulas of torch.optim (lecture 11)."""

from segedu.optim import lr_scheduler
from segedu.optim.optimizers import SGD, Adam, AdamW, Optimizer

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "lr_scheduler"]
