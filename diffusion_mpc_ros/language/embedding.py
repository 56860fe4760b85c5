"""Word vectors that a package ships: what words mean, in 256 numbers, without a network and without PyTorch.

The package wordllama (MIT) holds token vectors of Llama, trained down to 256 numbers each, in the manner of model2vec.
Its files are read; its code, which may download others, is not run.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from diffusion_mpc_ros.core.errors import ConfigurationError

SETUP = "understanding language needs the packages wordllama and tokenizers, which `make setup-say` installs"
_WEIGHTS, _TOKENIZER = "weights/l2_supercat_256.safetensors", "tokenizers/l2_supercat_tokenizer_config.json"


class Embedding(Protocol):
    """What words mean, as vectors."""

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """Return the unit vector ``(E,)`` of the words together; zeros for none."""
        ...

    def knows(self, word: str) -> bool:
        """Whether it is a word of its own, rather than put together of parts."""
        ...


class WordVectors:
    """The mean of the words' vectors. Raises :class:`ConfigurationError` where the packages are not installed."""

    def __init__(self) -> None:
        folder = _package_folder()
        try:
            tokenizers = importlib.import_module("tokenizers")
            safetensors = importlib.import_module("safetensors.numpy")
        except ModuleNotFoundError:
            raise ConfigurationError(SETUP) from None
        try:
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / _TOKENIZER))
            (self._vectors,) = safetensors.load_file(folder / _WEIGHTS).values()
        except Exception as error:  # tokenizers raises Exception itself
            raise ConfigurationError(f"the word vectors in {folder} cannot be read ({error}): {SETUP}") from None

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """See :class:`Embedding`: each word counts the same, however many tokens it has."""
        if not words:
            return np.zeros(self._vectors.shape[1])
        total = sum((self._word(word) for word in words), np.zeros(self._vectors.shape[1]))
        norm = np.linalg.norm(total)
        return total / norm if norm > 0.0 else total

    def knows(self, word: str) -> bool:
        """See :class:`Embedding`."""
        return len(self._tokens(word)) == 1

    def _word(self, word: str) -> np.ndarray:
        return self._vectors[self._tokens(word)].astype(np.float64).mean(axis=0)

    def _tokens(self, word: str) -> list[int]:
        return self._tokenizer.encode(word, add_special_tokens=False).ids


def _package_folder() -> Path:
    """Where the package's files lie, found without importing it."""
    found = importlib.util.find_spec("wordllama")
    if found is None or not found.submodule_search_locations:
        raise ConfigurationError(SETUP)
    return Path(next(iter(found.submodule_search_locations)))
