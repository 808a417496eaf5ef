"""Ten real sentences in two scripts, and a command line to give them to."""

import pytest

from rewardlab.cli import main

PAIRS = [
    ("the dog runs across the bridge", "собака бежит через мост"),
    ("the cat sleeps in the house", "кошка спит в доме"),
    ("the boy reads a book", "мальчик читает книгу"),
    ("the girl writes a letter", "девочка пишет письмо"),
    ("a bird sings in the garden", "птица поёт в саду"),
    ("the woman buys bread", "женщина покупает хлеб"),
    ("the man drinks cold water", "мужчина пьёт холодную воду"),
    ("children play near the river", "дети играют у реки"),
    ("he came home at 7", "он пришёл домой в 7"),
    ("we saw an old ship", "мы видели старый корабль"),
]


@pytest.fixture(scope="session")
def pairs():
    """English and Russian; the last two are held out."""
    return PAIRS


@pytest.fixture
def data(tmp_path, monkeypatch):
    """The ``data`` section of a configuration in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "en.txt").write_text("".join(f"{en}\n" for en, _ in PAIRS), encoding="utf-8")
    (tmp_path / "ru.txt").write_text("".join(f"{ru}\n" for _, ru in PAIRS), encoding="utf-8")
    return "{source: en.txt, reference: ru.txt, source_lang: en, target_lang: ru, heldout: 2}"


@pytest.fixture
def run(capsys):
    """Run a command; its exit code, and what it said on stdout and stderr."""

    def command(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return command
