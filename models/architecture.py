"""The numbers that the PyTorch network, its Keras twin, their samples and their card share."""

STRIDES = (8, 16, 32)
INPUT_PX = 320
PAD_VALUE = 114
"""Pixel value of the letterbox's bars."""
MEAN, STD = 127.0, 128.0
"""A pixel value v of 0..255 goes in as (v - MEAN) / STD."""
NMS_IOU, VOTE_IOU = 0.4, 0.5
"""From where boxes are of one lesion, and from where they have a say in where it lies (models/tried_inference.toml)."""
PYRAMID_CHANNELS = 96
HEAD_KERNEL = 5
STEM_CHANNELS = 32

# EfficientNet-Lite0 (Tan and Le 2019, Lite variant): (kernel, stride, expansion, out channels) of the 16 blocks.
BLOCKS: tuple[tuple[int, int, int, int], ...] = (
    (3, 1, 1, 16),
    (3, 2, 6, 24), (3, 1, 6, 24),
    (5, 2, 6, 40), (5, 1, 6, 40),
    (3, 2, 6, 80), (3, 1, 6, 80), (3, 1, 6, 80),
    (5, 1, 6, 112), (5, 1, 6, 112), (5, 1, 6, 112),
    (5, 2, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192), (5, 1, 6, 192),
    (3, 1, 6, 320),
)  # fmt: skip
TAPS = (4, 10, 15)
"""Blocks whose outputs feed the pyramid: strides 8, 16, 32."""
