"""One model in ONNX Runtime: token ids in, pooled vectors out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from samespace.errors import ModelError
from samespace.models.encoder import MPNET_BUCKETS, first_position, read_encoder
from samespace.models.folder import ModelFolder
from samespace.models.graph import encoder_graph
from samespace.models.pooling import pool
from samespace.models.rounded import rounded
from samespace.models.tensors import Tensors
from samespace.models.tokenizer import TokenIds
from samespace.space import Arithmetic, FloatArray

if TYPE_CHECKING:
    import onnxruntime

_TOKEN_OUTPUTS = ("token_embeddings", "last_hidden_state")
_POOLED_OUTPUT = "sentence_embedding"
_WIDENING = ["ConstantFolding", "FuseFp16InitializerToFp32NodeTransformer"]
"""Optimizations that widen half precision once and for all, and hold it in float32 thereafter."""
_KNOWN_INPUTS = (
    "input_ids",
    "attention_mask",
    "token_type_ids",
    "position_ids",
    "relative_buckets",
)
_DTYPES: dict[str, Any] = {
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(float)": np.float32,
}


class _Array(Protocol):
    name: str
    type: str
    shape: Sequence[object]


@dataclass(frozen=True)
class Loaded:
    """What several sessions of one model share."""

    folder: ModelFolder
    graph: bytes | str
    """The graph itself, or the path of an ONNX file."""
    arrays: dict[str, onnxruntime.OrtValue]
    """The weights, where the graph does not hold them."""
    arithmetic: Arithmetic = "float32"

    @classmethod
    def read(cls, folder: ModelFolder, arithmetic: Arithmetic = "float32") -> Loaded:
        """Read a folder's weights into memory, unless they are in an ONNX file as it is."""
        tensors: Mapping[str, npt.NDArray[Any]]
        if arithmetic != "float32":
            graph, tensors = rounded(folder, arithmetic)
        elif folder.kind == "onnx":
            return cls(folder, str(folder.weights[0]), {})
        else:
            encoder = read_encoder(folder.config)
            graph, tensors = encoder_graph(encoder), encoder.tensors(Tensors(folder.weights))
        import onnxruntime as ort

        arrays = {name: ort.OrtValue.ortvalue_from_numpy(a) for name, a in tensors.items()}
        return cls(folder, graph, arrays, arithmetic)


