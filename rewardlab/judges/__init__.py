"""How a language model is asked for a judgement, and how its answer is read.

``prompts`` what it is asked, ``fences`` how the text under judgement is kept from asking anything,
``answers`` what it may answer and the strict reading of it, ``locating`` where the words that it
quotes stand, ``asking`` the questions, each of them twice at most. Nothing here knows a reward.
"""
