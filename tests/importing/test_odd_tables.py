import re

import odd_tables
import pyarrow
import pyarrow.parquet
import pytest

from constructions import InputError, read_table
from verify.__main__ import main


def written(place, content):
    if isinstance(content, bytes):
        place.write_bytes(content)
    else:
        pyarrow.parquet.write_table(pyarrow.table(content), place)
    return place


def words_of(said):
    flat = {name: value for name, value in said.items() if name != "inverse"}
    words = [word for name, value in flat.items() for word in (f"--{name}", value)]
    return [*words, *(f"--inverse={a}={b}" for a, b in said.get("inverse", {}).items())]


def test_there_are_enough_odd_tables_of_every_format():
    assert len(odd_tables.ODD) >= 60
    for name in ("CSV", "TSV", "JSON", "LINES", "NT", "TTL", "PARQUET"):
        assert len(getattr(odd_tables, name)) >= 10, name


@pytest.mark.parametrize(
    ("ending", "content", "said", "expected"),
    [pytest.param(*row, id=f"{row[0]}: {name}") for name, *row in odd_tables.ODD],
)
def test_an_odd_table_gets_its_message_or_is_read(
    ending, content, said, expected, tmp_path, capsys
):
    path = written(tmp_path / f"table{ending}", content)
    words = ["import", str(path), "-o", str(tmp_path / "facts.tsv"), *words_of(said)]
    if isinstance(expected, set):
        assert set(read_table(path, **said).rows()) == expected
        assert main(words) == 0
        assert set(read_table(tmp_path / "facts.tsv").rows()) == expected
        return
    with pytest.raises(InputError) as caught:
        read_table(path, **said)
    text = str(caught.value).replace(str(path), "")
    pattern = re.escape(expected).replace(re.escape("..."), ".*")
    assert re.search(f"^{pattern}", text, re.M) or re.search(pattern, text), text
    assert main(words) == 2
    assert not (tmp_path / "facts.tsv").exists()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "Traceback" not in printed.err
