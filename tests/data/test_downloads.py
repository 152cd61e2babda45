import errno
import hashlib
import shutil
import tarfile
import zipfile
from collections import namedtuple
from functools import partial

import pytest

from segedu.data import downloads
from segedu.data.downloads import Archive, DiskFullError, DownloadError, download, fetch_folder


@pytest.fixture
def content(server, rng):
    data = rng.bytes(700_001)
    (server.folder / "data.bin").write_bytes(data)
    return data


def archive(server, content, name="data.bin"):
    return Archive(f"{server.url}/{name}", f"sha256:{hashlib.sha256(content).hexdigest()}")


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_download_has_the_bytes_of_the_original(server, content, tmp_path, capsys):
    path = download(archive(server, content), tmp_path / "here", "Random numbers")
    assert path.read_bytes() == content
    assert files(tmp_path / "here") == ["data.bin"]
    shown = capsys.readouterr().err
    assert "Random numbers" in shown
    assert "700.0" in shown


def test_what_is_there_is_not_fetched_again(server, content, tmp_path):
    for _ in range(2):
        download(archive(server, content), tmp_path / "here")
    assert server.ranges == [None]


def test_what_is_there_with_another_checksum_is_fetched(server, content, tmp_path):
    (tmp_path / "data.bin").write_bytes(b"older")
    assert download(archive(server, content), tmp_path).read_bytes() == content


def test_a_download_goes_on_where_it_broke_off(server, content, tmp_path):
    server.cut = 300_000
    with pytest.raises(match=r"data\.bin broke off: 0\.3 of 0\.7 MB came"):
        download(archive(server, content), tmp_path / "here")
    assert "data.bin" not in files(tmp_path / "here")
    with pytest.raises(match=r"0\.6 of 0\.7 MB came"):
        download(archive(server, content), tmp_path / "here")
    server.cut = None
    assert download(archive(server, content), tmp_path / "here").read_bytes() == content
    assert server.ranges == [None, "bytes=300000-", "bytes=600000-"]
    assert files(tmp_path / "here") == ["data.bin"]


@pytest.mark.parametrize("change", ["the server cannot go on", "the server has another file"])
def test_a_download_begins_again_where(change, server, content, tmp_path, rng):
    source = Archive(f"{server.url}/data.bin")
    server.cut = 300_000
    with pytest.raises(DownloadError, match="broke off"):
        download(source, tmp_path / "here")
    server.cut = None
    if change == "the server cannot go on":
        server.resumes = False
    else:
        content = rng.bytes(500_000)
        (server.folder / "data.bin").write_bytes(content)
        server.version = "2"
    assert download(source, tmp_path / "here").read_bytes() == content
    assert server.ranges[-1] == "bytes=300000-"


def test_an_interrupted_program_goes_on_too(server, content, tmp_path, monkeypatch):
    class Interrupting:
        def __call__(self, *_):
            raise KeyboardInterrupt

    monkeypatch.setattr(downloads.Progress, "advance", Interrupting())
    with pytest.raises(KeyboardInterrupt):
        download(archive(server, content), tmp_path / "here")
    monkeypatch.undo()
    came = (tmp_path / "here" / "data.bin.part").stat().st_size
    assert came > 0
    assert download(archive(server, content), tmp_path / "here").read_bytes() == content
    assert server.ranges == [None, f"bytes={came}-"]


def test_a_part_as_long_as_the_file_is_fetched_anew(server, content, tmp_path):
    (tmp_path / "data.bin.part").write_bytes(content)
    (tmp_path / "data.bin.part.version").write_text('"1"')
    assert download(archive(server, content), tmp_path).read_bytes() == content
    assert server.ranges == [f"bytes={len(content)}-", None]


def test_a_server_that_says_no_length_is_read_to_the_end(server, content, tmp_path):
    server.says_length = False
    assert download(archive(server, content), tmp_path).read_bytes() == content


def test_a_wrong_checksum_leaves_nothing(server, content, tmp_path):
    with pytest.raises(DownloadError, match=r"its checksum is sha256:[0-9a-f]{64} and must be sha256:[0-9a-f]{64}"):
        download(archive(server, content[:-1]), tmp_path / "here")
    assert files(tmp_path / "here") == []


def test_an_md5_checksum_is_an_md5_checksum(server, content, tmp_path):
    right = Archive(f"{server.url}/data.bin", f"md5:{hashlib.md5(content).hexdigest()}")
    assert download(right, tmp_path).read_bytes() == content


@pytest.mark.parametrize(("status", "hint"), [(404, "fetch it by hand"), (503, "try again later")])
def test_the_servers_refusal_is_told_with_a_way_out(server, content, tmp_path, status, hint):
    server.status = status
    with pytest.raises(DownloadError, match=rf"data\.bin could not be fetched: the server says {status} .*{hint}"):
        download(archive(server, content), tmp_path / "here")
    assert files(tmp_path / "here") == []


