"""``mps serve``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from registry.errors import RegistryError
from server.errors import ServerError
from server.settings import describe

FLAGS = {
    "model": "MPS_MODEL_TYPE",
    "port": "MPS_API_PORT",
    "workers": "MPS_WORKERS",
    "registry": "MPS_REGISTRY",
}


def main(argv: list[str]) -> int:
    """Serve until told to stop."""
    arguments = vars(_parser().parse_args(argv))
    flags = {variable: arguments[flag] for flag, variable in FLAGS.items() if arguments[flag] is not None}
    from server.process import run  # after the arguments: --help needs no server

    try:
        run(arguments["config"], flags)
    except (ServerError, RegistryError) as error:
        print(f"mps serve: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(
        f"  {variable:<24}{meaning} (default: {default})" for variable, default, meaning in describe()
    )
    parser = argparse.ArgumentParser(
        prog="mps serve",
        description="Serve the models of the registry over HTTP.",
        epilog=(
            "Settings come from, low to high: defaults, the TOML file, environment variables, and what the\n"
            "reload endpoint set at run time. The file has the same names in lower case without MPS_.\n\n"
            f"  {'MPS_CONFIG':<24}the TOML file (default: mps.toml in the working folder, if there)\n"
            f"{settings}\n\n"
            "Try:  curl -X POST localhost:8000/predict -H 'Content-Type: application/json' -d \\\n"
            '        \'{"sepal_length":5.1,"sepal_width":3.5,"petal_length":1.4,"petal_width":0.2}\'\n'
            "Docs: http://localhost:8000/docs"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with settings")
    parser.add_argument("--model", metavar="NAME", help="the same as MPS_MODEL_TYPE")
    parser.add_argument("--port", metavar="PORT", help="the same as MPS_API_PORT")
    parser.add_argument("--workers", metavar="N", help="the same as MPS_WORKERS")
    parser.add_argument("--registry", metavar="DIR", help="the same as MPS_REGISTRY")
    return parser
