"""Regressors and encoders that rewards ask: plain values in, numpy out; no reward in sight.

A reward imports from here inside the function that first uses a model, so that
`import rewardlab.rewards` loads no tensor library.
"""
