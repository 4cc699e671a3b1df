"""A few calls of the platform's own API, by which tests see what the official clients logged."""

from __future__ import annotations

from typing import Any

import requests


class NativeApi:
    def __init__(self, url: str, token: str, project: str) -> None:
        self.base = f"{url}/api/v1"
        self.project = project
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, address: str, /, **query: Any) -> Any:
        answer = self.session.get(self.base + address, params=query, timeout=60)
        assert answer.status_code == 200, f"{address}: {answer.status_code} {answer.text[:500]}"
        return answer.json()

    def find_run(self, *, sys_id: str = "", name: str = "") -> dict[str, Any]:
        """The run's row, by its id such as TUT-3 or by its name."""
        rows = self.get(f"/projects/{self.project}/runs/", limit=100)["results"]
        found = [row for row in rows if (row["sys_id"] == sys_id if sys_id else row["name"] == name)]
        assert len(found) == 1, f"{len(found)} runs are called {sys_id or name}"
        run: dict[str, Any] = found[0]
        return run

    def attributes(self, run: str) -> dict[str, dict[str, Any]]:
        """All attributes of the run by path."""
        found: dict[str, dict[str, Any]] = {}
        query: dict[str, Any] = {"limit": 500}
        while True:
            page = self.get(f"/runs/{run}/attributes/", **query)
            found |= {row["path"]: row for row in page["results"]}
            if not page["next"]:
                return found
            query["cursor"] = page["next"]

    def series(self, run: str, path: str) -> dict[str, list[Any]]:
        """Every point of a float series whose steps are whole numbers, read exactly, 2000 at a time."""
        found: dict[str, list[Any]] = {"steps": [], "values": [], "timestamps": []}
        total = self.get(f"/runs/{run}/series/", path=path, max_points=1)["series"][0]["total"]
        first = 0
        while len(found["steps"]) < total:
            query = {"path": path, "max_points": 2000, "from": first, "to": first + 1999}
            part = self.get(f"/runs/{run}/series/", **query)["series"][0]
            assert part["is_exact"]
            assert part["steps"], f"{path}: {len(found['steps'])} of {total} points, none from step {first} on"
            for column, values in found.items():
                values += part[column]
            first += 2000
        assert len(found["steps"]) == total
        return found

    def lines(self, run: str, path: str) -> list[str]:
        page = self.get(f"/runs/{run}/strings/", path=path, offset=0, limit=1000)
        return [line["value"] for line in page["lines"]]

    def files(self, run: str, path: str, inside: str = "") -> list[dict[str, Any]]:
        """The file, or what a directory of a file set holds."""
        files: list[dict[str, Any]] = self.get(f"/runs/{run}/files/", path=path, inside=inside)["results"]
        return files

    def content(self, run: str, path: str) -> bytes:
        """The bytes of a file attribute."""
        file = self.files(run, path)[0]
        answer = self.session.get(self.base.removesuffix("/api/v1") + file["file_url"], timeout=120)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        return answer.content
