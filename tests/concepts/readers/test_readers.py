"""The same captions in seven kinds of file, and what is wrong with a row told with its place."""

import csv
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simzss.concepts.readers.rows import BadRow, CaptionRow
from simzss.concepts.readers.source import Reader, open_corpus
from simzss.errors import UserError

ROWS = [
    CaptionRow("1.jpg", "a dog"),
    CaptionRow("2.jpg", 'a "big" cat, sitting'),
    CaptionRow("2.jpg", "  two spaces  "),
    CaptionRow("b/3.jpg", "🐕 ünï\u0301 كلب &amp;"),
    CaptionRow("4.jpg", ""),
    CaptionRow("5.jpg", "x" * 20_000),
]


def write_coco(path: Path, rows: list[CaptionRow]) -> None:
    keys = list(dict.fromkeys(row.key for row in rows))
    images = [{"id": number, "file_name": key, "url": "http://x"} for number, key in enumerate(keys)]
    annotations = [
        {"id": number, "image_id": keys.index(row.key), "caption": row.caption} for number, row in enumerate(rows)
    ]
    path.write_text(json.dumps({"info": {"year": 2017}, "images": images, "annotations": annotations}), "utf-8")


def write_jsonl(path: Path, rows: list[CaptionRow]) -> None:
    lines = (json.dumps({"file_name": row.key, "caption": row.caption, "size": [1, 2]}) for row in rows)
    path.write_text("\n\n".join(lines), "utf-8")


def write_csv(path: Path, rows: list[CaptionRow]) -> None:
    pd.DataFrame({"image": [row.key for row in rows], "caption": [row.caption for row in rows]}).to_csv(
        path, index=False
    )


def write_tsv(path: Path, rows: list[CaptionRow]) -> None:
    path.write_text(
        "".join(f"{key}\t{caption}\n" for key, caption in [("image", "caption"), *map(astuple, rows)]), "utf-8"
    )


def write_parquet(path: Path, rows: list[CaptionRow]) -> None:
    frame = pd.DataFrame(
        {"url": [row.key for row in rows], "text": [row.caption for row in rows], "n": range(len(rows))}
    )
    frame.to_parquet(path, row_group_size=2)


def write_huggingface(path: Path, rows: list[CaptionRow]) -> None:
    columns = {"key": [row.key for row in rows], "sentence": [row.caption for row in rows]}
    datasets.Dataset.from_dict(columns).save_to_disk(str(path))


def write_tar(path: Path, rows: list[CaptionRow]) -> None:
    """As WebDataset does, but keys must not repeat there: they are made unique by the folder."""
    with tarfile.open(path, "w") as archive:
        for number, row in enumerate(rows):
            for suffix, content in (("jpg", b"\xff\xd8"), ("json", b'{"width": 3}'), ("txt", row.caption.encode())):
                info = tarfile.TarInfo(f"{number}/{row.key.partition('.')[0]}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def astuple(row: CaptionRow) -> tuple[str, str]:
    return row.key, row.caption


WRITERS: dict[Reader, tuple[str, Callable[[Path, list[CaptionRow]], None]]] = {
    Reader.COCO: ("captions.json", write_coco),
    Reader.JSONL: ("captions.jsonl", write_jsonl),
    Reader.CSV: ("captions.csv", write_csv),
    Reader.TSV: ("captions.tsv", write_tsv),
    Reader.PARQUET: ("captions.parquet", write_parquet),
    Reader.HUGGINGFACE: ("captions", write_huggingface),
    Reader.TAR: ("captions.tar", write_tar),
}


@pytest.mark.parametrize("reader", Reader)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, reader: Reader) -> None:
    name, write = WRITERS[reader]
    write(tmp_path / name, ROWS)
    corpus = open_corpus(str(tmp_path / name))
    assert corpus.reader is reader
    expected = ROWS
    if reader is Reader.TAR:
        expected = [CaptionRow(f"{n}/{row.key.partition('.')[0]}", row.caption) for n, row in enumerate(ROWS)]
    assert list(corpus.rows()) == expected
    about = corpus.about_rows()
    assert about is None or len(ROWS) <= about <= 2 * len(ROWS)


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    for name, row in (("b.jsonl", ROWS[0]), ("a.jsonl", ROWS[1])):
        write_jsonl(tmp_path / name, [row])
    (tmp_path / "notes.md").write_text("no captions")
    for folder in ("c.jsonl", "d.tar"):
        (tmp_path / folder).mkdir()
    assert list(open_corpus(str(tmp_path)).rows()) == [ROWS[1], ROWS[0]]


