from rewardlab.data.rows import Row
from rewardlab.decoding.outputs import read_outputs

ROWS = [Row("1", "Hi.", None, "en", "de"), Row("2", "Yes.", None, "en", "de")]


def test_reasoning_in_finished_translations_is_left_out_with_a_note(tmp_path):
    path = tmp_path / "out.jsonl"
    path.write_text(
        '{"id": "1", "texts": ["Hm, hi.\\n</think>\\n\\nHallo."]}\n{"id": "2", "texts": ["Ja."]}\n',
        encoding="utf-8",
    )
    texts, notes = read_outputs(path, ROWS)
    assert texts == ["Hallo.", "Ja."]
    assert notes == (f"{path}: reasoning before 1 of 2 translations left out",)
    path = tmp_path / "out.txt"
    path.write_text("Hallo.\nJa.\n", encoding="utf-8")
    assert read_outputs(path, ROWS) == (["Hallo.", "Ja."], ())
