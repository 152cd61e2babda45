"""Mistakes in unpooling."""

from functools import partial

from tests.mutants.mutant import Mutant

mutant = partial(Mutant, file="numpy_ops/unpooling.py", tests="operators/test_unpooling.py")
place = partial(Mutant, file="numpy_ops/_places.py", tests="operators/test_unpooling.py")
size = partial(Mutant, file="arguments.py", tests="operators/test_unpooling.py", inside="unpooled_size")

MUTANTS = [
    mutant("max_unpool2d", "the first of several values wins", old="[place.ravel()] = values[part].ravel()", new="[place.ravel()[::-1]] = values[part].ravel()[::-1]"),
    mutant("max_unpool2d", "added instead of assigned", old="result[part].reshape(-1)[place.ravel()] = values[part].ravel()", new="np.add.at(result[part].reshape(-1), place.ravel(), values[part].ravel())"),
    mutant("max_unpool2d", "values in reading order", old="[place.ravel()] = values[part].ravel()", new="[np.sort(place.ravel())] = values[part].ravel()"),
    mutant("max_unpool2d", "every channel has the indices of the first", old="places_in_block(places[part], size)", new="places_in_block(places[[0] * len(result[part])], size)"),
    mutant("max_unpool2d", "padding forgotten in the size", old="kernel_size, stride, padding, output_size)", new="kernel_size, stride, 0, output_size)"),
    mutant("max_unpool2d", "stride ignored", old="kernel_size, stride, padding, output_size)", new="kernel_size, None, padding, output_size)"),
    mutant("max_unpool2d", "output_size ignored", old="kernel_size, stride, padding, output_size)", new="kernel_size, stride, padding, None)"),
    mutant("max_unpool2d", "height and width swapped", old="result.reshape(*x.shape[:-2], *size)", new="result.reshape(*x.shape[:-2], *size[::-1])"),
    place("max_unpool2d", "negative indices count from the end", old="places.view(np.uint64).max()", new="places.max()"),
    place("max_unpool2d", "one index too many is allowed", old=">= size[0] * size[1]:", new="> size[0] * size[1]:"),
    size("max_unpool2d", "overlap of windows forgotten in the size", old="(n - 1) * s - 2 * p + k for", new="n * s - 2 * p for"),
    size("max_unpool2d", "output_size may differ by a whole stride", old="d - s < one < d + s", new="d - s <= one <= d + s"),
    mutant("max_unpool2d_backward", "sign", old='grads[part].take(place, out=result[part], mode="wrap")', new="result[part] = -grads[part].ravel()[place]"),
    mutant("max_unpool2d_backward", "rows and columns exchanged", old="grads[part].take(", new="grads[part].swapaxes(1, 2).ravel().take("),
    mutant("max_unpool2d_backward", "one pixel further", old="grads[part].take(", new="np.roll(grads[part].reshape(part.stop - part.start, -1), -1, 1).take("),
    mutant("max_unpool2d_backward", "gradients in reading order", old="take(place, out=", new="take(np.sort(place.ravel()).reshape(place.shape), out="),
    mutant("max_unpool2d_backward", "only the last of several values gets the gradient", old='grads[part].take(place, out=result[part], mode="wrap")', new="out, plane = result[part], grads[part].ravel()\n        plane.take(place, out=out)\n        number = np.arange(place.size).reshape(place.shape)\n        last = np.zeros(plane.size, np.int64)\n        last[place.ravel()] = number.ravel()\n        out *= last[place] == number"),
]  # fmt: skip