def test_columns_can_be_named_and_numbered(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text('a "dog\thttp://x/1\na cat\thttp://x/2\n', "utf-8")
    rows = list(open_corpus(str(path), caption_column="1", key_column="2").rows())
    assert rows == [CaptionRow("http://x/1", 'a "dog'), CaptionRow("http://x/2", "a cat")]
    assert list(open_corpus(str(path), caption_column="1").rows())[1] == CaptionRow("pairs.tsv:2", "a cat")
    path.write_text("alt\tlink\na dog\t1\n", "utf-8")
    assert list(open_corpus(str(path), caption_column="alt", key_column="link").rows()) == [CaptionRow("1", "a dog")]


def test_the_fields_of_tar_samples(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as archive:
        for name, content in (("7.json", b'{"caption": "a dog", "url": "u"}'), ("8.jpg", b""), ("9.json", b"{")):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    assert next(open_corpus(str(path), key_column="url").rows()) == CaptionRow("u", "a dog")
    rows = list(open_corpus(str(path)).rows())
    assert rows[0] == CaptionRow("7", "a dog")
    assert problem(rows[1]).endswith("sample 2 (8): no caption; its files are: jpg")
    assert problem(rows[2]).endswith("sample 3 (9): broken JSON")


def test_suffixes_in_a_tar_are_read_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "shard.tar"
    contents = {"7.TXT": b"a dog", "8.Json": b'{"caption": "a cat"}', "9.JPG": b"", "9.Alt.Text": b"a cow"}
    with tarfile.open(path, "w") as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    rows = list(open_corpus(str(path)).rows())
    assert rows[:2] == [CaptionRow("7", "a dog"), CaptionRow("8", "a cat")]
    assert problem(rows[2]).endswith("sample 3 (9): no caption; its files are: jpg, alt.text")
    for named in ("alt.text", "Alt.Text"):
        assert list(open_corpus(str(path), caption_column=named).rows())[2] == CaptionRow("9", "a cow")


def test_hidden_files_in_a_tar_are_no_samples(tmp_path: Path) -> None:
    """Tar on macOS puts what it knows of `17.jpg` into a file `._17.jpg` before it."""
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("._17.jpg", "17.jpg", "in/._17.txt", "17.txt", ".DS_Store"):
            info = tarfile.TarInfo(name)
            info.size = 5
            archive.addfile(info, io.BytesIO(b"a dog"))
    assert list(open_corpus(str(path)).rows()) == [CaptionRow("17", "a dog")]


def problem(row: CaptionRow | BadRow) -> str:
    assert isinstance(row, BadRow)
    return row.problem


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"caption": null}', "line 2: the caption is null, not text"),
        (b'{"caption": 3}', "line 2: the caption is a number, not text"),
        (b'{"caption": ["a"]}', "line 2: the caption is a list, not text"),
        (b'{"caption": "a dog', "line 2: broken JSON (Unterminated string"),
        (b'{"caption": "\\ud800"}', "line 2: not valid UTF-8"),
        (b'{"caption": "\xff"}', "line 2: not valid UTF-8"),
        (b'{"text": "a dog"}', "line 2: no column 'caption'; the columns are: text"),
        (b"[]", "line 2: not a JSON object"),
        (b'{"caption": "a dog", "id": ' + b"7" * 5000 + b"}", "line 2: a number with too many digits"),
        (b"[" * 100_000, "line 2: broken JSON"),
        (b'{"caption": "' + b"x" * 100_001 + b'"}', "line 2: the caption has 100001 characters"),
    ],
)
def test_a_bad_line_is_told_and_the_next_is_read(tmp_path: Path, line: bytes, expected: str) -> None:
    path = tmp_path / "captions.jsonl"
    path.write_bytes(b'{"caption": "first"}\n' + line + b'\n{"caption": "third"}\n')
    first, bad, third = open_corpus(str(path)).rows()
    assert (first, third) == (CaptionRow("captions.jsonl:1", "first"), CaptionRow("captions.jsonl:3", "third"))
    assert expected in problem(bad)


def test_bad_lines_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "captions.csv"
    path.write_bytes(b"key,caption\n1,a\xff dog\n2\n\n3,null\n4,5\n5,\x00\n6," + b"y" * 200_000 + b"\n7,last\n")
    rows = list(open_corpus(str(path)).rows())
    assert problem(rows[0]).endswith("line 2: not valid UTF-8")
    assert problem(rows[1]).endswith("line 3: the row has 1 columns, 2 are needed")
    assert rows[2:5] == [CaptionRow("3", "null"), CaptionRow("4", "5"), CaptionRow("5", "\x00")]
    assert "field larger than field limit" in problem(rows[5])
    assert rows[6] == CaptionRow("7", "last")


