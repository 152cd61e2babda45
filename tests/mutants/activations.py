"""Mistakes in ReLU, softmax, dropout and concatenation."""

from functools import partial

from tests.mutants.mutant import Mutant

NAMES = ["relu", "softmax", "log_softmax", "dropout", "concatenate"]


def mutant(operator: str, mistake: str, old: str, new: str) -> Mutant:
    return Mutant(operator, mistake, "numpy_ops/activations.py", old, new, "operators/test_activations.py", operator)


relu, softmax, log_softmax, dropout, concatenate = (partial(mutant, name) for name in NAMES)
relu_back, softmax_back, log_softmax_back, dropout_back, concatenate_back = (
    partial(mutant, f"{name}_backward") for name in NAMES
)
MAXIMUM = "np.subtract(scores, scores.max(1, keepdims=True), out=out)"

MUTANTS = [
    relu("the absolute value", old="np.maximum(flat[part], zeros[: part.stop - part.start], out=result[part])", new="np.abs(flat[part], out=result[part])"),
    relu("the smaller of the two", old="np.maximum(", new="np.minimum("),
    relu("NaN becomes 0", old="np.maximum(", new="np.fmax("),
    relu("leaky", old="zeros[: part.stop - part.start]", new="flat[part] / 100"),
    relu_back("passes at 0", old="~(flat[part] <= 0)", new="~(flat[part] < 0)"),
    relu_back("stops at NaN", old="~(flat[part] <= 0)", new="flat[part] > 0"),
    relu_back("mask forgotten", old="~(flat[part] <= 0)", new="flat[part] == flat[part]"),
    relu_back("masked by the gradient", old="~(flat[part] <= 0)", new="~(grads[part] <= 0)"),
    relu_back("infinite gradients become NaN", old="result[part][~passes] = 0", new="pass"),
    softmax("maximum not subtracted", old=MAXIMUM, new="out[...] = scores"),
    softmax("one maximum for all", old="scores.max(1, keepdims=True)", new="scores.max()"),
    softmax("divided by the largest", old="out.sum(1, keepdims=True)", new="out.max(1, keepdims=True)"),
    softmax("sum over all pixels", old="out.sum(1, keepdims=True)", new="out.sum((1, 2), keepdims=True)"),
    softmax("always over the last axis", old="arguments.axis(dim, x.ndim)", new="max(0, arguments.axis(dim, x.ndim) * 0 + x.ndim - 1)"),
    softmax("negative axes off by one", old="arguments.axis(dim, x.ndim)", new="arguments.axis(dim + (dim < -1), x.ndim)"),
    softmax_back("only the diagonal of the Jacobian", old="np.subtract(grad, mean, out=out)", new="np.multiply(grad, 1 - probabilities, out=out)"),
    softmax_back("the sum left out", old="np.subtract(grad, mean, out=out)", new="out[...] = grad"),
    softmax_back("the sum without probabilities", old='np.einsum("akb,akb->ab", grad, probabilities)[:, None]', new="grad.sum(1, keepdims=True)"),
    softmax_back("sign", old="np.subtract(grad, mean, out=out)", new="np.subtract(mean, grad, out=out)"),
    log_softmax("maximum not subtracted", old=MAXIMUM, new="out[...] = scores"),
    log_softmax("the logarithm of a rounded probability", old="out -= np.log(np.exp(out).sum(1, keepdims=True))", new="out[...] = np.log(np.maximum(np.exp(out) / np.exp(out).sum(1, keepdims=True), 1e-30))"),
    log_softmax("sum over all pixels", old="np.exp(out).sum(1, keepdims=True)", new="np.exp(out).sum((1, 2), keepdims=True)"),
    log_softmax("logarithm forgotten", old="np.log(np.exp(out).sum(1, keepdims=True))", new="np.exp(out).sum(1, keepdims=True)"),
    log_softmax("logarithm to base 2", old="np.log(", new="np.log2("),
    log_softmax_back("exponential forgotten", old="np.exp(logarithms, out=out)", new="out[...] = logarithms"),
    log_softmax_back("sum left out", old="grad.sum(1, keepdims=True)", new="grad"),
    log_softmax_back("the gradient of softmax", old="grad.sum(1, keepdims=True)", new="(grad * out).sum(1, keepdims=True)"),
    log_softmax_back("sign", old="np.subtract(grad, out, out=out)", new="np.subtract(out, grad, out=out)"),
    dropout("p is the share that stays", old=">= p", new="< p"),
    dropout("not scaled", old="1 / (1 - p)", new="1"),
    dropout("scaled by 1/p", old="1 / (1 - p)", new="1 / p"),
    dropout("drops in evaluation", old="elif training and p > 0:", new="elif p > 0:"),
    dropout("drops whole columns", old="generator.random(x.shape, np.float32)", new="generator.random(x.shape[-1:], np.float32)"),
    dropout("generator ignored", old="generator or np.random.default_rng()", new="np.random.default_rng()"),
    dropout("the same elements at every call", old="np.random.default_rng()", new="np.random.default_rng(0)"),
    dropout("returns x itself in evaluation", old="output = x * mask", new="output = x * mask if training else x"),
    dropout("the mask is not scaled", old="return (output, mask)", new="return (output, mask * (1 - p))"),
    dropout_back("mask forgotten", old="grad * mask", new="grad"),
    dropout_back("dropped and kept exchanged", old="grad * mask", new="grad * (mask == 0)"),
    dropout_back("not scaled", old="grad * mask", new="grad * (mask != 0)"),
    concatenate("the last array first", old="np.concatenate(arrays,", new="np.concatenate(arrays[::-1],"),
    concatenate("always along the first axis", old="arguments.axis(dim, arrays[0].ndim)", new="0"),
    concatenate("negative axes off by one", old="arguments.axis(dim, arrays[0].ndim)", new="arguments.axis(dim, arrays[0].ndim) - (dim < 0)"),
    concatenate("the second axis is the default", old="dim: int = 0", new="dim: int = 1"),
    concatenate_back("equal parts", old="np.split(grad, ends[:-1], axis)", new="np.array_split(grad, len(input_shapes), axis)"),
    concatenate_back("the last part first", old="np.split(grad, ends[:-1], axis)", new="np.split(grad, ends[:-1], axis)[::-1]"),
    concatenate_back("lengths taken for ends", old="np.cumsum([one[axis] for one in input_shapes])", new="np.array([one[axis] for one in input_shapes])"),
    concatenate_back("views of the gradient", old="np.ascontiguousarray(part)", new="part"),
]  # fmt: skip
