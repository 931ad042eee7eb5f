"""Which declarations a job's source looks up the bucket for: realistic jobs that do, and jobs that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from raydock.errors import UsageError
from raydock.jobscript.header import Header, read_header
from submit import package
from submit.preflight.bucket_lookups import lookups, parsed

OUT, STORE, REPORT = "--out", "--storage-path", "--report"
JOBS = Path(__file__).parents[3] / "jobs"


def found(text: str, *writes: str, reads: tuple[str, ...] = (), **more: str) -> dict[str, str]:
    sources = {"x.py": text.encode(), **{f"{name}.py": source.encode() for name, source in more.items()}}
    return lookups(Header(reads=reads, writes=writes), parsed(sources))


# The source, and which of --out, --storage-path and --report it concerns.
WRITERS = {
    "Tune": ("from ray import tune\ntune.RunConfig(storage_path=args.storage_path)", [STORE]),
    "Tune, by another name": ("from ray import tune\ntune.RunConfig(storage_path=args.out)", [OUT]),
    "Tune, through a name": (
        "from ray import tune\npath = f'{args.storage_path}/a'\nx = path\ntune.RunConfig(storage_path=x)", [STORE]
    ),
    "Tune, by keywords": ("import ray.tune as t\nto = {'storage_path': p}\nt.RunConfig(**to)", [STORE]),
    "Train": ("import ray.train\nray.train.RunConfig(storage_path=args.storage_path)", [STORE]),
    "Train, set later": ("from ray.train import RunConfig\nc = RunConfig()\nc.storage_path = p", [STORE]),
    "Ray Data": ("import ray\nds = ray.data.range(3)\nds.write_parquet(args.out)", [OUT]),
    "Ray Data, a chain": ("from ray import data\ndata.range(3).map(f).write_csv(path=args.out)", [OUT]),
    "Ray Data, through a parameter": (
        "import ray.data\ndef save(ds, where):\n    ds.write_json(where)\nsave(ds, args.out)", [OUT]
    ),
    "Ray Data, through self": (
        "import ray.data\nself.where = args.out\nself.ds.write_numpy(self.where, column='x')", [OUT]
    ),
    "Ray Data, somewhere": ("import ray.data\nds.write_parquet(config['x'])", [OUT, STORE, REPORT]),
    "create_dir": ("from pyarrow import fs\nf, p = fs.FileSystem.from_uri(args.out)\nf.create_dir(p)", [OUT]),
    "write_dataset": ("import pyarrow.dataset as ds\nds.write_dataset(t, args.out)", [OUT]),
    "write_to_dataset": ("from pyarrow.parquet import write_to_dataset as w\nw(t, root_path=args.out)", [OUT]),
    "copy_files": ("import pyarrow.fs as fs\nfs.copy_files('/tmp/x', args.out)", [OUT]),
    "partitions of pandas": ("import pandas\ndf.to_parquet(args.out, partition_cols=['a'])", [OUT]),
}  # fmt: skip
OTHERS = {
    "google-cloud-storage": "from google.cloud import storage\nstorage.Client().bucket(b).blob(args.out).open('w')",
    "google-cloud-storage beside Tune": "from ray import tune\nfrom google.cloud import storage\ntune.run(f)",
    "Tune on this machine": "import tempfile\nfrom ray import tune\ntune.RunConfig(storage_path=tempfile.mkdtemp())",
    "Tune on a share": "from ray import tune\ntune.RunConfig(storage_path='/mnt/share')",
    "Tune without a path": "from ray import tune\ntune.RunConfig(storage_path=None)",
    "gcsfs": "import gcsfs\ngcsfs.GCSFileSystem().pipe(args.out, b'')",
    "Ray Data through gcsfs": "import gcsfs, ray.data\nds.write_parquet(args.out, filesystem=gcsfs.GCSFileSystem())",
    "Tune through gcsfs": "import gcsfs\nfrom ray import tune\ntune.RunConfig(storage_path=p, storage_filesystem=g)",
    "without creating a folder": "import ray.data\nds.write_parquet(args.out, try_create_dir=False)",
    "a custom datasink": "import ray.data\nds.write_datasink(Sink(args.out))",
    "polars": "import polars, ray\ndf.write_parquet(args.out)",
    "pyarrow's csv": "import ray.data\nfrom pyarrow import csv\ncsv.write_csv(t, args.out)",
    "one file by pyarrow": "from pyarrow import fs, parquet\nparquet.write_table(t, args.out, filesystem=f)",
    "a set without folders": "import pyarrow.dataset as ds\nds.write_dataset(t, args.out, create_dir=False)",
    "pandas": "import pandas\ndf.to_parquet(args.out)",
    "a download": "import tempfile\nimport pyarrow.fs as fs\nfs.copy_files(uri, tempfile.mkdtemp())",
    "a local function": "import pyarrow\ncreate_dir(args.out)",
    "another bucket": "import ray.data\nds.write_parquet('gs://elsewhere/x')",
    "invalid Python": "import ray.data\nds.write_parquet(args.out",
    "nothing": "",
}  # fmt: skip


@pytest.mark.parametrize("case", WRITERS)
def test_rays_and_pyarrows_writers(case: str) -> None:
    text, entries = WRITERS[case]
    assert list(found(text, OUT, STORE, REPORT)) == entries


@pytest.mark.parametrize("case", OTHERS)
def test_calls_that_create_no_folder_look_up_no_bucket(case: str) -> None:
    assert found(OTHERS[case], OUT) == {}


def test_lookup_names_its_line() -> None:
    looked_up = found("import ray.data\n\nds.write_parquet(args.out)\n", "--out=gs://lab-models/x")
    line = "write_parquet at x.py:3 creates a folder, for which it looks up the bucket"
    assert looked_up == {"--out=gs://lab-models/x": line}


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("ds.write_parquet('gs://lab-models/out')", "gs://lab-models/out/"),
        ("ds.write_parquet('gs://lab-models/out/a')", "gs://lab-models/out/"),
        ("HOME = 'gs://lab-models'\nds.write_parquet(f'{HOME}/out')", "gs://lab-models/out/"),
    ],
)
def test_uri_in_the_source(text: str, entry: str) -> None:
    assert list(found(f"import ray.data\n{text}", entry, "gs://lab-data/report.txt")) == [entry]


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("import ray\nray.data.read_parquet(args.data)", ["--data"]),
        ("import ray.data as rd\nrd.read_csv(args.data)", ["--data"]),
        ("from pyarrow import parquet\nparquet.read_table(args.data)", ["--data"]),
        ("import pandas\npandas.read_parquet(args.data)", []),
        ("from google.cloud import storage\nstorage.Client().list_blobs(args.data)", []),
    ],
)
def test_readers_of_a_whole_bucket(text: str, entries: list[str]) -> None:
    assert list(found(text, reads=("--data", "--model"))) == entries


def test_header_takes_precedence() -> None:
    text = {"x.py": b"import ray.data\nds.write_parquet(args.out)"}
    writes = ("--out=gs://lab-models/x", "--report")
    assert lookups(Header(writes=writes, folders=()), parsed(text)) == {}
    assert lookups(Header(writes=writes, folders=("report",)), parsed(text)) == {
        "--report": 'folders = "report"'
    }
    assert lookups(Header(writes=writes, folders=("--out",)), {}) == {writes[0]: 'folders = "--out"'}


def test_folder_that_is_not_in_writes_is_an_error() -> None:
    with pytest.raises(UsageError) as caught:
        lookups(Header(writes=("--out",), folders=("--output",)), {})
    assert caught.value.message == "The header's folders lists '--output', which is not in its writes."
    assert caught.value.fix == "folders = ['--out']"


def test_local_module_is_included(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import helper\nhelper.run(args.out)\n")
    (tmp_path / "helper.py").write_text(
        "from ray import tune\ndef run(where):\n    tune.RunConfig(storage_path=where)\n"
    )
    (tmp_path / "unused.py").write_text("import ray.data\nds.write_csv(args.report)\n")
    sources = package.sources(tmp_path / "train.py")
    assert list(sources) == ["train.py", "helper.py"]
    assert lookups(Header(writes=(OUT, REPORT)), parsed(sources)) == {
        OUT: "storage_path at helper.py:3 creates a folder, for which it looks up the bucket"
    }


def test_module_of_a_tree_is_included(tmp_path: Path) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "train.py").write_text("import lib\n")
    (tmp_path / "lib.py").write_text("import broken\n")
    (tmp_path / "broken.py").write_text("def\n")
    assert list(package.sources(tmp_path / "jobs" / "train.py", tmp_path)) == [
        "jobs/train.py",
        "lib.py",
        "broken.py",
    ]


LESSONS = {
    "tune_forest": {"--storage-path=gs://lab-models/tune_forest"},
    "train_xgboost": {"--storage-path=gs://lab-models/train_xgboost"},
}


@pytest.mark.parametrize("path", sorted(JOBS.glob("*.py")), ids=lambda path: path.stem)
def test_our_own_lessons(path: Path) -> None:
    """Jobs that write with Tune and Train look up the bucket; the others create no folders."""
    header = read_header(path.read_text(), path.name)
    looked_up = lookups(header, parsed(package.sources(path)))
    assert set(looked_up) & set(header.writes) == LESSONS.get(path.stem, set())
