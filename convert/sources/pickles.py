"""Reads fitted estimators from pickles, and tells what is wrong with one that does not open."""

from __future__ import annotations

import io
import re
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
from sklearn.exceptions import InconsistentVersionWarning

from convert.errors import SourceError, one_line

SUFFIXES = (".joblib", ".pkl", ".pickle")
FITTED_WITH = re.compile(
    rb"_sklearn_version(?:\x94|q.|r....)?(?:\x8c.|X....)(\d+(?:\.\d+)+(?:(?:a|b|rc|\.dev|\.post)\d+)?)",
    re.DOTALL,
)
"""How scikit-learn's version is written into an uncompressed pickle, for those that do not open at all."""
OLD_XGBOOST = "older version of XGBoost"
"""What xgboost says, as a warning, of a pickle that another version of it wrote."""


def read(path: Path, content: bytes) -> Any:
    """The object in a pickle whose bytes are ``content``. Runs code that is in it.

    Raises:
        SourceError: it does not open, or another version of the training library wrote it.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            found = joblib.load(io.BytesIO(content))
        except ModuleNotFoundError as error:
            raise SourceError(
                f"{path} needs the Python module {error.name!r}, which cannot be imported here: install it, "
                "or put it on PYTHONPATH"
            ) from error
        except Exception as error:  # unpickling raises whatever the content makes it raise
            raise SourceError(_unopened(path, content, error)) from error
        finally:
            heard = [warning.message for warning in told]
    _check_versions(path, heard)
    return found


def _check_versions(path: Path, heard: list[Warning | str]) -> None:
    for warning in heard:
        if isinstance(warning, InconsistentVersionWarning):
            raise SourceError(_other_version(path, warning.original_sklearn_version))
        if OLD_XGBOOST in str(warning):
            raise SourceError(
                f"{path} was pickled with another version of xgboost than this, {version('xgboost')}: write "
                "the model with save_model('model.json') where it was fitted, and convert that file"
            )


def _unopened(path: Path, content: bytes, error: Exception) -> str:
    written = FITTED_WITH.search(content)
    if written and written[1].decode() != version("scikit-learn"):
        return _other_version(path, written[1].decode())
    reason = f"{path} cannot be unpickled: {one_line(error)}"
    if isinstance(error, AttributeError) and "__main__" in str(error):
        reason += "; define it in a module that can be imported, not in the script that was run"
    return reason


def _other_version(path: Path, fitted_with: str) -> str:
    return (
        f"{path} was fitted with scikit-learn {fitted_with}, this is {version('scikit-learn')}: "
        f"convert where {fitted_with} is installed, or fit again"
    )
