"""What holds for the configuration of every training command."""

from pathlib import Path

import pytest
from config_files import COMMANDS, COMMON
from hypothesis import given, settings
from hypothesis import strategies as st

from rewardlab.config import DataConfig, parse, to_yaml
from rewardlab.config.checks import check_run_directory
from rewardlab.config.overrides import with_overrides
from rewardlab.config.strict_yaml import load as load_yaml
from rewardlab.errors import UserError
from rewardlab.store.run_directory import start_run


@pytest.fixture(params=COMMANDS)
def command(request):
    return COMMANDS[request.param]


def test_a_run_is_read_with_its_defaults(load):
    config = load()
    assert config.run == Path("runs/dan-nob")
    assert (config.seed, config.chat) == (0, False)
    assert config.data == (
        DataConfig(
            source=Path("src.txt"),
            reference=Path("ref.txt"),
            source_lang="dan",
            target_lang="no",
            heldout=0.1,
        ),
    )
    assert config.policy.path == Path("start")
    assert config.policy.lora is None
    assert config.trainer["learning_rate"] == 1e-4


def test_data_may_be_a_list(load):
    config = load(overrides=["data=[{source: a, reference: b, source_lang: da, target_lang: nb}]"])
    assert [data.source for data in config.data] == [Path("a")]


def test_lora_needs_no_more_than_its_name(load):
    lora = load(overrides=["policy.lora={}"]).policy.lora
    assert lora.model_dump() == {
        "r": 16,
        "alpha": 32,
        "dropout": 0.0,
        "target_modules": "all-linear",
    }
    assert load(overrides=["policy.lora.target_modules=[q_proj]"]).policy.lora.target_modules == (
        "q_proj",
    )


def test_the_written_configuration_reads_back_equal(load):
    overrides = ["trainer.report_to=[none]", "data.heldout=20", "policy.lora.r=8", "chat=true"]
    config = load(overrides=overrides)
    assert load(to_yaml(config)) == config


