"""The routes of a hub of data sets that huggingface_hub's file system uses, on 127.0.0.1: `python hub.py PORT`.

One data set of one branch, in memory; a commit puts and removes files, all of them or none. Written from what the
client asks and reads, so it shows that a run gets along with the client, not with the hub: no large files kept apart,
no limits, no keys.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from typing import Any

from aiohttp import web

SHA = "0" * 40


class Hub:
    """The files of the data set."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    async def about(self, request: web.Request) -> web.Response:
        """The data set, whatever its name."""
        return web.json_response({"id": "/".join(request.path.split("/")[3:5]), "sha": SHA, "siblings": []})

    async def tree(self, request: web.Request) -> web.Response:
        """What lies in a folder, or at any depth in it."""
        folder = request.match_info["path"].strip("/")
        found = list(self._within(f"{folder}/" if folder else "", deep=request.query.get("recursive") == "true"))
        if not found:
            return _missing()
        return web.json_response(found)

    def _within(self, start: str, *, deep: bool) -> Iterator[dict[str, Any]]:
        folders = set[str]()
        for name in sorted(self.files):
            if not name.startswith(start):
                continue
            parts = name.removeprefix(start).split("/")
            depths = range(1, len(parts) if deep else min(len(parts), 2))
            folders |= {start + "/".join(parts[:depth]) for depth in depths}
            if deep or len(parts) == 1:
                yield self._entry(name)
        yield from ({"type": "directory", "path": folder, "oid": SHA, "size": 0} for folder in sorted(folders))

    def _entry(self, name: str) -> dict[str, Any]:
        data = self.files[name]
        return {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}

    async def some(self, request: web.Request) -> web.Response:
        """Of these paths, what is there."""
        asked = await request.post()
        return web.json_response([self._entry(str(name)) for name in asked.getall("paths") if name in self.files])

    async def modes(self, request: web.Request) -> web.Response:
        """Every file goes in the commit itself."""
        files = (await request.json())["files"]
        said = [{"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in files]
        return web.json_response({"files": said})

    async def commit(self, request: web.Request) -> web.Response:
        """Files put and removed."""
        for line in (await request.text()).splitlines():
            row = json.loads(line)
            if row["key"] == "file":
                self.files[row["value"]["path"]] = base64.b64decode(row["value"]["content"])
            elif row["key"] == "deletedFile":
                self.files.pop(row["value"]["path"], None)
        of = "{owner}/{name}".format(**request.match_info)
        return web.json_response({"commitUrl": f"{request.url.origin()}/datasets/{of}/commit/{SHA}", "commitOid": SHA})

    async def file(self, request: web.Request) -> web.Response:
        """A file, or the part of it that is asked for."""
        data = self.files.get(request.match_info["path"])
        if data is None:
            return _missing()
        part = request.http_range
        whole = part.start is None and part.stop is None
        headers = {"ETag": hashlib.sha1(data).hexdigest(), "X-Repo-Commit": SHA}
        return web.Response(body=data[part], status=200 if whole else 206, headers=headers)


def _missing() -> web.Response:
    return web.json_response({"error": "Entry not found"}, status=404, headers={"X-Error-Code": "EntryNotFound"})


def main() -> None:
    """Serve until it is killed."""
    hub, app = Hub(), web.Application(client_max_size=2**30)
    of = "/api/datasets/{owner}/{name}"
    app.router.add_get(of, hub.about)
    app.router.add_get(of + "/revision/{revision}", hub.about)
    app.router.add_get(of + "/tree/{revision}{path:.*}", hub.tree)
    app.router.add_post(of + "/paths-info/{revision}", hub.some)
    app.router.add_post(of + "/preupload/{revision}", hub.modes)
    app.router.add_post(of + "/commit/{revision}", hub.commit)
    app.router.add_get("/datasets/{owner}/{name}/resolve/{revision}/{path:.*}", hub.file)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None)


if __name__ == "__main__":
    main()
