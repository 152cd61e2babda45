"""Several processes train as one does. Two that talk over gloo on the CPU stand for two GPUs."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from segedu.data.augment import Crop
from segedu.training import History, checkpoints
from segedu.training.batches import Batches
from tests.training.conftest import weights_of

ROOT = Path(__file__).resolve().parents[2]

RUN = """
import sys
from segedu import data, models, training

def run(folder):
    streets = data.open_dataset("street", "train", length=7, size=(40, 48), void_width=1)
    model = models.create("unet", len(streets.classes), width=1 / 16, engine="torch")
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = 0.0  # each process drops other channels
    settings = {"steps": 4, "batch": 4, "lr": 0.05, "optimizer": "sgd", "class_weights": "median", "crop": 32}
    trainer = training.Trainer(model, streets, streets, folder, every=2, device="cpu", **settings)
    trainer.fit()
    trainer.machine.close()
    return trainer

if __name__ == "__main__":
    run(sys.argv[1])
"""


def both(source: str, folder: Path) -> list[tuple[int, str]]:
    """Run a program with a folder as two processes that know of each other: exit code and errors of each."""
    script = folder.parent / "run.py"
    script.write_text(source)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [sys.executable, script, folder],
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "PYTHONPATH": str(ROOT)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    errors = [process.communicate(timeout=300)[1] for process in processes]
    return [(process.returncode, error) for process, error in zip(processes, errors, strict=True)]


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_with_the_same_whole_batch(tmp_path):
    assert [code for code, _ in both(RUN, tmp_path / "two")] == [0, 0]
    names = {}
    exec(RUN, names)
    one = names["run"](tmp_path / "one")
    two = checkpoints.read(tmp_path / "two" / "last.safetensors")
    assert one.step == two["step"] == 4
    for name, array in weights_of(one).items():
        np.testing.assert_allclose(two["model"][name], array, rtol=1e-4, atol=1e-6, err_msg=name)
    curves = [History.read(tmp_path / name / "curve.jsonl") for name in ("one", "two")]
    for name in ("loss", "miou", "val_miou", "val_accuracy"):
        (steps, values), (other_steps, other_values) = (curve.curve(name) for curve in curves)
        assert steps == other_steps != []
        np.testing.assert_allclose(other_values, values, rtol=1e-3, err_msg=name)


FETCH = """
import sys
from pathlib import Path
from segedu import data, engines
from segedu.training import command, run

class Elsewhere(data.IN_FOLDERS["camvid"]):
    @classmethod
    def fetch(cls, root):
        with open(root / "fetched", "a") as file:
            file.write("once ")
        if "broken" in root.name:
            raise OSError("no network")
        time.sleep(1)
        for split in ("train", "val"):
            for part in (split, split + "annot"):
                (root / "camvid" / part).mkdir(parents=True)
                Image.fromarray(np.zeros((32, 32, 3)[: 2 if part != split else 3], np.uint8)).save(
                    root / "camvid" / part / "a.png"
                )
        return root / "camvid"

import time
import numpy as np
from PIL import Image
data.IN_FOLDERS["camvid"] = Elsewhere
line = "--data camvid --download --width 0.02 --steps 1 --batch 2 --device cpu"
sys.exit(command.train([*line.split(), "--root", sys.argv[1], "--out", sys.argv[1] + "/run"]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("place", "codes"), [("good", [0, 0]), ("broken", [1, 1])])
def test_the_first_process_downloads_and_the_others_wait(place, codes, tmp_path):
    (tmp_path / place).mkdir()
    found = both(FETCH, tmp_path / place)
    assert [code for code, _ in found] == codes
    assert (tmp_path / place / "fetched").read_text() == "once "
    said = "process 1: what the first process was to prepare is not there" if place == "broken" else ""
    assert said in found[1][1]


def test_the_parts_of_a_batch_make_up_the_batch(streets):
    whole = Batches(streets, 4, Crop(32, 255), seed=3)[5]
    parts = [Batches(streets, 4, Crop(32, 255), seed=3, rank=rank, world=2)[5] for rank in range(2)]
    for array, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        np.testing.assert_array_equal(np.concatenate(pieces), array)


def test_a_batch_that_cannot_be_divided_is_refused(streets):
    with pytest.raises(ValueError, match="batch=3 must be divisible by the number of processes, 2"):
        Batches(streets, 3, rank=0, world=2)