@settings(deadline=None)
@given(
    name=st.sampled_from(sorted(COMMANDS)),
    run=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda text: text == str(Path(text)) and text != "."
    ),
    heldout=st.floats(0, 0.99) | st.integers(0, 10**6),
    options=st.dictionaries(
        st.text(min_size=1),
        st.booleans() | st.integers(-9, 9) | st.sampled_from(["no", "1e-5", "~", "a: b"]),
    ),
)
def test_any_configuration_reads_back_equal(name, run, heldout, options):
    schema = COMMANDS[name].schema
    data = {"source": "s", "source_lang": "no", "target_lang": "da", "heldout": heldout}
    values = {"run": run, "data": data, "prompt": "lmt", "policy": {"path": "p"}}
    rewards = {"rewards": [{"reward": "chrf"}]} if name == "rl" else {}
    config = schema.model_validate({**values, **rewards, "trainer": options})
    again, problems = parse(schema, load_yaml(to_yaml(config), "out.yaml"))
    assert (again, problems) == (config, [])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "prompt: lmt",
            "promt: lmt\nprompt: lmt",
            "error[E023] run.yaml:7:1 promt: unknown key. a run has prompt. fix: prompt: lmt",
        ),
        (
            "  source_lang: dan",
            "  source_lang: dan\n  zzz: 1",
            (
                "error[E023] run.yaml:6:3 data.zzz: unknown key. data has none like it. fix: "
                "remove it, or write one of source, reference, source_lang, target_lang, "
                "documents, max_characters, format, columns, heldout"
            ),
        ),
        (
            "  source_lang: dan",
            "  source_lang: dan\n  format: line",
            "error[E026] run.yaml:6:3 data.format: 'line' is not a choice. fix: format: lines",
        ),
        (
            "  source_lang: dan",
            "  source_lang: dan\n  format: xliff",
            (
                "error[E026] run.yaml:6:3 data.format: 'xliff' is not a choice. fix: one of "
                "lines, ntrex, po, libreoffice_help, tsv, jsonl, parquet, datasets, flores, "
                "wmt24pp, smol, madlad, madlad_blobs, tmx, chat, vistra"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "learn_rate: 1e-4",
            (
                "error[E023] run.yaml:11:3 trainer.learn_rate: unknown key. "
                "TRL's {trl} has learning_rate. fix: learning_rate: 0.0001"
            ),
        ),
        (
            "prompt: lmt\n",
            "",
            "error[E024] run.yaml:1:1 prompt: is missing. fix: add prompt: to the file",
        ),
        (
            "  source: src.txt\n",
            "",
            "error[E024] run.yaml:2:1 data.source: is missing. fix: add source: to the file",
        ),
        (
            "source: src.txt",
            "source: 1",
            "error[E025] run.yaml:3:3 data.source: the integer 1 is not a path. fix: write a path",
        ),
        (
            "target_lang: no",
            "target_lang: true",
            (
                "error[E025] run.yaml:6:3 data.target_lang: the boolean true is not text. "
                "fix: write text"
            ),
        ),
        (
            "prompt: lmt",
            "chat: yes\nprompt: lmt",
            ("error[E025] run.yaml:7:1 chat: the text 'yes' is not true or false. fix: chat: true"),
        ),
        (
            "learning_rate: 1e-4",
            "bf16: no",
            (
                "error[E025] run.yaml:11:3 trainer.bf16: the text 'no' is not true or false. "
                "fix: bf16: false"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "learning_rate: fast",
            (
                "error[E025] run.yaml:11:3 trainer.learning_rate: the text 'fast' is not a number. "
                "fix: write a number"
            ),
        ),
        (
            "path: start",
            "path: start\n  lora: {r: 2.0}",
            (
                "error[E025] run.yaml:10:10 policy.lora.r: the number 2.0 is not an integer. "
                "fix: r: 2"
            ),
        ),
        (
            "run: runs/dan-nob",
            "run: ''",
            "error[E025] run.yaml:1:1 run: the text '' is not a path. fix: write a path",
        ),
        (
            "path: start",
            "path: start\n  lora: {r: 0}",
            (
                "error[E026] run.yaml:10:10 policy.lora.r: the integer 0 is out of range. "
                "fix: write a number of at least 1"
            ),
        ),
        (
            "target_lang: no",
            "target_lang: no\n  heldout: 1.5",
            (
                "error[E026] run.yaml:7:3 data.heldout: the number 1.5 is out of range. "
                "fix: write a share below 1.0"
            ),
        ),
        (
            "prompt: lmt",
            "prompt: lmtt",
            "error[E026] run.yaml:7:1 prompt: 'lmtt' is not a prompt style. fix: prompt: lmt",
        ),
        (
            "learning_rate: 1e-4",
            "optim: adam_torch",
            (
                "error[E026] run.yaml:11:3 trainer.optim: 'adam_torch' is not a choice. "
                "fix: optim: adamw_torch"
            ),
        ),
        (
            "path: start",
            "path: sft",
            (
                "error[E028] run.yaml:9:3 policy.path: 'sft' is no saved checkpoint: it holds no "
                "config.json. fix: give the directory that save_pretrained wrote"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "output_dir: out",
            (
                "error[E033] run.yaml:11:3 trainer.output_dir: 'out' cannot be set here. "
                "fix: set run: at the top of the file"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "seed: 3",
            (
                "error[E033] run.yaml:11:3 trainer.seed: 3 cannot be set here. "
                "fix: set seed: at the top of the file"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "model_init_kwargs: {trust_remote_code: true}",
            (
                "error[E033] run.yaml:11:23 trainer.model_init_kwargs.trust_remote_code: "
                "trust_remote_code cannot be set here. "
                "fix: no code runs from a checkpoint; remove it"
            ),
        ),
        (
            "learning_rate: 1e-4",
            "model_init_kwargs: '{\"trust_remote_code\": true}'",
            (
                "error[E033] run.yaml:11:3 trainer.model_init_kwargs.trust_remote_code: "
                "trust_remote_code cannot be set here. "
                "fix: no code runs from a checkpoint; remove it"
            ),
        ),
        (
            "source_lang: dan",
            "source_lang: xx",
            (
                "error[E260] run.yaml:5:3 data.source_lang: unknown language 'xx'. "
                "fix: give a code such as de, deu_Latn or pt-BR, or an English name"
            ),
        ),
        (
            "source_lang: dan",
            "source_lang: Danisch",
            (
                "error[E260] run.yaml:5:3 data.source_lang: unknown language 'Danisch'. "
                "fix: did you mean Danish, Spanish?"
            ),
        ),
        (
            "source_lang: dan",
            "source_lang: qaa",
            (
                "error[E039] run.yaml:2:1 data: the prompt style lmt names languages: 'qaa' is "
                "a code for private use and has no name; give the code of a language. "
                "fix: take a style that names no language: prompt: arrow"
            ),
        ),
    ],
)
def test_what_is_refused_says_where_and_how_to_fix_it(refused, command, old, new, message):
    assert COMMON.count(old) == 1
    assert refused(command.text.replace(old, new, 1)) == [message.format(trl=command.trl)]


def test_a_file_that_is_no_mapping_is_refused(refused):
    assert refused("[1, 2]") == [
        (
            "error[E020] run.yaml:1:1: the file must be a mapping, found a list. "
            "fix: write key: value lines"
        )
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "E005"),
        ("\ufeffrun: a\n", "E002"),
        ("run: a\nrun: b\n", "E006"),
        ("run:\ta\n\tseed: 1\n", "E004"),
        ("run: !!python/object:os.system a\n", "E007"),
        ("run: &a b\nprompt: *a\n", "E008"),
        ("seed: .inf\n", "E012"),
    ],
)
def test_yaml_that_means_something_else_elsewhere_is_refused(refused, text, code):
    assert [message[6:10] for message in refused(text)][:1] == [code]


def test_a_run_directory_in_place_of_its_model_is_recognised(refused, command, tmp_path):
    (tmp_path / "earlier" / "model").mkdir(parents=True)
    (tmp_path / "earlier" / "model" / "config.json").write_text("{}")
    assert refused(overrides=["policy.path=earlier"]) == [
        (
            "error[E028] argument policy.path=earlier: 'earlier' is no saved checkpoint: it holds "
            "no config.json. fix: a run keeps its policy one level down: policy.path=earlier/model"
        )
    ]


def test_all_problems_of_a_file_are_reported_at_once(refused, command):
    text = command.text.replace("lmt", "1").replace("  reference:", "  refrence:")
    codes = [message[6:10] for message in refused(text.replace("1e-4", "x"))]
    assert codes == ["E023", "E025", "E025"]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (
            "seed",
            "error[E021] argument seed: is not key=value. fix: for example trainer.max_steps=100",
        ),
        (
            "a..b=1",
            (
                "error[E021] argument a..b=1: is not key=value. "
                "fix: for example trainer.max_steps=100"
            ),
        ),
        (
            "run.x=1",
            (
                "error[E022] argument run.x=1: run is 'runs/dan-nob', which has no 'x' in it. "
                "fix: check the key"
            ),
        ),
        (
            "seed=!!int 3",
            (
                "error[E007] argument seed=!!int 3: tags are refused, found "
                "'tag:yaml.org,2002:int'. fix: write the plain value"
            ),
        ),
        (
            "seed=-1",
            (
                "error[E026] argument seed=-1: the integer -1 is out of range. "
                "fix: write a number of at least 0"
            ),
        ),
        (
            "trainer.learning_rates=1e-5",
            (
                "error[E023] argument trainer.learning_rates=1e-5: unknown key. "
                "TRL's {trl} has learning_rate. fix: trainer.learning_rate=1e-05"
            ),
        ),
        (
            "prompt=",
            "error[E025] argument prompt=: nothing is not text. fix: write text",
        ),
    ],
)
def test_what_is_wrong_with_an_argument_names_the_argument(refused, command, argument, message):
    assert refused(overrides=[argument]) == [message.format(trl=command.trl)]


