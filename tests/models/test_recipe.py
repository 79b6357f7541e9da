"""The training recipe: int8's grid, small boxes, self-labelling, and a run that goes on where it stopped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workshop's environment has PyTorch")

from models import train  # noqa: E402
from models.assign import box_iou, fit, wasserstein  # noqa: E402
from models.fake_quantize import ActivationGrid, copy_ranges, switch_on, weight_on_grid  # noqa: E402
from models.loss import relabelled  # noqa: E402
from models.network import Detector  # noqa: E402
from models.samples import Samples  # noqa: E402

pytestmark = [
    pytest.mark.heavy_workshop,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def test_an_activation_grid_has_256_levels_with_zero_among_them_and_lets_gradients_through() -> None:
    grid = ActivationGrid()
    x = torch.linspace(-1.3, 2.9, 4001, requires_grad=True)
    assert grid(x) is x
    switch_on(grid)
    y = grid(x)
    assert len(torch.unique(y)) <= 256
    assert grid(torch.zeros(1)).item() == 0
    assert (y - x).abs().max() < (2.9 + 1.3) / 255 * 1.01
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


def test_a_grid_observes_in_training_only() -> None:
    grid = ActivationGrid()
    switch_on(grid)
    grid(torch.tensor([-1.0, 1.0]))
    grid.eval()
    assert grid(torch.tensor([9.0])).item() == pytest.approx(1.0, abs=0.01)


def test_weights_lie_on_a_grid_of_their_own_channel() -> None:
    weight = torch.randn(4, 3, 5, 5) * torch.tensor([0.01, 1.0, 10.0, 0.0]).view(4, 1, 1, 1)
    on_grid = weight_on_grid(weight)
    for channel, given in zip(on_grid, weight, strict=True):
        assert len(torch.unique(channel)) <= 255
        assert (channel - given).abs().max() <= given.abs().max() / 254 + 1e-9


def test_the_whole_network_runs_on_the_grid_and_stays_near_itself() -> None:
    torch.manual_seed(0)
    net, twin = Detector(), Detector().eval()
    twin.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 320, 320)
    plain = net(x)
    switch_on(net)
    gridded = net(x)
    copy_ranges(net, twin)
    assert torch.equal(twin(x)[0][0], gridded[0][0])
    for (a, b), (c, d) in zip(plain, gridded, strict=True):
        assert not torch.equal(a, c)
        assert (a - c).norm() < 0.3 * a.norm()
        assert (b - d).norm() < 0.3 * b.norm()


def test_settled_weights_do_not_move_again_and_frozen_ones_not_at_all() -> None:
    net = Detector()
    net.freeze_first()
    switch_on(net)
    stem, head = net.stem.weight.clone(), net.classify.weight.clone()
    net.settle()
    assert torch.equal(net.stem.weight, stem)
    assert not torch.equal(net.classify.weight, head)
    halved = net.classify.weight.detach().to(torch.float16).float()  # as they are stored
    assert torch.allclose(weight_on_grid(halved), net.classify.weight, rtol=2e-3)


def test_the_wasserstein_fit_falls_gently_where_iou_is_nothing() -> None:
    small = torch.tensor([[100.0, 100, 110, 110]])
    beside = small + 11
    assert box_iou(small, beside).item() == 0
    assert wasserstein(small, small).item() == pytest.approx(1, abs=1e-3)
    assert 0 < wasserstein(small, small + 20).item() < wasserstein(small, beside).item() < 1
    large = torch.tensor([[0.0, 0, 200, 200]])
    assert fit(large, large + 30, "wasserstein").item() == pytest.approx(box_iou(large, large + 30).item())


def test_self_labelling_moves_small_boxes_only_and_only_part_of_the_way() -> None:
    truth = torch.tensor([[100.0, 100, 110, 110], [0.0, 0, 200, 200], [50.0, 50, 60, 60]])
    guess = truth[[0, 0, 1]] + 4
    moved = relabelled(truth, torch.tensor([0, 0, 1]), guess, torch.tensor([0.2, 0.8, 1.0]), 0.5)
    assert torch.allclose(moved[0], truth[0] + 2)
    assert torch.equal(moved[1:], truth[1:])


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(data_folder: Path, tmp_path: Path) -> None:
    del data_folder
    from models.data import load

    pictures = load("train", "neg_healthy_crops")[:3] + load("train", "trc_dermoscopy")[:6]
    schedule = train.Schedule(steps=4, batch=2, quantised_fraction=0.25, val_every=100)
    samples = Samples(5, 8, pictures=pictures)

    def run(out: Path, steps: int) -> train.Training:
        training = train.Training(samples, schedule, out)
        training.resume()
        real, train.SAVE_EVERY = train.SAVE_EVERY, 2
        try:
            while_running = iter(range(steps))
            step = training._step

            def stops(*batch: object) -> list[float]:
                if next(while_running, None) is None:
                    raise KeyboardInterrupt
                return step(*batch)  # type: ignore[arg-type]

            training._step = stops  # type: ignore[method-assign]
            training.run(lambda _: {"score": 1.0}, workers=0)
        except KeyboardInterrupt:
            pass
        finally:
            train.SAVE_EVERY = real
        return training

    whole = run(tmp_path / "whole", 4)
    run(tmp_path / "parts", 2)
    parts = run(tmp_path / "parts", 4)
    assert parts.step == whole.step == 4
    for (name, a), b in zip(whole.net.state_dict().items(), parts.net.state_dict().values(), strict=True):
        assert torch.allclose(a, b, rtol=1e-3, atol=1e-4), name
    for out in ("whole", "parts"):
        with np.load(tmp_path / out / "best.npz") as stored:
            assert np.isfinite(stored["stem.weight"]).all()
        last = json.loads((tmp_path / out / "log.jsonl").read_text().splitlines()[-1])
        assert last["on_int8_grid"] is True
