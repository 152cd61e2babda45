"""Mistakes in batch normalisation."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, file="numpy_ops/normalization.py", tests="operators/test_normalization.py")
forward, backward = (partial(mutant, inside=name) for name in ("batch_norm", "batch_norm_backward"))

MUTANTS = [
    mutant("batch_norm", "eps outside the root", old="np.sqrt(variance + variance.dtype.type(eps))", new="(np.sqrt(variance) + variance.dtype.type(eps))"),
    mutant("batch_norm", "eps forgotten", old="np.sqrt(variance + variance.dtype.type(eps))", new="np.sqrt(variance)"),
    mutant("batch_norm", "the variance instead of its root", old="np.sqrt(variance + variance.dtype.type(eps))", new="(variance + variance.dtype.type(eps))"),
    mutant("batch_norm", "normalised by the unbiased variance", inside="_normalize", old="block.dtype.type(_count(block))", new="block.dtype.type(_count(block) - 1)"),
    mutant("batch_norm", "the running variance is the biased one", old="variance * x.dtype.type(count / (count - 1))", new="variance"),
    mutant("batch_norm", "momentum is the share of the old statistics", old="running *= dtype(1 - momentum)\n        running += dtype(momentum) * new", new="running *= dtype(momentum)\n        running += dtype(1 - momentum) * new"),
    mutant("batch_norm", "statistics not updated in place", old="running *= dtype(1 - momentum)", new="running = running * dtype(1 - momentum)"),
    mutant("batch_norm", "the running mean is never updated", old="_move(running_mean, mean, momentum)", new="pass"),
    forward("batch_norm", "statistics of the batch in evaluation", old="    if training:\n", new="    if True:\n"),
    forward("batch_norm", "running statistics in training", old="    if training:\n", new="    if training and running_mean is None:\n"),
    mutant("batch_norm", "statistics of the first image", inside="_channel_mean", old="block.sum(2).sum(0) / block.dtype.type(_count(block))", new="block[0].sum(1) / block.dtype.type(block.shape[2])"),
    mutant("batch_norm", "bias left out in training", old="centred += bias[part, None]", new="pass"),
    forward("batch_norm", "weight left out in evaluation", old="_scale(running_var, weight, eps)", new="_scale(running_var, None, eps)"),
    forward("batch_norm", "bias added before scaling", old="(0 if bias is None else bias[:, None]) - running_mean[:, None] * scale", new="((0 if bias is None else bias[:, None]) - running_mean[:, None]) * scale"),
    backward("batch_norm_backward", "mean and variance taken for constants", old="        if training:\n", new="        if not training and running_mean is None:\n"),
    backward("batch_norm_backward", "mean taken for a constant", old="out -= (grad_bias[part] / count)[:, None]", new="pass"),
    backward("batch_norm_backward", "variance taken for a constant", old="np.subtract(grad, centred, out=out)", new="np.copyto(out, grad)"),
    backward("batch_norm_backward", "weight left out of dx", old="normalize if weight is None else normalize * weight[part]", new="normalize"),
    backward("batch_norm_backward", "the gradient of the weight from x, not from x̂", old="_channel_dot(grad, centred) * normalize", new="_channel_dot(grad, block)"),
    backward("batch_norm_backward", "the gradient of the bias is a mean", old="grad.sum(2).sum(0)", new="grad.sum(2).sum(0) / count"),
    backward("batch_norm_backward", "running mean in training", old="_channel_mean(block) if training else running_mean[part]", new="_channel_mean(block) if running_mean is None else running_mean[part]"),
    backward("batch_norm_backward", "unbiased variance", old="_channel_dot(centred, centred) / count if", new="_channel_dot(centred, centred) / (count - 1) if"),
    backward("batch_norm_backward", "eps forgotten", old="_scale(variance, None, eps)", new="_scale(variance, None, 0)"),
]  # fmt: skip
