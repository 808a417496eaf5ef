"""Networks with weights that rewards use: plain values in, numpy out; knows no reward.

A reward imports from here inside the function that first uses a model, so that
`import rewardlab.rewards` loads no tensor library. ``device`` has devices and precisions,
``batches`` batching and padding, ``pretrained`` and ``weights`` the files of a checkpoint.
"""