def test_without_a_network_that_is_said(server, tmp_path):
    server.close()
    with pytest.raises(DownloadError, match=r"could not be fetched: .*connected to the network"):
        download(Archive(f"{server.url}/data.bin"), tmp_path)


def test_too_little_room_is_said_before_anything_is_written(server, content, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 0, 200_000))
    with pytest.raises(DiskFullError, match=r"needs 1 MB more and .* has room for 0 MB"):
        download(archive(server, content), tmp_path / "here")
    assert files(tmp_path / "here") == []


def test_a_disk_that_fills_up_keeps_what_came(server, content, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads.Progress, "advance", full)
    with pytest.raises(DiskFullError, match="The disk is full"):
        download(archive(server, content), tmp_path / "here")
    monkeypatch.undo()
    assert download(archive(server, content), tmp_path / "here").read_bytes() == content
    assert server.ranges[1].startswith("bytes=")


def make_zip(path, entries):
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


def make_tar(path, entries):
    source = path.parent / "source"
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as file:
        for name, content in entries.items():
            source.write_bytes(content)
            file.add(source, name)


ENTRIES = {"top/one.txt": b"1", "top/deep/two.txt": b"22", "top/unwanted.txt": b"3"}


def place(name):
    return None if "unwanted" in name else name.removeprefix("top/")


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar", make_tar), ("a.tar.gz", make_tar)])
def test_archives_are_unpacked_into_a_folder(server, tmp_path, name, make):
    make(server.folder / name, ENTRIES)
    target = fetch_folder("A", [Archive(f"{server.url}/{name}")], tmp_path / "root" / "a", place, lambda folder: None)
    assert {str(p.relative_to(target)): p.read_bytes() for p in target.rglob("*.txt")} == {
        "one.txt": b"1",
        "deep/two.txt": b"22",
    }
    assert files(tmp_path / "root") == ["a"]


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar", make_tar)])
def test_nothing_is_written_outside_of_the_folder(server, tmp_path, name, make):
    make(server.folder / name, {"top/../../escaped.txt": b"!"})
    with pytest.raises(DownloadError, match="outside of"):
        fetch_folder("A", [Archive(f"{server.url}/{name}")], tmp_path / "root" / "a", place, lambda folder: None)
    assert not list(tmp_path.rglob("escaped.txt"))
    assert files(tmp_path / "root") == []


@pytest.mark.parametrize(("name", "make"), [("a.zip", make_zip), ("a.tar.gz", make_tar)])
def test_a_corrupt_archive_is_named_and_leaves_nothing(server, tmp_path, rng, name, make):
    make(server.folder / name, {"top/one.txt": rng.bytes(50_000)})
    damaged = bytearray((server.folder / name).read_bytes())
    damaged[20_000:20_100] = bytes(100)
    (server.folder / name).write_bytes(damaged)
    with pytest.raises(DownloadError, match=rf"{name} is not a readable archive"):
        fetch_folder("A", [Archive(f"{server.url}/{name}")], tmp_path / "root" / "a", place, lambda folder: None)
    assert files(tmp_path / "root") == []


def test_a_second_archive_that_breaks_off_costs_only_its_own_rest(server, tmp_path, rng):
    make_zip(server.folder / "a.zip", {"top/one.txt": rng.bytes(900)})
    make_zip(server.folder / "b.zip", {"top/two.txt": rng.bytes(90_000)})
    archives = [Archive(f"{server.url}/{name}.zip") for name in "ab"]
    server.cut = 50_000
    with pytest.raises(DownloadError, match="broke off"):
        fetch_folder("A", archives, tmp_path / "root" / "ab", place, lambda folder: None)
    server.status = 503
    with pytest.raises(DownloadError, match="try again later"):
        fetch_folder("A", archives, tmp_path / "root" / "ab", place, lambda folder: None)
    assert not (tmp_path / "root" / "ab").exists()
    server.status = None
    server.cut = None
    target = fetch_folder("A", archives, tmp_path / "root" / "ab", place, lambda folder: None)
    assert files(target) == ["one.txt", "two.txt"]
    assert server.ranges == [None, None, "bytes=50000-", "bytes=50000-"]


def test_a_disk_that_fills_up_while_unpacking_keeps_the_archive(server, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    make_zip(server.folder / "a.zip", ENTRIES)
    fetch = partial(
        fetch_folder, "A", [Archive(f"{server.url}/a.zip")], tmp_path / "root" / "a", place, lambda folder: None
    )
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copyfileobj", full)
        with pytest.raises(DiskFullError, match="The disk is full"):
            fetch()
    assert files(tmp_path / "root") == ["a-download"]
    assert files(fetch()) == ["deep", "one.txt"]
    assert server.ranges == [None]


def test_a_folder_that_is_there_is_not_overwritten(server, tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(DownloadError, match="exists already and is not complete; remove it"):
        fetch_folder("A", [Archive(f"{server.url}/a.zip")], tmp_path / "a", place, lambda folder: None)
    assert server.ranges == []
