"""A server that speaks as much of S3 as s3fs asks of it: small objects in memory, one at a time, whole."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree
from xml.sax.saxutils import escape


class Objects(ThreadingHTTPServer):
    """Objects by bucket and key, as in "team/digits/0/1-1.json"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.objects: dict[str, bytes] = {}
        self.fails = 0
        """How many requests are still to be answered with an error of the server's."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Objects

    def log_message(self, *_: object) -> None:
        """Nothing: the tests look at the objects."""

    def _say(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _fails(self) -> bool:
        if self.server.fails <= 0:
            return False
        self.server.fails -= 1
        self._say(503, b"<Error><Code>SlowDown</Code></Error>")
        return True

    @property
    def _key(self) -> str:
        return unquote(urlsplit(self.path).path).strip("/")

    @property
    def _query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def do_PUT(self) -> None:
        body = self._body()
        if not self._fails():
            self.server.objects[self._key] = body
            self._say(200, ETag=f'"{md5(body).hexdigest()}"')

    def do_GET(self) -> None:
        if self._fails():
            return
        if "list-type" in self._query:
            self._say(200, self._listed().encode(), Content_Type="application/xml")
            return
        found = self.server.objects.get(self._key)
        if found is None:
            self._say(404, b"<Error><Code>NoSuchKey</Code></Error>")
            return
        start, _, end = self.headers.get("Range", "bytes=0-").partition("=")[2].partition("-")
        part = found[int(start) : int(end) + 1 if end else None]
        self._say(206 if "Range" in self.headers else 200, part, ETag=f'"{md5(found).hexdigest()}"')

    def do_HEAD(self) -> None:
        found = self.server.objects.get(self._key)
        is_bucket = "/" not in self._key
        self.send_response(200 if is_bucket or found is not None else 404)
        self.send_header("Content-Length", str(len(found or b"")))
        self.send_header("ETag", f'"{md5(found or b"").hexdigest()}"')
        self.send_header("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
        self.end_headers()

    def do_DELETE(self) -> None:
        if not self._fails():
            self.server.objects.pop(self._key, None)
            self._say(204)

    def do_POST(self) -> None:
        bucket, body = self._key, self._body()
        assert "delete" in self._query, "no object of a test is so large that it is sent in parts"
        for key in ElementTree.fromstring(body).iter("{http://s3.amazonaws.com/doc/2006-03-01/}Key"):
            self.server.objects.pop(f"{bucket}/{key.text}", None)
        self._say(200, b"<DeleteResult/>", Content_Type="application/xml")

    def _listed(self) -> str:
        bucket, prefix, delimiter = self._key, self._query.get("prefix", ""), self._query.get("delimiter", "")
        files, folders = [], {}
        for name, content in sorted(self.server.objects.items()):
            key = name.removeprefix(f"{bucket}/")
            if name == key or not key.startswith(prefix):
                continue
            inside, slash, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            if slash:
                folders[f"{prefix}{inside}/"] = None
            else:
                files.append((key, len(content)))
        when = "<LastModified>2024-01-01T00:00:00.000Z</LastModified>"
        contents = (f"<Contents><Key>{escape(key)}</Key>{when}<Size>{size}</Size></Contents>" for key, size in files)
        shared = (f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>" for each in folders)
        return (
            f"<ListBucketResult><IsTruncated>false</IsTruncated>{''.join(contents)}{''.join(shared)}</ListBucketResult>"
        )

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        else:
            body = b"".join(iter(self._chunk, b""))
            self._lines()
        return _unframed(body) if "aws-chunked" in self.headers.get("Content-Encoding", "") else body

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().split(b";")[0], 16)
        data = self.rfile.read(size)
        if size:
            self.rfile.readline()
        return data

    def _lines(self) -> None:
        while self.rfile.readline().strip():
            pass


def _unframed(body: bytes) -> bytes:
    """What stands in the frames that botocore puts around a body whose checksum follows it."""
    whole = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.split(b";")[0], 16)
        if not size:
            break
        whole, body = whole + body[:size], body[size + 2 :]
    return whole


@contextmanager
def served() -> Iterator[Objects]:
    """A server, until the block ends."""
    server = Objects()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
