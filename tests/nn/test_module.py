"""A module finds what is inside it, by PyTorch's names and in its order, and refuses a state that does not fit."""

import copy

import numpy as np
import pytest
import torch

from segedu import compare, engines, nn, optim


def network(layers):
    """The same small network of our layers or of torch.nn's, with modules in modules in lists."""

    class Inner(layers.Module):
        def __init__(self):
            super().__init__()
            self.bn = layers.BatchNorm2d(3)
            self.convs = layers.ModuleList([layers.Conv2d(3, 3, 3, padding=1), layers.Conv2d(3, 3, 1)])

        def forward(self, x):
            for conv in self.convs:
                x = conv(x)
            return self.bn(x)

    class Outer(layers.Module):
        def __init__(self):
            super().__init__()
            self.body = layers.Sequential(Inner(), layers.ReLU(), Inner())
            self.score = layers.Conv2d(3, 2, 1, bias=False)

        def forward(self, x):
            return self.score(self.body(x))

    return Outer()


def test_names_and_order_are_pytorch_s():
    ours, theirs = network(nn), network(torch.nn)
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert [name for name, _ in ours.named_modules()] == [name for name, _ in theirs.named_modules()]


def test_ten_steps_with_the_statistics_of_the_batch_follow_the_same_losses(rng):
    ours, theirs = network(nn).double(), network(torch.nn).double()
    theirs.load_state_dict({key: torch.from_numpy(value) for key, value in ours.state_dict().items()})
    x, t = rng.standard_normal((2, 3, 8, 9)), rng.integers(0, 2, (2, 8, 9))
    a = optim.Adam(ours.parameters(), lr=0.01)
    b = torch.optim.Adam(theirs.parameters(), lr=0.01)
    for _ in range(10):
        a.zero_grad()
        b.zero_grad()
        loss = nn.CrossEntropyLoss()(ours(nn.Tensor(x)), t)
        expected = torch.nn.CrossEntropyLoss()(theirs(torch.from_numpy(x)), torch.from_numpy(t))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-9)
        loss.backward()
        expected.backward()
        a.step()
        b.step()


def test_gradients_of_a_whole_network_equal_finite_differences(rng):
    model = network(nn).double()
    x, t = rng.standard_normal((2, 3, 5, 4)), rng.integers(0, 2, (2, 5, 4))
    parameters = list(model.parameters())
    arrays = [parameter.data.copy() for parameter in parameters]

    def loss(*values):
        for parameter, value in zip(parameters, values, strict=True):
            parameter.data = value
        return nn.CrossEntropyLoss()(model(nn.Tensor(x)), t)

    loss(*arrays).backward()
    compare.with_finite_differences(
        lambda *values: loss(*values).data, arrays, [parameter.grad for parameter in parameters], samples=12
    ).check()


def test_a_module_moves_to_another_set_of_operators():
    ops = engines.operators("elsewhere")
    places = []
    ops.asarray = lambda array: places.append(array.shape) or array
    model = network(nn).to(ops=ops)
    assert len(places) == len(model.state_dict())
    x = np.ones((2, 3, 5, 4), np.float32)
    assert model(nn.Tensor(x, ops=ops)).ops is ops
    with pytest.raises(ValueError, match=r"elsewhere and segedu\.numpy_ops; module\.to\(ops=…\) moves a module"):
        model(nn.Tensor(x))


def test_train_and_eval_reach_every_module():
    model = network(nn)
    assert all(not module.training for module in model.eval().modules())
    assert all(module.training for module in model.train().modules())


def test_a_parameter_used_in_two_places_is_listed_once():
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    getattr(model, "1").weight = getattr(model, "0").weight
    assert len(list(model.parameters())) == 3


def test_zero_grad_and_freezing(rng):
    model = network(nn)
    x = nn.Tensor(rng.standard_normal((2, 3, 8, 9)).astype(np.float32))
    model.body.requires_grad_(False)
    model(x).sum().backward()
    assert {name for name, p in model.named_parameters() if p.grad is not None} == {"score.weight"}
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_double_and_float_convert_parameters_and_buffers_but_not_counts():
    model = network(nn).double()
    kinds = {key: value.dtype.name for key, value in model.state_dict().items()}
    assert set(kinds.values()) == {"float64", "int64"}
    assert kinds["body.0.bn.num_batches_tracked"] == "int64"
    assert {value.dtype.name for value in model.float().state_dict().values()} == {"float32", "int64"}


class TestState:
    def test_it_is_a_copy(self):
        model = network(nn)
        state = model.state_dict()
        state["score.weight"][...] = 7
        assert not (model.score.weight.data == 7).any()

    def test_loading_keeps_the_parameters_that_an_optimiser_holds(self):
        model = network(nn)
        before = list(model.parameters())
        model.load_state_dict({key: value + 1 for key, value in model.state_dict().items()})
        assert all(a is b for a, b in zip(before, model.parameters(), strict=True))
        assert model.state_dict()["body.0.bn.num_batches_tracked"] == 1

    def test_names_and_shapes_that_do_not_fit_are_listed_and_nothing_is_loaded(self):
        model = network(nn)
        before = model.state_dict()
        state = {key: value + 1 for key, value in before.items()}
        state["extra"], state["score.weight"] = state.pop("body.0.bn.bias"), np.zeros((2, 4, 1, 1))
        words = (
            r"missing body\.0\.bn\.bias; unknown extra; score\.weight has shape \(2, 4, 1, 1\), expected \(2, 3, 1, 1\)"
        )
        with pytest.raises(ValueError, match=words):
            model.load_state_dict(state)
        assert all(np.array_equal(value, before[key]) for key, value in model.state_dict().items())

    def test_of_many_names_the_first_are_listed(self):
        with pytest.raises(ValueError, match=r"missing body\.0\.bn\.weight, .* and \d+ more"):
            network(nn).load_state_dict({})

    def test_not_strict_takes_what_is_there_but_no_wrong_shape(self):
        model = network(nn)
        model.load_state_dict({"score.weight": np.ones((2, 3, 1, 1)), "other": np.ones(1)}, strict=False)
        assert (model.score.weight.data == 1).all()
        with pytest.raises(ValueError, match=r"score\.weight has shape"):
            model.load_state_dict({"score.weight": np.ones(1)}, strict=False)


class TestSequentialAndLists:
    def test_they_are_indexed_sliced_and_counted(self):
        layers = [nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Identity()]
        for container in (nn.Sequential(*layers), nn.ModuleList(layers)):
            assert len(container) == 3
            assert container[1] is layers[1]
            assert container[-1] is layers[2]
            assert list(container[:2]) == layers[:2]
            assert type(container[:2]) is type(container)

    def test_a_list_grows(self):
        modules = nn.ModuleList()
        for _ in range(2):
            modules.append(nn.Conv2d(1, 1, 1))
        assert [name for name, _ in modules.named_parameters()] == ["0.weight", "0.bias", "1.weight", "1.bias"]

    def test_a_list_is_not_called(self):
        with pytest.raises(TypeError, match="ModuleList is not called"):
            nn.ModuleList()(nn.Tensor([1.0]))


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Module has no forward"):
        nn.Module()(1)


def test_the_text_of_a_module_shows_its_layers():
    assert repr(nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.ReLU())) == (
        "Sequential(\n  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=2)\n  (1): ReLU()\n)"
    )


def test_a_copy_shares_nothing():
    model = network(nn)
    other = copy.deepcopy(model)
    other.score.weight.data[...] = 7
    assert not (model.score.weight.data == 7).any()
    assert list(other.state_dict()) == list(model.state_dict())