class Session:
    """A loaded model, safe to run from several threads at once.

    With one thread, parallel work comes from calling `run` in parallel, one batch per core: each
    batch stays in its core's cache, no thread waits for another in the middle of a layer, and a
    runtime without threads of its own survives a fork. More threads answer a single text sooner.
    They do not spin while they wait, so that they are sooner on a busy machine too; and a fork,
    which lacks them, must not run the session.

    Args:
        model: the weights and their graph.
        threads: how many threads of the runtime work on one batch.

    Raises:
        ModelError: the runtime cannot load the model, or its inputs or outputs are unknown.
    """

    def __init__(self, model: Loaded, threads: int = 1) -> None:
        self._folder = folder = model.folder
        self.model = model
        self._session = _open(model, threads)
        self._first_position = first_position(folder.config)
        self._padding = folder.config.padding_id() if self._first_position else -1
        where = folder.weights[0]
        self._types: dict[str, Any] = {}
        for array in self._session.get_inputs():
            if array.name not in _KNOWN_INPUTS:
                raise ModelError(
                    f"{where}: the graph asks for an input {array.name!r}; samespace gives "
                    f"{', '.join(_KNOWN_INPUTS[:-1])}"
                )
            if array.type not in _DTYPES:
                raise ModelError(
                    f"{where}: the input {array.name} is of type {array.type}; samespace gives "
                    f"{', '.join(_DTYPES)}"
                )
            self._types[array.name] = _DTYPES[array.type]
        self._output = _choose_output(self._session.get_outputs(), folder)

    def run(self, batch: Sequence[TokenIds]) -> FloatArray:
        """Return one pooled vector per text, (len(batch), dimensions).

        Args:
            batch: the token ids of each text; they are padded to the longest here.
        """
        lengths = np.array([len(ids) for ids in batch])
        inputs = self._inputs(batch, lengths)
        try:
            (output,) = self._session.run([self._output], inputs)
        except Exception as error:
            # The runtime's errors share no base class but Exception.
            raise ModelError(
                f"{self._folder.weights[0]} failed on {len(batch)} texts of {lengths.max()} "
                f"tokens: {error}"
            ) from error
        space = self._folder.space
        if output.shape[-1] != space.native_dimensions:
            raise ModelError(
                f"{self._folder.weights[0]}: output {self._output} is {output.shape[-1]} wide, "
                f"but the folder's configuration says {space.native_dimensions}"
            )
        return pool(output.astype(np.float32, copy=False), lengths, space)

    def _inputs(
        self, batch: Sequence[TokenIds], lengths: npt.NDArray[Any]
    ) -> dict[str, npt.NDArray[Any]]:
        longest = int(lengths.max())
        mask = np.arange(longest) < lengths[:, None]
        ids = np.zeros(mask.shape, dtype=np.int32)
        ids[mask] = np.concatenate(batch)
        made: dict[str, npt.NDArray[Any]] = {}
        for name, dtype in self._types.items():
            array: npt.NDArray[Any]
            if name == "input_ids":
                array = ids
            elif name == "attention_mask":
                array = mask
            elif name == "token_type_ids":
                array = np.zeros(mask.shape, dtype=dtype)
            elif name == "position_ids":
                array = self._positions(ids, mask)
            else:
                array = _buckets(longest)
            made[name] = array.astype(dtype, copy=False)
        return made

    def _positions(self, ids: TokenIds, mask: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        if not self._first_position:
            return np.broadcast_to(np.arange(mask.shape[1]), mask.shape)
        # RoBERTa counts real tokens only: a padding token that a text spells out has no place.
        real = mask & (ids != self._padding)
        positions: npt.NDArray[Any] = np.cumsum(real, axis=1) * real + (self._first_position - 1)
        return positions


def _open(model: Loaded, threads: int) -> onnxruntime.InferenceSession:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    # The pattern is remembered for every shape ever seen: memory that only grows, for no gain.
    options.enable_mem_pattern = False
    options.add_external_initializers(list(model.arrays), list(model.arrays.values()))
    left_out = [] if model.arithmetic == "float32" else _WIDENING
    try:
        return ort.InferenceSession(
            model.graph,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=left_out,
        )
    except Exception as error:
        # The runtime's errors share no base class but Exception.
        raise ModelError(f"{model.folder.weights[0]} cannot be loaded: {error}") from error


def _choose_output(outputs: Sequence[_Array], folder: ModelFolder) -> str:
    names = [output.name for output in outputs]
    if folder.space.pooling == "none":
        if _POOLED_OUTPUT in names:
            return _POOLED_OUTPUT
        if len(outputs) == 1 and len(outputs[0].shape) == 2:
            return names[0]
        raise ModelError(
            f"{folder.weights[0]} has no output {_POOLED_OUTPUT}, only {', '.join(names)}: "
            'say how tokens are pooled, for example OnnxEmbedder(folder, pooling="mean")'
        )
    chosen = next((name for name in _TOKEN_OUTPUTS if name in names), None)
    if chosen is None:
        raise ModelError(
            f"{folder.weights[0]} has the outputs {', '.join(names)}; expected one of "
            f"{', '.join(_TOKEN_OUTPUTS)}. If the graph pools by itself, say so: "
            'OnnxEmbedder(folder, pooling="none")'
        )
    return chosen


@lru_cache(maxsize=64)
def _buckets(length: int) -> npt.NDArray[np.int32]:
    """Return MPNet's bucket of each pair of positions, (length, length).

    Half of the buckets are for what comes before, half for what comes after; near distances
    have one each, far ones share them by logarithm up to 128 (as in T5, arXiv:1910.10683).
    """
    half = MPNET_BUCKETS // 2
    exact = half // 2
    offset = np.arange(length)[None, :] - np.arange(length)[:, None]
    distance = np.abs(offset)
    scale = np.float32(np.log(128 / exact))
    far = np.log(np.maximum(distance, 1).astype(np.float32) / exact) / scale * (half - exact)
    shared = np.minimum(exact + far.astype(np.int32), half - 1)
    buckets = np.where(distance < exact, distance, shared) + half * (offset > 0)
    result: npt.NDArray[np.int32] = buckets.astype(np.int32)
    return result
