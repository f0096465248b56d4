"""``edgekit explain``: what an error's code means and what usually helps."""

from __future__ import annotations

import textwrap

import click

from edgekit.cli.output import emit_json, json_option, print_table
from edgekit.errors import UsageError


@click.command(help="Explain the error CODE; without one, list all codes.")
@click.argument("code", required=False)
@json_option
def explain(code: str | None, as_json: bool) -> None:
    from edgekit.error_codes import CODES
    if code is None:
        if as_json:
            emit_json("error-codes", 1, {"codes": {name: title for name, (title, _) in CODES.items()}})
        else:
            print_table(("code", "what it is"), [(name, title) for name, (title, _) in CODES.items()])
        return
    if code not in CODES:
        from edgekit.yamlfile.nearest import nearest
        near = nearest(code, CODES)
        raise UsageError("code-unknown", f"there is no error code '{code}'",
                         next=(f"did you mean '{near}'? " if near else "") + "`edgekit explain` lists all codes")
    title, text = CODES[code]
    if as_json:
        emit_json("error-code", 1, {"code": code, "title": title, "text": text})
    else:
        click.echo(f"{code}: {title}\n")
        click.echo(textwrap.fill(text, 100))
