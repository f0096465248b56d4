"""The command ``edgekit``: a table of verbs, each imported when called, and one place that handles failures."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from edgekit import __version__
from edgekit.cli.failures import Interrupted, as_error, show
from edgekit.cli.output import reserved_stdout

__all__ = ["VERBS", "cli", "main", "run"]

# verb -> ("module:command", the line that `edgekit --help` prints)
VERBS: dict[str, tuple[str, str]] = {
    "init": ("edgekit.cli.init:init", "Write a commented workload and recipe to start from."),
    "export": ("edgekit.cli.export:export", "Make verified artifacts from a trained model by a recipe."),
    "inspect": ("edgekit.cli.inspect:inspect", "Show what an artifact really executes."),
    "verify": ("edgekit.cli.verify:verify", "Compare an artifact with the float model."),
    "estimate": ("edgekit.cli.estimate:estimate", "Predict an artifact's latency and memory on devices; its size."),
    "measure": ("edgekit.cli.measure:measure", "Run an artifact here, on an emulated Arm device, a board or a phone."),
    "bundle": ("edgekit.cli.bundle:bundle", "Put artifacts into the Android app, with what it checks them by."),
    "recipes": ("edgekit.cli.recipes:recipes", "List, show and validate recipes; print schema and schemes."),
    "devices": ("edgekit.cli.devices:devices", "List, show and validate device profiles."),
    "cache": ("edgekit.cli.cache:cache", "Look into and prune what earlier runs kept."),
    "doctor": ("edgekit.cli.doctor:doctor", "Check what is installed, and say how to add what is missing."),
    "explain": ("edgekit.cli.explain:explain", "Explain an error's code."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported when called: ``--help`` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in VERBS:
            return None
        module, _, attribute = VERBS[name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def resolve_command(self, ctx: click.Context,
                        args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            from edgekit.yamlfile.nearest import choices_hint
            raise click.UsageError(f"there is no verb '{args[0]}': {choices_hint(args[0], VERBS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
             epilog="Every verb takes --json: one document on standard output. Exit status: 0 done, 1 budget missed, "
                    "2 usage or recipe, 3 conversion, 4 device, 5 environment, 130 interrupted.")
@click.version_option(__version__, prog_name="edgekit")
def cli() -> None:
    """From a trained PyTorch model to verified TFLite, ExecuTorch and ONNX artifacts, by one recipe."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit status. A command's own return value, where it is a number, is that."""
    as_json = "--json" in list(arguments)[:_end_of_options(arguments)]
    with reserved_stdout(as_json):
        try:
            value: Any = cli.main(args=list(arguments), prog_name="edgekit", standalone_mode=False)
        except SystemExit:
            raise
        except BaseException as failure:  # noqa: BLE001 - the one place where every failure ends
            error = as_error(failure)
            show(error, failure, as_json=as_json)
            return error.exit_status
    return value if isinstance(value, int) else 0


def main() -> NoReturn:
    """The console script. A polite request to end (SIGTERM) tidies up like an interrupt from the keyboard."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    status = run(sys.argv[1:])
    if status == Interrupted.exit_status:  # all is tidied up; threads still in users' code would hold the end up
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def _end_of_options(arguments: Sequence[str]) -> int:
    return list(arguments).index("--") if "--" in arguments else len(arguments)
