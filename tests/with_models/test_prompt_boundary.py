"""Pretrained models expect the white space that we put between a prompt and its answer."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rewardlab.models.boundary import _following, prompt_ids
from rewardlab.text.prompts import PROMPTS, separator, write_prompt

PAIRS = (
    ("The minister said that the talks would go on.", "El ministro dijo que seguirían."),
    ("It rained all night in the valley.", "Llovió toda la noche en el valle."),
    ("Nobody knows who wrote the letter.", "Nadie sabe quién escribió la carta."),
    ("Two people were hurt in the accident.", "Dos personas resultaron heridas."),
    ("We will open the new bridge in May.", "Abriremos el puente nuevo en mayo."),
    ("His brother lives in a small town.", "Su hermano vive en un pueblo pequeño."),
    ("The price of bread has doubled since 2010.", "El precio del pan se ha duplicado."),
    ("She has been a doctor for ten years.", "Es médica desde hace diez años."),
    ("They found the keys under the sofa.", "Encontraron las llaves bajo el sofá."),
    ("The museum is closed on Mondays.", "El museo cierra los lunes."),
)
SEPARATORS = ("", " ", "\n", "\n\n")
MOST_NATS = 0.3


@pytest.fixture(scope="module", params=["gemma-3-270m", "smollm2-135m-instruct"])
def asked(request, here):
    """Mean cost, in nats, of separator and first word of the translations after a prompt style."""
    tokenizer = AutoTokenizer.from_pretrained(here[request.param])
    model = AutoModelForCausalLM.from_pretrained(here[request.param], dtype=torch.float32).eval()

    @torch.no_grad()
    def cost(style, between):
        total = 0.0
        for source, translation in PAIRS:
            prompt = write_prompt(style, source, source_lang="en", target_lang="es")
            word = _following(tokenizer, prompt, between + translation.split()[0])
            ids = torch.tensor([[*prompt_ids(tokenizer, prompt), *word]])
            logits = model(ids, logits_to_keep=len(word) + 1).logits[0, :-1]
            logs = logits.log_softmax(-1)
            total -= float(logs[range(len(word)), word].sum())
        return total / len(PAIRS)

    return cost


@pytest.mark.parametrize("style", [style for style in PROMPTS if style != "plain"])
def test_our_separator_is_among_the_best(asked, style):
    prompt = write_prompt(style, PAIRS[0][0], source_lang="en", target_lang="es")
    costs = {between: asked(style, between) for between in SEPARATORS}
    assert costs[separator(prompt)] <= min(costs.values()) + MOST_NATS, costs
