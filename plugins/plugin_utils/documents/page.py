# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Jinja2 pages: one template for a checklist's HTML and PDF, one for the index; no JavaScript, nothing fetched."""

from __future__ import annotations

import functools
import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from ansible_collections.sicekat.backup.plugins.module_utils import record
from ansible_collections.sicekat.backup.plugins.plugin_utils import catalogue, labels
from ansible_collections.sicekat.backup.plugins.plugin_utils.documents import view

TEMPLATE_DIRECTORY = Path(__file__).parent.parent / "templates"


def checklist(document: Mapping[str, Any]) -> str:
    """Returns a checklist (schema sicekat.checklist/1) as a self-contained HTML page."""
    template = _environment(document["language"], document["timezone"]).get_template("checklist.html.j2")
    return template.render(doc=document, overall=view.overall(document), renewed_at=view.renewed_at(document), **view.rows(document))


def index(document: Mapping[str, Any]) -> str:
    """Returns an index (schema sicekat.index/1) as a self-contained HTML page."""
    problems, others = view.owed(document)
    template = _environment(document["language"], document["timezone"]).get_template("index.html.j2")
    return template.render(
        doc=document, state=view.index_state(document), statuses=view.statuses(document), problems=problems, others=others,
        repositories=view.repositories(document), findings=view.findings(document),
    )  # fmt: skip


def recovery_kit(document: Mapping[str, Any]) -> str:
    """Returns a recovery kit (schema sicekat.recovery_kit/1) as a self-contained HTML page. It holds a secret."""
    return _environment(document["language"], document["timezone"]).get_template("recovery_kit.html.j2").render(doc=document)


def recovery_plan(document: Mapping[str, Any]) -> str:
    """Returns a recovery plan (schema sicekat.recovery_plan/1) as a self-contained HTML page."""
    return _environment(document["language"], document["timezone"]).get_template("recovery_plan.html.j2").render(doc=document)


@functools.cache
def _environment(language: str, timezone: str) -> jinja2.Environment:
    """Returns an environment for a language and a time zone, with its templates compiled once in a process.

    Every string that a template prints is escaped twice: control characters become visible, then HTML is quoted.
    """
    translator = catalogue.translator(language)
    formatter = catalogue.Formatter(language, timezone)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE_DIRECTORY),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )

    def translate(msgid: str, **values: Any) -> str:
        return translator.gettext(msgid).format_map(values)

    def foreign_moment(text: str | None) -> str:
        # A server that was taken over can give a snapshot a time that no calendar has.
        try:
            return formatter.moment(text)
        except (ValueError, OverflowError):
            return text

    def label(group: str, key: str | None) -> str:
        return catalogue.UNKNOWN if key is None else translator.label(group, key)

    environment.globals.update(
        _=translate,
        label=label,
        definition=lambda cycle: translator.gettext(labels.DEFINITIONS[cycle]),
        symbol=lambda state: labels.SYMBOLS.get(state, "?"),
        tone=lambda state: labels.TONES.get(state, "bad"),
        message=translator.message,
        span=formatter.span,
    )
    environment.filters.update(
        number=formatter.number,
        size=formatter.size,
        day=formatter.day,
        short_day=formatter.short_day,
        moment=formatter.moment,
        foreign_moment=foreign_moment,
        milliseconds=formatter.milliseconds,
        seconds=formatter.seconds,
        percent=formatter.percent,
        period=formatter.period,
        lines=str.splitlines,
        # Also quotes the colon, so that no file name becomes another protocol.
        link=lambda path: urllib.parse.quote(path, errors="surrogateescape"),
        short=lambda identifier: catalogue.UNKNOWN if identifier is None else identifier[:8],
    )
    return environment


def _finalize(value: Any) -> Any:
    """Makes a printed value safe on one line; None becomes a dash and text that is markup already stays."""
    if value is None:
        return catalogue.UNKNOWN
    return value if isinstance(value, markupsafe.Markup) else record.printable(value)
