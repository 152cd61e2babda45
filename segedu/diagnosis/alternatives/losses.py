"""Losses and the softmax computed otherwise."""

from collections.abc import Callable

from segedu.diagnosis.alternatives.changes import Change, Entry, edit, functional, put, run


def _log_softmax(p: dict, dim: int) -> object:
    return run("nll_loss", _nll(p), x=functional().log_softmax(p["x"], dim))


def _nll(p: dict) -> dict:
    return {k: v for k, v in p.items() if k != "label_smoothing"}


def _valid(p: dict) -> object:
    return p["target"] != p.get("ignore_index", -100)


def _void_as(label: Callable) -> Change:
    def change(p: dict) -> dict:
        target = p["target"].clone()
        target[~_valid(p)] = label(p)
        return p | {"target": target}

    return Change(change)


def losses(operator: str) -> tuple[Entry, ...]:
    def total(p: dict) -> object:
        return run(operator, p, reduction="sum")

    return (
        ("with reduction='sum'", put(reduction="sum")),
        ("with reduction='mean'", put(reduction="mean")),
        ("with reduction='none'", put(reduction="none")),
        ("with weight=None: the class weights are left out", put(weight=None)),
        ("with the pixels of ignore_index counted", put(ignore_index=-100)),
        ("with the pixels of ignore_index trained as class 0", _void_as(lambda p: 0)),
        ("with the pixels of ignore_index trained as the last class", _void_as(lambda p: p["x"].shape[1] - 1)),
        ("divided by the number of all pixels: ignored ones do not count", lambda p: total(p) / p["target"].numel()),
        (
            "divided by the number of valid pixels: divide by the sum of their class weights",
            lambda p: total(p) / _valid(p).sum(),
        ),
        ("divided by the batch size only", lambda p: total(p) / len(p["x"])),
        ("with the wrong sign: the loss is minus the log probability", lambda p: -run(operator, p)),
        ("with the logarithm to base 2: np.log is the natural one", lambda p: run(operator, p) / 0.6931471805599453),
        ("with the logarithm to base 10: np.log is the natural one", lambda p: run(operator, p) / 2.302585092994046),
    )


CROSS_ENTROPY: tuple[Entry, ...] = (
    *losses("cross_entropy"),
    ("with label_smoothing=0: it is left out", put(label_smoothing=0.0)),
    ("with softmax applied twice: cross_entropy takes logits", edit("x", lambda x: x.softmax(1))),
    ("without log_softmax", lambda p: run("nll_loss", _nll(p))),
    ("without the logarithm", lambda p: run("nll_loss", _nll(p), x=p["x"].softmax(1))),
    *((f"with softmax over axis {k}: the classes are axis 1", lambda p, k=k: _log_softmax(p, k)) for k in (0, 2, 3)),
)
SOFTMAX: tuple[Entry, ...] = (
    *((f"with dim={k}", put(dim=k)) for k in range(4)),
    (
        "over the whole array: one sum for each position is meant",
        lambda p: p["x"].flatten().softmax(0).view(p["x"].shape),
    ),
    ("without dividing by the sum", lambda p: (p["x"] - p["x"].amax(p["dim"], keepdim=True)).exp()),
    ("without dividing by the sum", lambda p: p["x"].exp()),
    ("with its logarithm taken: log_softmax", lambda p: p["x"].log_softmax(p["dim"])),
)
LOG_SOFTMAX: tuple[Entry, ...] = (
    *((f"with dim={k}", put(dim=k)) for k in range(4)),
    ("without the logarithm: softmax", lambda p: p["x"].softmax(p["dim"])),
    ("without subtracting the logarithm of the sum", lambda p: p["x"] - p["x"].amax(p["dim"], keepdim=True)),
)