def test_bad_values_of_a_column(tmp_path: Path) -> None:
    captions = pa.array([b"good", None, b"\xff\xfe", b"last"], pa.binary()).cast(pa.string(), safe=False)
    broken = pa.StringArray.from_buffers(4, *captions.buffers()[1:], captions.buffers()[0], 1)
    pq.write_table(pa.table({"caption": broken, "id": [1, 2, 3, 4]}), tmp_path / "c.parquet")
    rows = list(open_corpus(str(tmp_path / "c.parquet")).rows())
    assert (rows[0], rows[3]) == (CaptionRow("1", "good"), CaptionRow("4", "last"))
    assert problem(rows[1]).endswith("row 2: the caption is null, not text")
    assert problem(rows[2]).endswith("row 3: not valid UTF-8")


def test_bad_annotations_of_coco(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    annotations = [{"image_id": 1, "caption": 4}, {"image_id": 9, "caption": "a"}, {"image_id": 1, "bbox": []}]
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "1.jpg"}], "annotations": annotations}), "utf-8")
    problems = [problem(row) for row in open_corpus(str(path)).rows()]
    assert problems[0].endswith("annotation 1: the caption is a number, not text")
    assert problems[1].endswith("annotation 2: no image 9 in the file")
    assert problems[2].endswith("annotation 3: no 'caption'; is this a COCO caption file?")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("c.json", b'{"images": [],\n "annotations": [}', "c.json, line 2: broken JSON"),
        ("c.json", b"[]", "not a COCO caption file"),
        ("c.json", b"[" * 100_000, "JSON nested too deep"),
        ("c.json", b'{"images": [{"id": ' + b"7" * 5000 + b"}]}", "a number with too many digits"),
        ("c.jsonl", b'{"words": "a", "n": 1}', "line 1: no caption column; the columns are: words, n"),
        ("c.csv", b"words,n\na,1\n", "no caption column; the columns are: words, n"),
        ("c.parquet", b"PAR1 no", "not a readable Parquet file"),
        ("c.tar", b"no tar at all", "not a readable tar file"),
        ("c.pickle", b"", "cannot tell how to read it; choose with --reader"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as refused:
        list(open_corpus(str(tmp_path / name)).rows())
    assert message in str(refused.value)


def test_the_rows_of_an_unreadable_file_are_not_told(tmp_path: Path) -> None:
    (tmp_path / "c.parquet").write_bytes(b"PAR1 no")
    assert open_corpus(str(tmp_path / "c.parquet")).about_rows() is None
    gone = tmp_path / "c.jsonl"
    gone.write_text("")
    corpus = open_corpus(str(gone))
    gone.unlink()
    assert corpus.about_rows() is None


def test_a_missing_column_is_told_with_those_present(tmp_path: Path) -> None:
    write_parquet(tmp_path / "c.parquet", ROWS)
    with pytest.raises(
        UserError, match=r"no column 'alt'; the columns are: url, text, n \(choose with --caption-column"
    ):
        list(open_corpus(str(tmp_path / "c.parquet"), caption_column="alt").rows())
    with pytest.raises(UserError, match=r"no column 'name'; .*--key-column"):
        list(open_corpus(str(tmp_path / "c.parquet"), key_column="name").rows())


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no file or folder nowhere\.json; a data set .* needs --reader huggingface"):
        open_corpus("nowhere.json")
    with pytest.raises(UserError, match="cannot tell how to read it"):
        open_corpus(str(tmp_path))
    with pytest.raises(UserError, match="no tar file in this folder"):
        open_corpus(str(tmp_path), Reader.TAR)
    with pytest.raises(UserError, match="cannot load the data set"):
        list(open_corpus(str(tmp_path), Reader.HUGGINGFACE).rows())


def test_csv_quoting_is_that_of_the_csv_module(tmp_path: Path) -> None:
    captions = ['with "quotes"', "a,b", "line\nbreak", "tab\there"]
    with (tmp_path / "c.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["caption"], *([caption] for caption in captions)])
    rows = list(open_corpus(str(tmp_path / "c.csv")).rows())
    assert [row.caption for row in rows if isinstance(row, CaptionRow)] == captions
