"""Mistakes in the losses."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, tests="operators/test_losses.py")
entropy = partial(mutant, file="numpy_ops/losses.py")
problem, strip = partial(entropy, inside="_Problem"), partial(entropy, inside="_strip")
nll, nll_back = (partial(entropy, name, inside=name) for name in ("nll_loss", "nll_loss_backward"))
pixels = partial(mutant, file="numpy_ops/_pixels.py")
region = partial(mutant, file="numpy_ops/region_losses.py")
dice, jaccard = partial(region, inside="_dice"), partial(region, inside="_jaccard")
lovasz = partial(mutant, file="numpy_ops/lovasz.py")
PASSED = "(logits, target, weight, ignore_index, reduction, label_smoothing)"
LOSS = "(log_total - (pixels.scores.reshape(-1)[index] - maxima)) * weight"


def passed_on(file: str, operator: str, old: str, mistakes: dict[str, str]) -> list[Mutant]:
    """Functions that pass another argument on than they were given."""
    return [
        mutant(operator, mistake, file=file, old=old, new=new, inside=operator) for mistake, new in mistakes.items()
    ]


MUTANTS = [
    problem("cross_entropy", "the mean over pixels though classes are weighted", old="if self.weight is None:\n            return np.float64", new="if self.dtype:\n            return np.float64"),
    problem("cross_entropy", "ignored pixels count in the mean", old="np.count_nonzero(valid)", new="valid.size"),
    problem("cross_entropy", "ignored pixels count in the weighted mean", old="np.bincount(self.pixels.labels[valid],", new="np.bincount(self.pixels.truth()[1].ravel(),"),
    problem("cross_entropy", "the sum is a mean", old='self.reduction != "mean"', new='self.reduction == "none"'),
    problem("cross_entropy", "smoothing shared by the other classes", old="self.smoothing / self.pixels.classes", new="self.smoothing / max(1, self.pixels.classes - 1)"),
    problem("cross_entropy", "smoothing without class weights", old="share * self.weight", new="share * np.ones_like(self.weight)"),
    strip("cross_entropy", "the true class keeps all in smoothing", old="(one - smoothing) * (", new="one * ("),
    strip("cross_entropy", "smoothing left out", old="losses += spread.sum() * log_total - smooth", new="pass"),
    strip("cross_entropy", "ignored pixels count as class 0", old="losses[~valid] = 0", new="pass"),
    strip("cross_entropy", "weights ignored", old="(one if problem.weight is None else problem.weight[label])", new="one"),
    strip("cross_entropy", "maximum not subtracted", old="pixels.scores[part].max(1)", new="0 * pixels.scores[part][:, 0]"),
    strip("cross_entropy", "something small inside the logarithm", old=LOSS, new="-np.log(np.exp(pixels.scores.reshape(-1)[index] - maxima) / total + 1e-8) * weight"),
    strip("cross_entropy", "sign", old=LOSS, new=f"-{LOSS}"),
    strip("cross_entropy", "logarithm to base 2", old="np.log(total)", new="np.log2(total)"),
    pixels("cross_entropy", "the score of the neighbouring class", old="index = label * size", new="index = (label + 1) % self.classes * size"),
    pixels("cross_entropy", "the first image only", old="images[:, None] * (self.classes * size)", new="0 * images[:, None]"),
    problem("cross_entropy_backward", "not divided by the number of pixels", old="self.dtype.type(grad / divisor)", new="self.dtype.type(grad)"),
    problem("cross_entropy_backward", "grad_output ignored", old="self.dtype.type(grad / divisor)", new="self.dtype.type(1 / divisor)"),
    strip("cross_entropy_backward", "ignored pixels have a gradient", old="np.where(valid, scale[strip], problem.dtype.type(0))", new="np.array(scale[strip])"),
    strip("cross_entropy_backward", "1 not subtracted at the true class", old="gradient.reshape(-1)[index] -= of_truth", new="pass"),
    strip("cross_entropy_backward", "1 added at the true class", old="gradient.reshape(-1)[index] -= of_truth", new="gradient.reshape(-1)[index] += of_truth"),
    strip("cross_entropy_backward", "smoothing left out", old="exponentials -= spread[:, None] * scale[:, None]", new="pass"),
    strip("cross_entropy_backward", "smoothing left out of the probabilities", old="(of_truth + scale * spread.sum())", new="of_truth"),
    strip("cross_entropy_backward", "weight of the class, not of the pixel", old="gradient.reshape(-1)[index] -= of_truth", new="gradient.reshape(-1)[index] -= scale * (one - smoothing)"),
    *passed_on("numpy_ops/losses.py", "cross_entropy_with_gradient", f"problem = _problem{PASSED}", {
        "smoothing not passed on": "problem = _problem(logits, target, weight, ignore_index, reduction)",
        "weight not passed on": "problem = _problem(logits, target, None, ignore_index, reduction, label_smoothing)",
        "always the mean": 'problem = _problem(logits, target, weight, ignore_index, "mean", label_smoothing)',
        "ignore_index not passed on": "problem = _problem(logits, target, weight, -100, reduction, label_smoothing)",
    }),
    entropy("cross_entropy_with_gradient", "twice the gradient", inside="cross_entropy_with_gradient", old="np.ones(", new="2 * np.ones("),
    nll("sign", old="losses = -pixels", new="losses = pixels"),
    nll("the logarithm of a logarithm", old="-pixels.scores.reshape(-1)[index]", new="-np.log(np.maximum(pixels.scores.reshape(-1)[index], 1e-9))"),
    nll("weights ignored", old="losses *= weight[label]", new="pass"),
    nll("ignored pixels count as class 0", old="losses[~valid] = 0", new="pass"),
    nll("weighted mean divided by the number of pixels", old="problem.divisor()", new="(problem.divisor() if reduction != 'mean' else np.float64(np.count_nonzero(pixels.valid())))"),
    nll_back("sign", old="= -of_truth[valid]", new="= of_truth[valid]"),
    nll_back("ignored pixels have a gradient", old="[index[valid]] = -of_truth[valid]", new="[index] = -of_truth"),
    nll_back("weights ignored", old="scale[strip] * weight[label]", new="scale[strip]"),
    nll_back("probabilities added, as for cross-entropy", old="strip[1]] = 0", new="strip[1]] = np.exp(pixels.scores[strip[0], :, strip[1]])"),
    dice("dice_loss", "smoothing below only", old="2 * sums.intersection + smooth,", new="2 * sums.intersection,"),
    dice("dice_loss", "smoothing above only", old="sums.label + smooth", new="sums.label"),
    dice("dice_loss", "factor 2 left out", old="2 * sums.intersection", new="sums.intersection"),
    region("dice_loss", "squares below, as in V-Net", old="p.sum(2)", new="(p * p).sum(2)"),
    region("dice_loss", "ignored pixels count as class 0", old="by_class(valid)", new="by_class(valid | True)"),
    pixels("dice_loss", "ignored pixels have probabilities", old="(valid / total)", new="(1 / total)"),
    pixels("dice_loss", "NaN at an ignored pixel stays", old="out[images, :, ignored] = 0", new="pass"),
    dice("dice_loss", "absent classes are perfect", old="above / below,", new="np.where(sums.label > 0, above / below, 1),"),
    region("dice_loss", "per_image ignored", old="total if per_image else total.sum(1, keepdims=True)", new="total.sum(1, keepdims=True)"),
    region("dice_loss", "always image by image", old="total if per_image else total.sum(1, keepdims=True)", new="total"),
    dice("dice_loss_backward", "factor 2 left out", old="2 / below", new="1 / below"),
    dice("dice_loss_backward", "sign of the derivative by probabilities", old="-above / below**2", new="above / below**2"),
    dice("dice_loss_backward", "square left out", old="below**2", new="below"),
    region("dice_loss_backward", "the Jacobian of softmax is diagonal", old="a[strip[0], :, None] - mean[:, None]", new="a[strip[0], :, None]"),
    region("dice_loss_backward", "the labels left out of the mean", old='np.einsum("nc,ncp->np", a[strip[0]], p) + of_truth', new='np.einsum("nc,ncp->np", a[strip[0]], p)'),
    region("dice_loss_backward", "not divided by the number of classes", old="/ max(1, result.value.size)", new="/ max(1, len(result.value))"),
    region("dice_loss_backward", "grad_output ignored", old="-np.float64(grad_output)", new="-np.float64(1)"),
    jaccard("jaccard_loss", "the intersection counts twice in the union", old=" - sums.intersection + smooth", new=" + smooth"),
    jaccard("jaccard_loss", "smoothing below only", old="sums.intersection + smooth\n    below", new="sums.intersection\n    below"),
    jaccard("jaccard_loss", "smoothing above only", old=" - sums.intersection + smooth", new=" - sums.intersection"),
    region("jaccard_loss", "the index itself", old="1 - _mean(result.value)", new="_mean(result.value)"),
    jaccard("jaccard_loss_backward", "the union taken for a constant", old="1 / below + above / below**2, -above / below**2", new="1 / below, 0 * above"),
    jaccard("jaccard_loss_backward", "the intersection left out of the union", old="1 / below + above / below**2", new="1 / below"),
    jaccard("jaccard_loss_backward", "sign of the derivative by probabilities", old=", -above / below**2", new=", above / below**2"),
    *[
        mistake
        for name in ("dice", "jaccard")
        for mistake in passed_on("numpy_ops/region_losses.py", f"{name}_loss_with_gradient", "smooth, ignore_index, per_image, 1.0)", {
            "smoothing not passed on": "1.0, ignore_index, per_image, 1.0)",
            "always over the batch": "smooth, ignore_index, False, 1.0)",
            "the gradient of the score": "smooth, ignore_index, per_image, -1.0)",
        })
    ],
    lovasz("lovasz_softmax", "sorted the other way", old="np.argsort(-errors,", new="np.argsort(errors,"),
    lovasz("lovasz_softmax", "not sorted", old='np.argsort(-errors, kind="stable")', new="np.arange(len(errors))"),
    lovasz("lovasz_softmax", "signed errors", old="np.abs(truth - p[group, c][valid])", new="truth - p[group, c][valid]"),
    lovasz("lovasz_softmax", "all classes though only some are present", old="np.unique(labels)", new="np.arange(pixels.classes)"),
    lovasz("lovasz_softmax", "present classes though all are asked for", old='== "present" else np.arange(number)', new="else None"),
    lovasz("lovasz_softmax", "ignored pixels count", old="pixels.valid((group, slice(None)))", new="pixels.labels[group] == pixels.labels[group]"),
    lovasz("lovasz_softmax", "per_image ignored", old="if per_image else [slice(0, images)]", new="if per_image is None else [slice(0, images)]"),
    lovasz("lovasz_softmax", "the sum over the images", old="chosen, gradient) / len(groups)", new="chosen, gradient)"),
    lovasz("lovasz_softmax", "the sum over the classes", old="p.itemsize * labels.size)) / len(chosen)", new="p.itemsize * labels.size))"),
    lovasz("lovasz_softmax", "Jaccard losses instead of their steps", old="np.diff(wrong / union, prepend=0.0)", new="wrong / union"),
    lovasz("lovasz_softmax", "the union never grows", old="np.cumsum(~truth)", new="np.zeros(len(truth))"),
    lovasz("lovasz_softmax", "the union counts true pixels twice", old="np.cumsum(~truth)", new="wrong"),
    lovasz("lovasz_softmax_backward", "order not undone", old="slopes[order] = steps", new="slopes[:] = steps"),
    lovasz("lovasz_softmax_backward", "sign forgotten at the true class", old="np.where(truth, -slopes, slopes)", new="slopes"),
    lovasz("lovasz_softmax_backward", "sign", old="np.where(truth, -slopes, slopes)", new="np.where(truth, slopes, -slopes)"),
    lovasz("lovasz_softmax_backward", "not divided by the number of classes", old="steps / len(chosen)", new="steps"),
    lovasz("lovasz_softmax_backward", "not divided by the number of images", old="/ max(1, len(groups))", new="/ 1"),
    lovasz("lovasz_softmax_backward", "grad_output ignored", old="np.float64(grad_output)", new="np.float64(1)"),
    lovasz("lovasz_softmax_backward", "the gradient with respect to the probabilities", old="        _softmax_backward(pixels, p, gradient)\n", new=""),
    lovasz("lovasz_softmax_backward", "the Jacobian of softmax is diagonal", old="product - p[part] * product.sum(1, keepdims=True)", new="product - p[part] * product"),
    *passed_on("numpy_ops/lovasz.py", "lovasz_softmax_with_gradient", "ignore_index, classes, per_image, 1.0)", {
        "always the classes that are present": 'ignore_index, "present", per_image, 1.0)',
        "always over the batch": "ignore_index, classes, False, 1.0)",
        "the gradient of the score": "ignore_index, classes, per_image, -1.0)",
    }),
]  # fmt: skip
