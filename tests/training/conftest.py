"""Small runs: a narrow U-Net on drawn streets."""

import numpy as np
import pytest
import torch

from segedu import data, models, training
from segedu.data.augment import Colour, Compose, Flip, Scale
from segedu.training.kept import Kept


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    """PyTorch on one thread: these maps are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(params=["numpy", "torch"])
def engine(request):
    return request.param


@pytest.fixture(scope="session")
def streets():
    return Kept(data.open_dataset("street", "train", length=7, size=(40, 48), void_width=1))


@pytest.fixture
def trainer(streets):
    """`trainer(engine, **options)`: of a new U-Net, with the same first weights every time."""

    def make(engine="numpy", dataset=streets, **options):
        model = models.create("unet", len(dataset.classes), dataset.in_channels, width=1 / 32, engine=engine)
        return training.Trainer(model, dataset, **{"batch": 2, "lr": 0.01, "steps": 6, "every": 3, **options})

    return make


@pytest.fixture
def changing():
    """Everything that draws random numbers: augmentation of each kind."""
    return Compose([Scale(0.8, 1.5), Flip(), Colour()])


def weights_of(trainer) -> dict[str, np.ndarray]:
    return models.weights.arrays(trainer.model)
