"""How a network is trained: every number and name that decides what comes out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

from segedu import arguments
from segedu.engines.machine import LOSSES

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
SCHEDULES = ("constant", "poly", "cosine", "step")


@dataclass(frozen=True)
class Settings:
    """The settings of a run; two runs with the same settings, model and data see the same batches.

    Attributes:
        steps: how many the whole run has; schedules end there.
        batch: images a step, of all processes together.
        crop: height and width that are cut out of every image, at random; None takes whole images.
        optimizer: "sgd" (with `momentum`), "adam" or "adamw".
        lr, weight_decay: of the optimiser.
        schedule: "constant"; "poly", (1 − t/steps)^0.9; "cosine", down to 0; "step", a tenth after each third.
        loss: "cross_entropy", "dice_loss", "jaccard_loss" or "lovasz_softmax".
        class_weights: "median" for median-frequency balancing (lecture 06), one number a class, or None; for
            cross-entropy.
        seed: of the order of the images, of augmentation and of dropout.

    Raises:
        ValueError: a value is out of its range.

    >>> Settings(steps=10, loss="dice").loss
    'dice_loss'
    """

    steps: int = 100
    batch: int = 4
    crop: tuple[int, int] | None = None
    optimizer: str = "adam"
    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: str = "constant"
    loss: str = "cross_entropy"
    class_weights: str | tuple[float, ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, minimum in (("steps", 0), ("batch", 1), ("seed", 0)):
            arguments.integer(getattr(self, name), name, minimum=minimum)
        if self.crop is not None:
            object.__setattr__(self, "crop", arguments.pair(self.crop, "crop", minimum=1))
        full = {loss.partition("_")[0]: loss for loss in LOSSES}
        object.__setattr__(self, "loss", full.get(self.loss, self.loss))
        for name, allowed in (("optimizer", tuple(OPTIMIZERS)), ("schedule", SCHEDULES), ("loss", LOSSES)):
            arguments.one_of(getattr(self, name), allowed, name)
        if not self.lr > 0:
            raise ValueError(f"lr={self.lr} must be above 0")
        if isinstance(self.class_weights, str):
            arguments.one_of(self.class_weights, ("median",), "class_weights")
        elif self.class_weights is not None:
            object.__setattr__(self, "class_weights", tuple(float(weight) for weight in self.class_weights))
        if self.class_weights is not None and self.loss != "cross_entropy":
            raise ValueError(f"class_weights are for loss='cross_entropy'; loss={self.loss!r} counts all classes alike")

    def as_dict(self) -> dict[str, object]:
        return asdict(self)

    def changes(self, other: dict[str, object]) -> list[str]:
        """In words, where the settings of another run differ."""
        mine = Settings(**other)
        names = [field.name for field in fields(self) if getattr(self, field.name) != getattr(mine, field.name)]
        return [f"{name}={getattr(self, name)!r} was {getattr(mine, name)!r}" for name in names]


def make_optimizer(nn: object, model: object, settings: Settings) -> object:
    """The engine's own optimiser over the parameters of the model."""
    kind = getattr(nn.optim, OPTIMIZERS[settings.optimizer])
    options = {"momentum": settings.momentum} if settings.optimizer == "sgd" else {}
    return kind(list(model.parameters()), lr=settings.lr, weight_decay=settings.weight_decay, **options)


def make_schedule(nn: object, optimizer: object, settings: Settings) -> object | None:
    """The engine's own schedule, by the step; None for a constant rate."""
    schedules, steps = nn.optim.lr_scheduler, max(1, settings.steps)
    if settings.schedule == "poly":
        return schedules.PolynomialLR(optimizer, total_iters=steps, power=0.9)
    if settings.schedule == "cosine":
        return schedules.CosineAnnealingLR(optimizer, T_max=steps)
    if settings.schedule == "step":
        return schedules.StepLR(optimizer, step_size=-(-steps // 3))
    return None
