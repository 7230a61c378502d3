"""The content policy of Datasette's pages, without and with plugins that draw charts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasette.plugins import pm

from canvas_archive.web import guard
from tests.web_support import make_archive, open_visitor

PAGES = ("/archive", "/archive/messages", "/archive?sql=select+1", "/-/versions")
MAIL = ("/mail", "/mail/search?q=the", "/mail/people", "/mail/status")


def policies(folder: Path) -> dict[str, str]:
    visitor = open_visitor(folder)
    try:
        return {path: visitor.get(path).headers["content-security-policy"] for path in (*PAGES, *MAIL)}
    finally:
        visitor.close()


@pytest.mark.parametrize("plugin", [None, "datasette-vega", "datasette-dashboards"])
def test_only_pages_of_tables_allow_what_charts_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugin: str | None
) -> None:
    folder = make_archive(tmp_path / "archive")
    installed: list[Any] = [(None, SimpleNamespace(project_name=name)) for name in ("datasette-atom", plugin)]
    monkeypatch.setattr(pm, "list_plugin_distinfo", lambda: installed)
    found = policies(folder)
    for path in PAGES:
        assert ("'unsafe-eval'" in found[path]) is (plugin is not None), path
        assert "default-src 'self'" in found[path] and "object-src 'none'" in found[path]
    for path in MAIL:
        assert found[path] == guard.MAIL_POLICY and "unsafe" not in found[path]


def test_the_two_policies_differ_in_one_word() -> None:
    plain, drawing = (
        set(policy.replace(";", "").split()) for policy in (guard.TABLES_POLICY, guard.DRAWING_POLICY)
    )
    assert drawing - plain == {"'unsafe-eval'"} and plain <= drawing
    assert guard.DRAWING_POLICY.split("script-src", 1)[1].split(";")[0].endswith("'unsafe-eval'")
