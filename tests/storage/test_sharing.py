"""Folders whose locks do not hold are refused, as two processes find out; a library before libc plays such a folder."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kilter.storage import sharing
from kilter.storage.sharing import broken, file_system, is_network
from kilter.storage.sqlite import SQLiteStorage

MOUNTS = r"""
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw,nolock 0 0
/dev/vdb /home/local\040disk xfs rw 0 0
scratch /scratch lustre rw 0 0
sshfs /mnt/far fuse.sshfs rw 0 0
"""

LIAR = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static int is(const char *what) { const char *w = getenv("FOLDER"); return w && !strcmp(w, what); }

static int lock(const char *name, int fd, int command, void *argument) {
    if (command == F_SETLK || command == F_SETLKW) {
        if (is("refuses")) { errno = ENOLCK; return -1; }
        if (is("lies")) return 0;
    }
    int (*real)(int, int, ...) = dlsym(RTLD_NEXT, name);
    return real(fd, command, argument);
}
#define WRAP(name) int name(int fd, int command, ...) { va_list a; va_start(a, command); void *p = va_arg(a, void *); \
    va_end(a); return lock(#name, fd, command, p); }
WRAP(fcntl)
WRAP(fcntl64)

static void *map(const char *name, void *at, size_t size, int protection, int flags, int fd, off_t from) {
    if (is("forgets") && fd >= 0 && (flags & MAP_SHARED)) flags = (flags & ~MAP_SHARED) | MAP_PRIVATE;
    void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, name);
    return real(at, size, protection, flags, fd, from);
}
void *mmap(void *at, size_t size, int protection, int flags, int fd, off_t from)
    { return map("mmap", at, size, protection, flags, fd, from); }
void *mmap64(void *at, size_t size, int protection, int flags, int fd, off_t from)
    { return map("mmap64", at, size, protection, flags, fd, from); }
"""

OPENS = """
import re, sys
from kilter.storage import sharing
from kilter.storage.sqlite import SQLiteStorage
sharing.NETWORK = re.compile(".*")
print(sharing.broken(sys.argv[1]))
SQLiteStorage(sys.argv[1] + "/k.db").close()
"""


@pytest.fixture(scope="module")
def liar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler, on Linux")
    folder = tmp_path_factory.mktemp("liar")
    (folder / "liar.c").write_text(LIAR)
    command = [compiler, "-shared", "-fPIC", "-o", folder / "liar.so", folder / "liar.c", "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "liar.so"


def opened(folder: Path, liar: Path, kind: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_PRELOAD": str(liar), "FOLDER": kind}
    command = [sys.executable, "-c", OPENS, str(folder)]
    return subprocess.run(command, env=environment, check=False, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("refuses", "to lock or to share a part of a file failed, No locks available"),
        ("lies", "while a part of a file was locked, another process found it granted 1"),
        ("forgets", "while a part of a file was locked, another process found it refused 0"),
    ],
)
def test_what_does_not_hold_is_found_out_and_refused(tmp_path: Path, liar: Path, kind: str, reason: str) -> None:
    told = opened(tmp_path, liar, kind)
    assert told.stdout.strip() == reason
    assert told.returncode == 1 and "kilter.core.errors.StorageUnsafe" in told.stderr and reason in told.stderr
    assert "PostgreSQL" in told.stderr and os.listdir(tmp_path) == []


def test_a_folder_that_is_fine_is_fine(tmp_path: Path, liar: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = opened(tmp_path, liar, "is fine")
    assert (told.stdout.strip(), told.returncode) == ("None", 0), told.stderr
    assert broken(str(tmp_path)) is None and broken(str(tmp_path / "not there")) is None
    monkeypatch.setattr(sharing, "broken", lambda folder: "it must not be tried")
    SQLiteStorage(tmp_path / "local.db").close()  # for that costs time


@pytest.mark.skipif(os.name != "posix", reason="there are no such locks")
def test_another_process_may_look_as_early_as_it_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begin = subprocess.Popen

    def begun(*arguments: Any, **options: Any) -> Any:
        process = begin(*arguments, **options)
        select.select([process.stdout], [], [])  # it has looked before we go on
        return process

    monkeypatch.setattr(subprocess, "Popen", begun)
    assert broken(str(tmp_path)) is None


def test_the_file_system_of_a_path_is_that_of_the_folder_nearest_to_it(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    kinds = {
        "/tmp/k.db": "ext4",
        "/home/ada/k.db": "nfs4",
        "/homes/k.db": "ext4",
        "/home/local disk/k.db": "xfs",
        "/scratch/k.db": "lustre",
        "/mnt/far/k.db": "fuse.sshfs",
    }
    assert {path: file_system(path, str(mounts)) for path in kinds} == kinds
    tried = {kind for kind in kinds.values() if is_network(kind)}
    assert tried == {"nfs4", "lustre", "fuse.sshfs"}
    assert file_system("/tmp", str(tmp_path / "none")) is None