def test_arguments_replace_single_values_and_the_later_wins(load):
    config = load(
        overrides=[
            "trainer.learning_rate=1e-5",
            "trainer.max_steps=7",
            "seed=3",
            "seed=4",
            "data.target_lang=no",
            "policy={path: start, lora: {r: 4}}",
        ]
    )
    assert config.trainer["learning_rate"] == 1e-5
    assert config.trainer["max_steps"] == 7
    assert config.seed == 4
    assert config.data[0].target_lang == "no"
    assert config.policy.lora.r == 4


def test_a_run_directory_must_be_empty(tmp_path):
    check_run_directory(tmp_path / "new")
    check_run_directory(tmp_path)
    (tmp_path / "log").touch()
    for taken in (tmp_path, tmp_path / "log"):
        with pytest.raises(UserError) as caught:
            check_run_directory(taken)
        assert str(caught.value) == (
            f"error[E030] run '{taken}': exists and is not an empty directory. "
            f"fix: give another one: run={taken}-2"
        )


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.sampled_from("ab:-[]{}. \n1e'\"=#"), max_size=30))
def test_arbitrary_overrides_raise_nothing_but_a_user_error(argument):
    document = load_yaml(COMMANDS["rl"].text, "run.yaml")
    try:
        with_overrides(document, [argument, "data." + argument, "rewards.0." + argument])
    except UserError as error:
        assert error.exit_code == 2  # noqa: PT017


def test_a_model_that_another_run_will_make_is_told_with_its_command(tmp_path):
    (tmp_path / "first.yaml").write_text(COMMANDS["sft"].text)  # run: runs/dan-nob
    (tmp_path / "rl.yaml").write_text(
        COMMANDS["rl"]
        .text.replace("path: start", "path: runs/dan-nob/model")
        .replace("run: runs/dan-nob", "run: runs/rl")
    )
    with pytest.raises(UserError) as caught:
        COMMANDS["rl"].load(tmp_path / "rl.yaml")
    assert (
        "'runs/dan-nob/model' is not there yet: another run writes it. "
        f"fix: first run: rewardlab sft {tmp_path / 'first.yaml'}"
    ) in str(caught.value)


def test_what_a_run_left_is_told_with_what_to_do(tmp_path):
    run = tmp_path / "run"
    start_run(run, config="")
    check_run_directory(run)  # it ended before its first step
    (run / "metrics.jsonl").write_text('{"step": 0}\n')  # of an evaluation before that step
    check_run_directory(run)
    (run / "metrics.jsonl").write_text('{"step": 7}\n')
    assert _refusal(run) == (
        "contains a run that ended at step 7 and cannot be resumed. "
        f"fix: give another one: run={run}-2"
    )
    policy = run / "checkpoint-5"
    policy.mkdir()
    (policy / "model.safetensors").touch()
    assert _refusal(run).endswith(
        f"its policy is in {policy}; train it further with rewardlab sft {run}/config.yaml "
        f"policy.path={policy} run={run}-2"
    )
    (run / "model").mkdir()
    (run / "model" / "config.json").touch()
    assert _refusal(run).startswith("contains a finished run. fix: give another one")


def _refusal(run):
    with pytest.raises(UserError) as caught:
        check_run_directory(run)
    return str(caught.value).partition(f"error[E030] run '{run}': ")[2]
