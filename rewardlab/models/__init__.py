"""Networks with weights, for rewards: plain values in, numpy out; independent of any reward.

A reward imports from here inside the function that first uses a model, so that
`import rewardlab.rewards` loads no tensor library. ``device`` selects devices and precisions,
``batches`` does batching and padding, ``pretrained`` and ``weights`` read a checkpoint's files.
"""
