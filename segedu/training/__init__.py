"""Training: batches, the loop, checkpoints, scores; on any engine, in a notebook or by `python -m segedu train`.

A small U-Net on drawn streets, in five lines:

>>> from segedu import data, models, training
>>> streets = data.open_dataset("street", "train", length=8, size=32)
>>> model = models.create("unet", len(streets.classes), width=1 / 32)
>>> trainer = training.Trainer(model, streets, steps=4, batch=2, lr=0.01)
>>> history = trainer.fit(show=False)
>>> scores = trainer.evaluate(data.open_dataset("street", "val", length=2, size=32))

Another engine needs another word: `models.create(…, engine="torch")`. Then `history.curve("loss")` is the learning
curve, `scores.miou` the mean IoU, and `print(scores)` a table of the classes.
"""

from segedu.training.batches import Batches, as_input, median_frequency_weights
from segedu.training.evaluation import Scores, evaluate, predict
from segedu.training.history import History
from segedu.training.problems import TrainingError
from segedu.training.settings import Settings
from segedu.training.trainer import Trainer

__all__ = [
    "Batches",
    "History",
    "Scores",
    "Settings",
    "Trainer",
    "TrainingError",
    "as_input",
    "evaluate",
    "fit",
    "median_frequency_weights",
    "predict",
]


def fit(model: object, dataset: object, validation: object = None, **settings: object) -> History:
    """Train a network and return its history: `Trainer(model, dataset, validation, **settings).fit()`."""
    return Trainer(model, dataset, validation, **settings).fit()
